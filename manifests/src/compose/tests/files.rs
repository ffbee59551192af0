use super::*;
use crate::model::{FileContent, FileMount, SecretBytes};

const TOP: &str = "configs: {conf: {file: ./nginx/a.conf}}\nsecrets: {key: {file: key.txt}}\n";

fn files() -> Case {
    case().file("app/nginx/a.conf", "text\n").file("app/key.txt", [0xff, 0])
}

fn load(lines: &str) -> Outcome {
    files().load(&(web(lines) + TOP))
}

fn targets(mounts: &[FileMount]) -> Vec<(&str, Option<u32>)> {
    mounts.iter().map(|mount| (mount.target.as_str(), mount.mode)).collect()
}

#[test]
fn files_become_objects_with_the_base_name_as_key() {
    let project = load("configs: [conf]\nsecrets: [key]").project();
    let [config] = project.configs.as_slice() else { panic!("{:?}", project.configs) };
    assert_eq!(config.name, "conf");
    let bytes = |bytes: &[u8]| SecretBytes(bytes.to_vec());
    assert_eq!(
        config.content,
        FileContent::File { key: "a.conf".to_owned(), bytes: bytes(b"text\n"), encrypted: false }
    );
    let [secret] = project.secrets.as_slice() else { panic!("{:?}", project.secrets) };
    assert_eq!(
        secret.content,
        FileContent::File { key: "key.txt".to_owned(), bytes: bytes(&[0xff, 0]), encrypted: false }
    );
    assert_eq!(targets(&project.services[0].configs), [("/conf", None)]);
    assert_eq!(targets(&project.services[0].secrets), [("/run/secrets/key", None)]);
}

#[test]
fn targets_and_modes() {
    let service = load(
        "configs:\n- {source: conf, target: /etc//a.conf, mode: 0444}\n- {source: conf, target: b, mode: \"0640\"}\n\
         secrets:\n- {source: key, target: other, mode: 256}\n- {source: key, uid: \"0\", gid: \"0\"}\n",
    );
    let service = service.project().services.remove(0);
    assert_eq!(targets(&service.configs), [("/etc/a.conf", Some(0o444)), ("/b", Some(0o640))]);
    assert_eq!(targets(&service.secrets), [("/run/secrets/other", Some(0o400)), ("/run/secrets/key", None)]);
}

#[test]
fn bad_mounts_are_named() {
    let found = |lines: &str| {
        let found = files().load(&(web(lines) + "configs: {conf: {file: ./nginx/a.conf}}\n")).found();
        found.into_iter().find(|line| line.starts_with("error")).unwrap()
    };
    assert_eq!(found("configs: [cnf]"), "error compose.yml:4:15: there is no config `cnf`");
    assert_eq!(
        found("configs: [{source: conf, mode: 0o1777}]"),
        "error compose.yml:4:36: `mode` must be from 0 to 0777, in octal"
    );
    assert_eq!(
        found("configs: [{source: conf, mode: \"9\"}]"),
        "error compose.yml:4:36: `mode` must be from 0 to 0777, in octal"
    );
    assert_eq!(
        found("configs: [{source: conf, target: ../x}]"),
        "error compose.yml:4:38: `/../x` is no path of a file in the container"
    );
    assert_eq!(found("configs: [{target: /x}]"), "error compose.yml:4:15: the config needs `source`");
    assert_eq!(found("configs: {conf: /x}"), "error compose.yml:4:14: `configs` must be a list, found a mapping");
    assert_eq!(
        found("configs: [{source: conf, tarqet: /x}]"),
        "error compose.yml:4:30: `configs` of service `web` has no key `tarqet`"
    );
}

#[test]
fn a_suggestion_for_a_name_that_is_not_there() {
    let outcome = load("configs: [cnf]");
    assert!(outcome.diagnostics.iter().any(|diagnostic| diagnostic.help.as_deref() == Some("did you mean `conf`?")));
}

#[test]
fn one_path_holds_one_file_and_a_file_wins_over_a_volume() {
    load("configs: [{source: conf, target: /x}]\nsecrets: [{source: key, target: /x}]")
        .finds("error compose.yml:5:15: `/x` is mounted already, at compose.yml:4:15");
    let outcome = load("configs: [{source: conf, target: /x}]\nsecrets: [key]\nvolumes: [\"db:/x/\", \"db:/y\"]");
    outcome.finds("warning compose.yml:6:15: the volume on `/x` is left out: a config or secret is mounted there");
    let mounts = &outcome.loaded.unwrap().project.services[0].mounts;
    assert_eq!(mounts.iter().map(|mount| mount.target.as_str()).collect::<Vec<_>>(), ["/y"]);
}

#[test]
fn objects_that_exist_already() {
    let top = "configs: {a: {external: true}, b: {external: \"true\", name: shared.conf}, c: {name: plain}, d: {external: false, file: key.txt}}\n";
    let project = case().file("app/key.txt", "x").load(&(web("configs: [a, b, c, d]") + top)).project();
    let contents: Vec<String> = project
        .configs
        .iter()
        .map(|file| match &file.content {
            FileContent::External { object } => object.clone(),
            FileContent::File { key, .. } => format!("file {key}"),
        })
        .collect();
    assert_eq!(contents, ["a", "shared.conf", "plain", "file key.txt"]);
}

#[test]
fn bad_definitions_are_named() {
    let found = |definition: &str, name: &str| {
        let case =
            files().file("app/bin", [0xff]).file("app/bom", "\u{feff}x").file("app/nul", "\0").file("app/a b", "x");
        let compose = format!(
            "{}configs: {{{name}: {definition}}}\n",
            web(&format!("configs: [{{source: {name}, target: /x}}]"))
        );
        case.load(&compose).found()
    };
    let conf = |definition| found(definition, "conf");
    assert_eq!(conf("{}"), ["error compose.yml:5:11: the config `conf` has no content"]);
    assert_eq!(
        conf("{file: bin}"),
        ["error compose.yml:5:24: `bin` cannot be a config: it is not UTF-8 text: byte 1 begins no character"]
    );
    assert_eq!(
        conf("{file: bom}"),
        ["error compose.yml:5:24: `bom` cannot be a config: it begins with a byte order mark"]
    );
    assert_eq!(conf("{file: nul}"), ["error compose.yml:5:24: `nul` cannot be a config: it holds a NUL character"]);
    assert_eq!(conf("{file: a b}"), ["error compose.yml:5:24: the file name `a b` cannot be a key in a config"]);
    assert_eq!(conf("{file: ../x}").len(), 1);
    assert_eq!(conf("{file: none}"), ["error compose.yml:5:24: cannot read `none`: no such file in the repository"]);
    assert_eq!(
        conf("{file: bin, external: true}"),
        ["error compose.yml:5:24: `file` and `external` contradict each other for config `conf`"]
    );
    assert_eq!(
        conf("{external: true, name: A_b}"),
        ["error compose.yml:5:40: `A_b` cannot be the name of an object in the cluster"]
    );
    assert_eq!(conf("{external: {nam: x}}"), ["error compose.yml:5:29: `external` of config `conf` has no key `nam`"]);
    assert_eq!(
        conf("{content: hello, file: nul}"),
        ["error compose.yml:5:40: `file` and `content` contradict each other for config `conf`"]
    );
    assert_eq!(conf("{environment: NONE}"), ["error compose.yml:5:31: the variable `NONE` is not set"]);
    assert_eq!(conf("5"), ["error compose.yml:5:17: config `conf` must be a mapping, found an integer"]);
    let renamed = files().load(&(web("secrets: [db_password]") + "secrets: {db_password: {file: key.txt}}\n"));
    renamed.finds("error compose.yml:5:11: `db_password` cannot name a secret");
    let help = renamed.diagnostics[0].help.clone().unwrap();
    assert!(help.contains("{source: db-password, target: db_password}"), "{help}");
    assert_eq!(
        found("{file: key.txt}", &"a".repeat(60)),
        ["error compose.yml:5:11: the config name has 60 characters, and 59 are left for it"]
    );
}

#[test]
fn files_are_at_most_one_mebibyte() {
    let load = |size: usize| {
        files().file("app/key.txt", vec![b'x'; size]).load(&(web("secrets: [key]\nconfigs: [conf]") + TOP))
    };
    assert_eq!(load(1 << 20).found(), [""; 0]);
    load((1 << 20) + 1)
        .finds("error compose.yml:7:23: cannot read `key.txt`: it has 1048577 bytes, more than the limit of 1048576");
}

#[test]
fn what_nobody_mounts_is_said_and_not_read() {
    let outcome = case().load(&(web("") + "secrets: {key: {file: missing.txt}}\n"));
    outcome.finds("info compose.yml:4:11: no service mounts the secret `key`, so it is not made");
}

#[test]
fn a_volume_and_a_config_cannot_share_a_name_in_the_pod() {
    let case = Case { volumes: vec!["cfg-conf"], ..files() };
    let compose = web("configs: [conf]") + "configs: {conf: {file: key.txt}}\n";
    case.file("app/key.txt", "x")
        .load(&compose)
        .finds("error compose.yml:5:11: the config `conf` and the App's volume `cfg-conf`");
}

#[test]
fn owners_of_files_have_no_effect() {
    let outcome = load("configs: [conf]\nsecrets: [{source: key, uid: \"1000\"}]");
    outcome.finds("warning compose.yml:5:34: `uid` has no effect: the file belongs to root");
}

#[test]
fn texts_that_stand_in_the_compose_file() {
    let compose = format!(
        "{}configs: {{a: {{content: \"x $$y ${{WHO}}\"}}, b: {{environment: WHO}}}}\nsecrets: {{s: {{environment: WHO}}}}\n",
        web("configs: [a, b]\nsecrets: [s]")
    );
    let project = case().file("app/.env", "WHO=me\n").load(&compose).project();
    let file = |key: &str, text: &[u8]| FileContent::File {
        key: key.to_owned(),
        bytes: SecretBytes(text.to_vec()),
        encrypted: false,
    };
    assert_eq!(project.configs[0].content, file("a", b"x $y me"));
    assert_eq!(project.configs[1].content, file("b", b"me"));
    assert_eq!(project.secrets[0].content, file("s", b"me"));
}

#[test]
fn the_old_form_of_external_objects() {
    let compose = format!("{}configs: {{a: {{external: {{name: other}}}}}}\n", web("configs: [a]"));
    let project = case().load(&compose).project();
    assert_eq!(project.configs[0].content, FileContent::External { object: "other".to_owned() });
}
