use super::*;

fn file(text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile { path: "web/kompoxops.yml".into(), text: text.into() })
}

/// The span of the first occurrence of `needle`.
fn span(file: &Arc<SourceFile>, needle: &str) -> Span {
    let start = file.text.find(needle).unwrap();
    let before = &file.text[..start];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Span {
        file: Arc::clone(file),
        line: u32::try_from(before.matches('\n').count() + 1).unwrap(),
        column: u32::try_from(before[line_start..].chars().count() + 1).unwrap(),
        start,
        end: start + needle.len(),
    }
}

#[test]
fn people_see_the_line_with_a_mark() {
    let file = file("version: v1\napp:\n  größe:  volume: {}   \n");
    let error = Diagnostic::error("unknown-key", span(&file, "volume"), "`app` has no key `volume`")
        .help("did you mean `volumes`?");
    insta::assert_snapshot!(error.render(Colour::Never), @r"
    error[unknown-key]: `app` has no key `volume`
     --> web/kompoxops.yml:3:11
      |
    3 |   größe:  volume: {}
      |           ^^^^^^
      |
      = help: did you mean `volumes`?
    ");
    let plain = error.render(Colour::Never);
    let coloured = error.render(Colour::Always);
    assert_ne!(plain, coloured);
    assert!(coloured.contains("\u{1b}[") && !plain.contains('\u{1b}'));
    assert!(!coloured.contains("\u{1b}]"), "no hyperlinks");
}

#[test]
fn a_withheld_text_is_never_quoted() {
    let at = Span { line: 3, column: 7, start: 30, end: 36, ..Span::file(&file("")) };
    let warning = Diagnostic::warning("secret", at, "the value has no end").help("close the quote");
    insta::assert_snapshot!(warning.render(Colour::Never), @r"
    warning[secret]: the value has no end
    --> web/kompoxops.yml:3:7
     = help: close the quote
    ");
    assert_eq!(warning.to_json().get("endLine"), None);
}

#[test]
fn a_whole_file_is_named_only() {
    let info = Diagnostic::info("note", Span::file(&file("a: 1\n")), "nothing here");
    insta::assert_snapshot!(info.render(Colour::Never), @r"
    info[note]: nothing here
    --> web/kompoxops.yml:1:1
    ");
}

#[test]
fn spans_that_leave_their_line_or_file_are_cut() {
    let file = file("a: \"b\n  c\"\nlast");
    let long = Diagnostic::error("x", span(&file, "\"b\n  c\""), "m");
    insta::assert_snapshot!(long.render(Colour::Never), @r#"
    error[x]: m
     --> web/kompoxops.yml:1:4
      |
    1 | a: "b
      |    ^^
    "#);
    let end = Span { line: 3, column: 5, start: file.text.len(), end: file.text.len(), ..Span::file(&file) };
    insta::assert_snapshot!(Diagnostic::error("x", end.clone(), "m").render(Colour::Never), @r"
    error[x]: m
     --> web/kompoxops.yml:3:5
      |
    3 | last
      |     ^
    ");
    let beyond = Span { start: 400, end: 500, ..end };
    insta::assert_snapshot!(Diagnostic::error("x", beyond, "m").render(Colour::Never), @r"
    error[x]: m
    --> web/kompoxops.yml:3:5
    ");
}

#[test]
fn nothing_steers_the_terminal() {
    let evil = "k\u{1b}[2J\u{202e}\r: v";
    let file = Arc::new(SourceFile { path: "a\u{1b}b.yml".into(), text: evil.into() });
    let at = span(&file, ": v");
    let error = Diagnostic::error("x", at, format!("`{evil}`\n")).help(evil);
    for text in [error.render(Colour::Never), error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']), "{text:?}");
    }
    assert_eq!(error.message, "`k\\u{1b}[2J\\u{202e}\\r: v`\\n");
    assert!(error.render(Colour::Never).contains("k\u{fffd}[2J\u{fffd}\u{fffd}: v"));
}

#[test]
fn what_people_wrote_is_quoted_at_bounded_length() {
    let message = Diagnostic::error("x", Span::file(&file("")), "é".repeat(10_000)).message;
    assert_eq!(message.chars().count(), LONGEST_SENTENCE + 1);
    let long = file(&format!("{}: needle {}", "a".repeat(5_000), "b".repeat(5_000)));
    let rendered = Diagnostic::error("x", span(&long, "needle"), "m").render(Colour::Never);
    assert!(rendered.contains("needle") && rendered.len() < 1_000, "{} bytes", rendered.len());
}

#[test]
fn programs_see_ranges() {
    let file = file("é: \"b\n  ü\"\nx: y\n");
    let one = Diagnostic::error("bad", span(&file, "y"), "why").help("do");
    insta::assert_snapshot!(one.to_json(), @r#"{"code":"bad","column":4,"endColumn":5,"endLine":3,"file":"web/kompoxops.yml","help":"do","line":3,"message":"why","severity":"error"}"#);
    let two = Diagnostic::warning("bad", span(&file, "\"b\n  ü\""), "why");
    insta::assert_snapshot!(two.to_json(), @r#"{"code":"bad","column":4,"endColumn":5,"endLine":2,"file":"web/kompoxops.yml","help":null,"line":1,"message":"why","severity":"warning"}"#);
}

#[test]
fn findings_are_sorted_and_folded() {
    let file = file("a: 1\nb: 2\n");
    let at = |needle: &str| span(&file, needle);
    let mut findings = vec![
        Diagnostic::info("z", at("b"), "last"),
        Diagnostic::warning("b", at("b"), "second"),
        Diagnostic::error("c", at("b"), "first of b"),
        Diagnostic::error("a", at("a"), "top"),
        Diagnostic::error("a", at("a"), "top"),
        Diagnostic::error("a", at("a"), "top").help("differs"),
    ];
    sort(&mut findings);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "web/kompoxops.yml:1:1: top",
            "web/kompoxops.yml:1:1: top",
            "web/kompoxops.yml:2:1: first of b",
            "web/kompoxops.yml:2:1: second",
            "web/kompoxops.yml:2:1: last",
        ]
    );
}
