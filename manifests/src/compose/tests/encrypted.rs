use std::path::Path;

use super::*;
use crate::diagnostic::Colour;
use crate::model::FileContent;
use crate::sops::AgeKeys;

/// A file of the reader's tests.
fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sops/testdata").join(name)).unwrap()
}

fn with_keys() -> Case {
    let keys = AgeKeys::parse(std::str::from_utf8(&sample("agent.agekey")).unwrap()).unwrap();
    Case { decryption: Decryption::Keys(keys), ..case() }
}

/// Nothing that is said holds a decrypted value.
#[track_caller]
fn silent(outcome: &Outcome) {
    let shown: Vec<String> = outcome
        .diagnostics
        .iter()
        .map(|found| format!("{} {}", found.render(Colour::Never), found.to_json()))
        .collect();
    assert!(!shown.join("\n").contains("hush"), "{shown:#?}");
}

#[test]
fn an_encrypted_file_is_read_as_an_env_file() {
    let case = with_keys().file("app/a.env", sample("lines.env"));
    let service = case.load(&web("env_file: a.env")).service();
    let values = service.env_file.unwrap().0;
    assert_eq!((values["A_PASSWORD"].as_str(), values["QUOTED"].as_str()), ("hush", "x\ny \"z\""));
    assert_eq!((values["LEFT_unencrypted"].as_str(), values["SPACED"].as_str()), ("plain", "two words "));
    assert!(service.encrypted.contains("A_PASSWORD") && !service.encrypted.contains("LEFT_unencrypted"));
    assert_eq!(values.len(), 7);
}

#[test]
fn an_encrypted_file_becomes_a_secret_and_no_config() {
    let top = "secrets: {db-password: {file: blob.bin}}\nconfigs: {conf: {file: blob.bin}}\n";
    let files = || with_keys().file("app/blob.bin", sample("blob.bin"));
    let project =
        files().load(&(web("secrets: [db-password]") + "secrets: {db-password: {file: blob.bin}}\n")).project();
    let FileContent::File { key, bytes, encrypted } = &project.secrets[0].content else { panic!("no file") };
    assert_eq!((key.as_str(), bytes.0.as_slice(), *encrypted), ("blob.bin", &*sample("plain/blob.bin"), true));
    let outcome = files().load(&(web("configs: [conf]") + top));
    let said = "error compose.yml:6:24: `blob.bin` is encrypted, and a config is shown in plain";
    assert!(outcome.found().contains(&said.to_owned()), "{:?}", outcome.found());
}

#[test]
fn without_keys_an_encrypted_file_is_an_error() {
    let outcome = case().file("app/a.env", sample("lines.env")).load(&web("env_file: a.env"));
    outcome.finds("error a.env:1:1: the file is encrypted, and no keys are given to read it with");
    let outcome = case().load(std::str::from_utf8(&sample("partly.yaml")).unwrap());
    assert_eq!(
        outcome.found(),
        ["error compose.yml:7:1: the file is encrypted, and no keys are given to read it with"]
    );
}

#[test]
fn values_without_their_metadata_are_not_handed_over() {
    let stripped: String = String::from_utf8(sample("lines.env"))
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("sops_"))
        .map(|line| format!("{line}\n"))
        .collect();
    let outcome = with_keys().file("app/a.env", stripped).load(&web("env_file: a.env"));
    outcome.finds("error a.env:1:1: values of the file are encrypted, and what SOPS needs to read them");
}

#[test]
fn an_encrypted_compose_file_gives_its_secrets_to_the_secret() {
    let outcome = with_keys().load(std::str::from_utf8(&sample("partly.yaml")).unwrap());
    silent(&outcome);
    let service = outcome.service();
    assert_eq!(service.image.value, "nginx:1.29");
    assert_eq!(service.environment, BTreeMap::from([("MODE".to_owned(), "plain".to_owned())]));
    assert_eq!(service.env_file.unwrap().0["A_SECRET"], "hush");
    assert_eq!(service.encrypted.into_iter().collect::<Vec<_>>(), ["A_SECRET"]);
}

#[test]
fn encrypted_variables_are_traced_into_the_secret() {
    let secret = |lines: &str| {
        let outcome = with_keys().file("app/.env", sample("lines.env")).load(&web(lines));
        silent(&outcome);
        outcome.service()
    };
    for lines in [
        "environment: {URL: \"postgres://u:${A_PASSWORD}@db/x\", MODE: plain}",
        "environment: [\"URL=postgres://u:$A_PASSWORD@db/x\", MODE=plain]",
        "environment: {URL: \"${UNSET:-postgres://u:${A_PASSWORD:?gone}@db/x}\", MODE: plain}",
    ] {
        let service = secret(lines);
        assert_eq!(service.environment, BTreeMap::from([("MODE".to_owned(), "plain".to_owned())]), "{lines}");
        assert_eq!(service.env_file.unwrap().0["URL"], "postgres://u:hush@db/x", "{lines}");
    }
    let inherited = secret("environment: [A_PASSWORD, LEFT_unencrypted]");
    assert_eq!(inherited.environment.into_keys().collect::<Vec<_>>(), ["LEFT_unencrypted"]);
    // Whether a variable is set is no secret.
    let only_whether = secret("labels: {has-password: \"${A_PASSWORD:+yes}\"}");
    assert!(only_whether.encrypted.is_empty());
}

#[test]
fn encrypted_variables_are_traced_through_merging() {
    let compose = "x-env: &env {COMMON: $A_PASSWORD}\nservices:\n  base:\n    profiles: [never]\n    image: nginx\n    \
                   environment: [\"BASE=$A_PASSWORD\", OVER=plain]\n  web:\n    extends: base\n    profiles: !reset null\n    \
                   environment:\n      <<: *env\n      OVER: $A_PASSWORD\n";
    let outcome = with_keys().file("app/.env", sample("lines.env")).load(compose);
    silent(&outcome);
    let project = outcome.loaded.unwrap().project;
    let web = &project.services[0];
    assert!(web.environment.is_empty(), "{:?}", web.environment.keys());
    assert_eq!(web.encrypted.iter().collect::<Vec<_>>(), ["BASE", "COMMON", "OVER"]);
}

#[test]
fn what_environment_says_in_secret_wins_over_an_env_file() {
    let case = with_keys().file("app/.env", sample("lines.env")).file("app/b.env", "X=file\nY=file\n");
    let service = case.load(&web("env_file: b.env\nenvironment: {X: $A_PASSWORD}")).service();
    let values = service.env_file.unwrap().0;
    assert_eq!((values["X"].as_str(), values["Y"].as_str()), ("hush", "file"));
}

#[test]
fn anywhere_else_an_encrypted_value_is_an_error_at_its_line() {
    for (lines, place) in [
        ("labels: {a: $A_PASSWORD}", "4:17"),
        ("command: [run, $A_PASSWORD]", "4:20"),
        ("hostname: $A_PASSWORD", "4:15"),
        ("image: \"nginx:$A_PASSWORD\"", "4:12"),
        ("environment: [\"$A_PASSWORD=x\"]", "4:19"),
        ("environment: [\"${A_PASSWORD}X\"]", "4:19"),
        ("healthcheck: {test: \"curl $A_PASSWORD\"}", "4:25"),
        ("x-kompox: {limits: {cpu: $A_PASSWORD}}", "4:30"),
        ("working_dir: \"${UNSET:-$A_PASSWORD}\"", "4:18"),
    ] {
        let compose = if lines.starts_with("image") {
            web(lines).replacen("    image: nginx\n", "    tty: true\n", 1)
        } else {
            web(lines)
        };
        let outcome = with_keys().file("app/.env", sample("lines.env")).load(&compose);
        silent(&outcome);
        let expected = format!(
            "error compose.yml:{place}: the value of the encrypted variable `A_PASSWORD` would be shown in plain here"
        );
        assert!(outcome.found().contains(&expected), "{lines}: {:?}", outcome.found());
        assert!(outcome.loaded.is_none());
    }
    let config = "configs: {c: {content: \"x $A_PASSWORD\"}}\n";
    let outcome = with_keys().file("app/.env", sample("lines.env")).load(&(web("configs: [c]") + config));
    silent(&outcome);
    assert!(outcome.loaded.is_none());
    let config = "configs: {c: {environment: A_PASSWORD}}\n";
    let outcome = with_keys().file("app/.env", sample("lines.env")).load(&(web("configs: [c]") + config));
    outcome.finds("error compose.yml:5:28: the value of the config `c` was encrypted, and a config is shown in plain");
    let secrets = "secrets: {s: {environment: A_PASSWORD}}\n";
    let outcome = with_keys().file("app/.env", sample("lines.env")).load(&(web("secrets: [s]") + secrets));
    let contents: Vec<bool> = outcome
        .project()
        .secrets
        .iter()
        .map(|secret| matches!(&secret.content, FileContent::File { bytes, encrypted: true, .. } if bytes.0.ends_with(b"hush")))
        .collect();
    assert_eq!(contents, [true]);
}

#[test]
fn a_compose_file_that_is_encrypted_whole_says_what_to_do() {
    let whole = with_keys().load(std::str::from_utf8(&sample("values.yaml")).unwrap());
    silent(&whole);
    let said = whole.found();
    assert!(said[0].ends_with("an encrypted value would be shown in plain here"), "{said:?}");
    let help = whole.diagnostics[0].help.as_deref().unwrap();
    assert!(help.contains("encrypted_regex"), "{help}");
}
