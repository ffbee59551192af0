use proptest::prelude::*;

use super::*;

fn file() -> Arc<SourceFile> {
    Arc::new(SourceFile { path: "a.env".to_owned(), text: String::new() })
}

fn read(text: &str, values: Values) -> Result<Vec<(String, String)>, Vec<String>> {
    let settings = parse(&file(), text, values);
    let pairs =
        settings.map(|settings| settings.into_iter().map(|setting| (setting.key.value, setting.value)).collect());
    pairs.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn assert_value(line: &str, expected: &str) {
    assert_eq!(read(line, Values::Quoted), Ok(vec![("K".to_owned(), expected.to_owned())]), "{line:?}");
}

#[test]
fn values_are_kept_as_they_are() {
    assert_value("K=v", "v");
    assert_value("K=", "");
    assert_value("K= spaced ", "spaced ");
    assert_value("K=  two", " two");
    assert_value("K=a=b", "a=b");
    assert_value("K=a # no comment", "a # no comment");
    assert_value("K=$HOME ${X:-y}", "$HOME ${X:-y}");
    assert_value("K=it's \"so\"", "it's \"so\"");
    assert_value("K=ä→", "ä→");
    assert_value("K=a\tb", "a\tb");
    assert_value("  K=v", "v");
    assert_value("export K=v", "v");
    assert_value("export   K=v\r\n", "v");
}

#[test]
fn quotes() {
    assert_value(r#"K="x\ny""#, "x\ny");
    assert_value(r#"K="\\ \" \r \t""#, "\\ \" \r \t");
    assert_value(r#"K="""#, "");
    assert_value(r#"K= "a b"  "#, "a b");
    assert_value("K='q$uote'", "q$uote");
    assert_value(r#"K='\n "x"'"#, r#"\n "x""#);
    assert_value("K=''", "");
}

#[test]
fn raw_values_know_no_quotes() {
    let pairs = read("# c\n\nA=\"x\\n\"\nB= 'y' \n", Values::Raw).unwrap();
    assert_eq!(pairs, [("A".to_owned(), "\"x\\n\"".to_owned()), ("B".to_owned(), " 'y' ".to_owned())]);
}

#[test]
fn comments_and_blanks_are_skipped_and_repetitions_kept_in_order() {
    let pairs = read("# A=1\n\n   \n  # x\nA=1\nB=2\nA=3", Values::Quoted).unwrap();
    let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| key + &value).collect();
    assert_eq!(pairs, ["A1", "B2", "A3"]);
}

#[test]
fn every_broken_line_is_named_and_no_value_shown() {
    let text = "OK=1\nsecret\n1A=secret\nA =secret\n=secret\nB=\"secret\nC=\"a\\q\"\nD='secret\nE=\"a\" secret\nF=se\u{7}cret\nG=a\rb\n";
    let problems = read(text, Values::Quoted).unwrap_err();
    let places: Vec<&str> = problems.iter().filter_map(|problem| problem.split(": ").next()).collect();
    assert_eq!(
        places,
        [
            "a.env:2:1",
            "a.env:3:1",
            "a.env:4:1",
            "a.env:5:1",
            "a.env:6:10",
            "a.env:7:5",
            "a.env:8:10",
            "a.env:9:6",
            "a.env:10:5",
            "a.env:11:4",
        ]
    );
    assert!(problems.iter().all(|problem| !problem.contains("secret")), "{problems:#?}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "[A=\"'\\\\ $#\n\r\tn-]{0,24}|(?s).*") {
        let _ = read(&text, Values::Quoted);
        let _ = read(&text, Values::Raw);
    }

    #[test]
    fn double_quotes_can_say_everything(value in "[^\\p{Cc}]*") {
        let line = format!("K=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        prop_assert_eq!(read(&line, Values::Quoted), Ok(vec![("K".to_owned(), value)]));
    }
}
