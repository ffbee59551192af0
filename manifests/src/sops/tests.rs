use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::diagnostic::SourceFile;
use crate::yaml::{self, Dialect, Node, Value};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sops/testdata")
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(bytes(name)).unwrap()
}

fn keys(name: &str) -> AgeKeys {
    AgeKeys::parse(&text(name)).unwrap()
}

fn agent() -> Decryption {
    Decryption::Keys(keys("agent.agekey"))
}

/// A tree without places.
fn shape(node: &Node) -> String {
    match &node.value {
        Value::Seq(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries = map.iter().map(|entry| format!("{:?}: {}", entry.key.text, shape(&entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        value => format!("{value:?}"),
    }
}

fn trees(text: &str) -> Vec<Node> {
    let file = Arc::new(SourceFile { path: "plain".to_owned(), text: text.to_owned() });
    yaml::parse(&file, text, Dialect::Compose).unwrap()
}

fn shapes(text: &str) -> Vec<String> {
    trees(text).iter().map(shape).collect()
}

/// What is said about a file that cannot be read.
fn refused(name: &str, content: &str, decryption: &Decryption) -> Vec<String> {
    let form = form_of(name, content.as_bytes()).unwrap();
    let problems = file(name, content.as_bytes(), form, decryption).unwrap_err();
    problems.iter().inspect(|problem| assert!(problem.help.is_some())).map(ToString::to_string).collect()
}

#[test]
fn every_form_is_known_by_its_name_or_content() {
    for (name, form) in [
        ("values.yaml", Form::Yaml),
        ("documents.yaml", Form::Yaml),
        ("values.json", Form::Json),
        ("lines.env", Form::Dotenv),
        ("blob.bin", Form::Binary),
    ] {
        assert_eq!(form_of(name, &bytes(name)), Some(form), "{name}");
        assert_eq!(form_of(name, &bytes(&format!("plain/{name}"))), None, "{name}");
        assert!(!lacks_metadata(name, &bytes(&format!("plain/{name}"))), "{name}");
    }
    assert_eq!(form_of("secrets", text("lines.env").as_bytes()), Some(Form::Dotenv));
    assert_eq!(form_of("secrets", text("values.yaml").as_bytes()), Some(Form::Yaml));
    assert_eq!(form_of("secrets", text("values.json").as_bytes()), Some(Form::Json));
    assert_eq!(form_of("a/.env.production", text("lines.env").as_bytes()), Some(Form::Dotenv));
    assert_eq!(form_of("a.ini", format!("[a]\nb={MARK}…\n[sops]\n").as_bytes()), Some(Form::Ini));
    // A text that is about encrypted files is none.
    assert_eq!(form_of("README.md", format!("values look like {MARK}data:…]").as_bytes()), None);
}

#[test]
fn files_read_as_sops_decrypts_them() {
    for name in ["values.yaml", "documents.yaml", "partly.yaml", "values.json"] {
        let form = form_of(name, &bytes(name)).unwrap();
        let plain = String::from_utf8(file(name, &bytes(name), form, &agent()).unwrap()).unwrap();
        assert_eq!(shapes(&plain), shapes(&text(&format!("plain/{name}"))), "{plain}");
        assert!(!plain.contains(MARK) && !plain.contains("sops"), "{plain}");
        // The tree says the same.
        let mut decrypted = trees(&text(name));
        documents(&mut decrypted, &agent()).unwrap();
        assert_eq!(decrypted.iter().map(shape).collect::<Vec<_>>(), shapes(&plain));
    }
    for name in ["lines.env", "blob.bin"] {
        let form = form_of(name, &bytes(name)).unwrap();
        let plain = file(name, &bytes(name), form, &agent()).unwrap();
        let expected: String = String::from_utf8_lossy(&bytes(&format!("plain/{name}"))).replace("# a comment\n", "");
        assert_eq!(String::from_utf8_lossy(&plain), expected, "{name}");
    }
    assert_eq!(file("blob.bin", &bytes("blob.bin"), Form::Binary, &agent()).unwrap(), bytes("plain/blob.bin"));
}

#[test]
fn yaml_keeps_its_layout() {
    let plain = file("partly.yaml", &bytes("partly.yaml"), Form::Yaml, &agent()).unwrap();
    let expected = "services:\n    web:\n        image: nginx:1.29\n        environment:\n            A_SECRET: hush\n            \
                    MODE: plain\n";
    assert_eq!(String::from_utf8(plain).unwrap(), expected);
}

#[test]
fn decrypted_values_are_marked_and_never_printed() {
    let mut decrypted = trees(&text("partly.yaml"));
    documents(&mut decrypted, &agent()).unwrap();
    let environment = decrypted[0].get("services").and_then(|node| node.get("web")?.get("environment")).unwrap();
    assert_eq!(environment.get("A_SECRET").unwrap().as_str(), Some("hush"));
    assert!(environment.get("A_SECRET").unwrap().secret.is_some());
    assert!(environment.get("MODE").unwrap().secret.is_none());
    assert!(!format!("{decrypted:?} {:?} {:?}", keys("agent.agekey"), agent()).contains("hush"));
}

#[test]
fn two_keys_may_be_valid_at_once() {
    let both = keys("other.agekey").and(&keys("agent.agekey"));
    for name in ["lines.env", "other.env"] {
        assert!(file(name, &bytes(name), Form::Dotenv, &Decryption::Keys(both.clone())).is_ok(), "{name}");
    }
    let parsed = AgeKeys::parse(&format!("{}\n{}", text("agent.agekey"), text("other.agekey"))).unwrap();
    assert_eq!(parsed, keys("agent.agekey").and(&keys("other.agekey")));
    assert_ne!(parsed, both);
}

#[test]
fn keys_are_read_as_age_keygen_writes_them() {
    assert_eq!(keys("agent.agekey").recipients(), ["age1e8hjsawltymk9gzyyg6j2xrcddd65ueh8x23lpld6dkjqq3h6cjqtqmujn"]);
    assert_eq!(AgeKeys::parse("# nothing\n\n"), Err(KeysError::Empty));
    assert_eq!(AgeKeys::parse("# a\nhush\n"), Err(KeysError::NoKey(2)));
    assert_eq!(AgeKeys::parse("AGE-SECRET-KEY-1HUSH"), Err(KeysError::NoKey(1)));
    assert_eq!(AgeKeys::parse("AGE-PLUGIN-YUBIKEY-1HUSH"), Err(KeysError::UnknownKind(1)));
    assert_eq!(AgeKeys::parse(&text("agent.agekey").repeat(65)), Err(KeysError::TooMany));
    let debug = format!("{:?}", keys("agent.agekey"));
    assert!(!debug.to_uppercase().contains("SECRET"), "{debug}");
}

#[test]
fn without_the_right_key_the_recipients_are_named() {
    let other = Decryption::Keys(keys("other.agekey"));
    let expected = "the file is encrypted for age1e8hjsawltymk9gzyyg6j2xrcddd65ueh8x23lpld6dkjqq3h6cjqtqmujn, and the keys \
                    that are given are for age1qylwrchaqlfl76zrtajrxps2ru27mga245d0sdakqcrjkrfevves5jfawk";
    assert_eq!(refused("lines.env", &text("lines.env"), &other), [format!("lines.env:1:1: {expected}")]);
    let yaml = refused("values.yaml", &text("values.yaml"), &other);
    assert!(yaml[0].starts_with("values.yaml:") && yaml[0].ends_with(expected), "{yaml:?}");
    assert_eq!(
        refused("lines.env", &text("lines.env"), &Decryption::default()),
        ["lines.env:1:1: the file is encrypted, and no keys are given to read it with"]
    );
    assert_eq!(
        refused("pgp.env", &text("pgp.env"), &agent()),
        [
            "pgp.env:1:1: the file is encrypted for pgp 85D77543B3D624B63CEA9E6DBC17301B491B3F21, and this version knows age \
          keys only"
        ]
    );
    let groups = refused("groups.yaml", &text("groups.yaml"), &agent());
    assert!(groups[0].ends_with("the file needs keys of several groups together, which this version cannot read"));
}

/// The line of a file that begins so.
fn line<'t>(text: &'t str, start: &str) -> &'t str {
    text.lines().find(|line| line.trim_start().starts_with(start)).unwrap()
}

#[test]
fn what_was_changed_is_refused() {
    let env = text("lines.env");
    let value = |name: &str| line(&env, name).split_once('=').unwrap().1.to_owned();
    let moved = env.replace(&value("A_PASSWORD"), &value("UNICODE"));
    assert_eq!(
        refused("a.env", &moved, &agent()),
        ["a.env:2:1: the encrypted value of `A_PASSWORD` was changed, or moved here from another key"]
    );
    let flipped = value("A_PASSWORD").replace("data:", "data:A").replace("==", "=");
    assert_eq!(refused("a.env", &env.replace(&value("A_PASSWORD"), &flipped), &agent()).len(), 1);
    let changed =
        "a.env:1:1: the file was changed after it was encrypted: the hash over its values (MAC) is another one";
    for tampered in [
        env.replace("LEFT_unencrypted=plain", "LEFT_unencrypted=other"),
        env.replace("EMPTY=\n", "EMPTY=x\n"),
        env.replace(&format!("A_PASSWORD={}\n", value("A_PASSWORD")), ""),
        env.replace("sops_lastmodified=2026", "sops_lastmodified=2027"),
        env.replace("sops_version", "sops_mac_only_encrypted=true\nsops_version"),
    ] {
        assert_eq!(refused("a.env", &tampered, &agent()), [changed], "{tampered}");
    }
    let without = env.replace(&format!("{}\n", line(&env, "sops_mac=")), "");
    assert_eq!(
        refused("a.env", &without, &agent()),
        ["a.env:1:1: the hash over the values of the encrypted file (MAC) is missing"]
    );
    let stripped: String =
        env.lines().filter(|line| !line.starts_with("sops_")).map(|line| format!("{line}\n")).collect();
    assert!(form_of("a.env", stripped.as_bytes()).is_none() && lacks_metadata("a.env", stripped.as_bytes()));
}

#[test]
fn only_encrypted_values_are_in_the_hash_when_the_file_says_so() {
    let partly = text("partly.yaml");
    let form = Form::Yaml;
    let changed = partly.replace("MODE: plain", "MODE: other");
    assert!(file("partly.yaml", changed.as_bytes(), form, &agent()).is_ok());
    let whole = partly.replace("    mac_only_encrypted: true\n", "");
    assert_ne!(whole, partly);
    assert_eq!(refused("partly.yaml", &whole, &agent()).len(), 1);
    let renamed = partly.replace("A_SECRET", "B_SECRET");
    let said = refused("partly.yaml", &renamed, &agent());
    let at = "partly.yaml:5:23: the encrypted value of `services.web.environment.B_SECRET` was changed, or moved";
    assert!(said[0].starts_with(at), "{said:?}");
}

#[test]
fn yaml_that_was_changed_is_refused() {
    let values = text("values.yaml");
    for tampered in [
        values.replace("plain_number_unencrypted: 420", "plain_number_unencrypted: 421"),
        values.replace("plain_bool_unencrypted: true\n", ""),
        values.replace("empty: \"\"", "empty: \"x\""),
        values.replacen("        - three", "        - one: 1\n        - three", 1),
    ] {
        let said = refused("values.yaml", &tampered, &agent());
        assert!(said.len() == 1 && said[0].contains("was changed after it was encrypted"), "{said:?}");
    }
    let documents = text("documents.yaml");
    let (first, second) = documents.split_once("\n---\n").unwrap();
    let swapped = format!("{second}---\n{first}\n");
    assert_eq!(refused("documents.yaml", &swapped, &agent()).len(), 1);
}

proptest! {
    #[test]
    fn no_change_panics_or_shows_a_value(at in 0_usize..4029, with in any::<u8>()) {
        for name in ["values.yaml", "lines.env", "values.json", "blob.bin"] {
            let mut content = bytes(name);
            let at = at % content.len();
            content[at] = with;
            if let Some(form) = form_of(name, &content)
                && let Err(problems) = file(name, &content, form, &agent())
            {
                let said = problems.iter().map(|problem| format!("{problem} {:?}", problem.help)).collect::<String>();
                prop_assert!(!said.contains("hush"), "{}", said);
            }
        }
    }
}
