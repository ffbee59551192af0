use super::*;
use crate::diagnostic::Colour;

const MESSAGE: &str = "looks like a password, and stands in a plain file of the repository";

#[test]
fn plain_passwords_are_a_warning_at_each_key_and_never_shown() {
    let lines = "env_file: [a.env, b.yml]\nenvironment:\n  DB_PASSWORD: hush\n  API_TOKEN: $TOKEN\n  PASSWORD_FILE: hush\n  SMTP_PASSWORD: \"\"";
    let outcome = case()
        .file("app/.env", "TOKEN=hush\n")
        .file("app/a.env", "# a comment\n  export A_PASSWORD=hush\nB=1\nA_PASSWORD=hush\n")
        .file("app/b.yml", "B_SECRET: hush\nC: 1\n")
        .load(&web(lines));
    let mut found = outcome.found();
    found.sort();
    assert_eq!(
        found,
        [
            format!("warning .env:1:1: `TOKEN` {MESSAGE}"),
            format!("warning a.env:4:1: `A_PASSWORD` {MESSAGE}"),
            format!("warning b.yml:1:1: `B_SECRET` {MESSAGE}"),
            format!("warning compose.yml:6:7: `DB_PASSWORD` {MESSAGE}"),
        ]
    );
    assert!(outcome.loaded.is_some());
    // Not even the quoted line shows it.
    let shown: Vec<String> = outcome.diagnostics.iter().map(|found| found.render(Colour::Never)).collect();
    assert!(!shown.join("\n").contains("hush"), "{shown:?}");
}

#[test]
fn a_list_of_variables_is_looked_through_too() {
    let outcome = case().load(&web("environment: [DB_PASSWORD=hush, OTHER=1]"));
    outcome.finds("warning compose.yml:4:19: `DB_PASSWORD` looks like a password");
}

#[test]
fn a_url_with_a_password_is_one_whatever_its_name() {
    let outcome = case().file("app/a.env", "DATABASE_URL=postgres://shop:hush@db/shop\n").load(&web("env_file: a.env"));
    outcome.finds("warning a.env:1:1: `DATABASE_URL` is a URL with a password, and stands in a plain file");
}
