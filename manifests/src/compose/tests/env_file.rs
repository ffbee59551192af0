use super::*;

fn env(case: Case, lines: &str) -> Vec<(String, String)> {
    case.load(&web(lines)).service().env_file.unwrap().0.into_iter().collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn files_are_merged_and_the_last_wins() {
    let case = case()
        .file("app/a.env", "A=1\nB=1\n")
        .file("app/b.yml", "B: yes\nC: 1.10\nD: 0444\nE: true\nF: \"\"\n")
        .file("app/c.json", "{\n\t\"G\": 1e3, \"A\": \"x\"\n}\n");
    assert_eq!(
        env(case, "env_file: [a.env, b.yml, {path: ./c.json}]"),
        pairs(&[("A", "x"), ("B", "yes"), ("C", "1.1"), ("D", "292"), ("E", "true"), ("F", ""), ("G", "1000")])
    );
}

#[test]
fn a_single_path_is_a_list_of_one() {
    assert_eq!(env(case().file("app/sub/a.env", "A=1"), "env_file: sub/a.env"), pairs(&[("A", "1")]));
    assert_eq!(env(case(), "env_file: []"), []);
}

#[test]
fn a_file_may_be_missing_only_when_it_is_not_required() {
    assert_eq!(env(case(), "env_file: [{path: a.env, required: false}]"), []);
    assert_eq!(env(case(), "env_file: [{path: a.env, required: \"false\"}]"), []);
    let missing = "error compose.yml:4:15: cannot read `a.env`: no such file in the repository";
    case().load(&web("env_file: a.env")).finds(missing);
    case().load(&web("env_file: [{path: a.env}]")).finds("error compose.yml:4:23: cannot read `a.env`");
}

#[test]
fn raw_files_keep_their_quotes() {
    let case = || case().file("app/a.env", "A=\"x\"\n");
    assert_eq!(env(case(), "env_file: [{path: a.env, format: raw}]"), pairs(&[("A", "\"x\"")]));
    case()
        .load(&web("env_file: [{path: a.env, format: xml}]"))
        .finds("error compose.yml:4:38: `format` knows only `raw`");
}

#[test]
fn paths_stay_in_the_repository() {
    for path in ["../a.env", "/etc/passwd", "~/a.env", "a/../../b"] {
        let outcome = case().file("a.env", "A=1").load(&web(&format!("env_file: {path}")));
        outcome.finds("error compose.yml:4:15: the path `");
    }
    case()
        .file("app/dir/a.env", "A=1")
        .load(&web("env_file: dir"))
        .finds("error compose.yml:4:15: cannot read `dir`: it is a folder");
}

#[test]
fn structured_files_are_flat_mappings_of_scalars() {
    let found = |content: &str| case().file("app/a.yml", content).load(&web("env_file: a.yml")).found();
    assert_eq!(
        found("A: [1]\nB:\nc-d: secret\nE: {x: secret}\n"),
        [
            "error a.yml:1:4: a variable is a string, number or boolean, found a list",
            "error a.yml:2:1: a variable is a string, number or boolean, found nothing",
            "error a.yml:3:1: a variable name holds only letters, digits and `_`, no digit first",
            "error a.yml:4:4: a variable is a string, number or boolean, found a mapping",
        ]
    );
    assert_eq!(found("- secret\n"), ["error a.yml:1:1: an environment file is one mapping, found a list"]);
    assert_eq!(found("A: 1\n---\nB: 2\n"), ["error a.yml:1:1: an environment file is one mapping, found 2 documents"]);
    assert_eq!(found("A: 1\nA: 2\n").len(), 1);
    assert_eq!(found("A: 'secret\n").len(), 1);
}

#[test]
fn files_are_plain_text() {
    let found = |content: &[u8]| case().file("app/a.env", content).load(&web("env_file: a.env")).found();
    assert_eq!(found(b"\xef\xbb\xbfA=1\n").len(), 1);
    assert_eq!(found(b"A=\xff\n").len(), 1);
    assert_eq!(found(b"A=\0\n").len(), 1);
    assert_eq!(found(b"A=1\x07\n"), ["error a.env:1:4: the line holds a control character"]);
    assert_eq!(found(b"A=1\r\nB=2\r\n"), [""; 0]);
}

#[test]
fn no_diagnostic_holds_the_text_of_a_file() {
    for (path, content) in
        [("app/a.env", "A=hush\nB"), ("app/a.yml", "A: hush\nB: [hush]\n"), ("app/a.yml", "A: 'hush")]
    {
        let name = path.trim_start_matches("app/");
        let outcome = case().file(path, content).load(&web(&format!("env_file: {name}")));
        let [diagnostic] = outcome.diagnostics.as_slice() else { panic!("{:?}", outcome.found()) };
        assert_eq!(diagnostic.at.file.text, "");
        assert!(!format!("{diagnostic} {:?}", diagnostic.help).contains("hush"));
    }
}

#[test]
fn what_is_merged_has_a_limit() {
    let half = |key: &str| format!("{key}={}\n", "x".repeat(499_999));
    let case =
        |extra: &str| super::case().file("app/a.env", half("A")).file("app/b.env", format!("{}{extra}", half("B")));
    let compose = web("env_file: [a.env, b.env]");
    assert_eq!(case("").load(&compose).found(), [""; 0]);
    case("C=")
        .load(&compose)
        .finds("error compose.yml:4:15: the files set 1000001 bytes, more than the limit of 1000000");
}
