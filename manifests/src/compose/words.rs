//! `entrypoint` and `command`: a list of words, or a text that is split into words as a shell splits
//! it. No shell is added, so what only a shell can do is an error.

use super::scalar;
use crate::diagnostic::Diagnostic;
use crate::yaml::fields::Findings;
use crate::yaml::{Node, Value};

/// What a text cannot be split for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsplittable {
    /// A quote, or a final backslash.
    Open(char),
    /// A character that means something to a shell.
    ShellOnly(char),
}

/// Reads a command. `key` names it.
pub(super) fn words(node: &Node, key: &str, findings: &Findings) -> Option<Vec<String>> {
    match &node.value {
        Value::Seq(items) => Some(items.iter().filter_map(scalar::text).map(|word| word.value).collect()),
        Value::String(text) => match split(text) {
            Ok(words) => Some(words),
            Err(problem) => {
                findings.push(report(node, key, problem));
                None
            }
        },
        _ => None,
    }
}

fn report(node: &Node, key: &str, problem: Unsplittable) -> Diagnostic {
    let at = node.span.clone();
    match problem {
        Unsplittable::Open(quote) => {
            let message = format!("`{key}` cannot be split into words: a `{quote}` at its end is left open");
            Diagnostic::error("command-words", at, message).help("close it, or write the command as a list of words")
        }
        Unsplittable::ShellOnly(character) => {
            let message = format!("`{key}` needs a shell for its `{character}`, and commands are run without one");
            let help = "write `[\"sh\", \"-c\", \"…\"]`, or put quotes around what is meant literally";
            Diagnostic::error("command-words", at, message).help(help)
        }
    }
}

/// Splits a text into words: white space separates, `'…'` is literal, in `"…"` a backslash escapes
/// `"`, `\`, `$`, `` ` `` and a line break, elsewhere it escapes anything.
pub(super) fn split(text: &str) -> Result<Vec<String>, Unsplittable> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => single_quoted(&mut characters, word.get_or_insert_default())?,
            '"' => double_quoted(&mut characters, word.get_or_insert_default())?,
            '\\' => match characters.next() {
                // The line goes on.
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err(Unsplittable::Open('\\')),
            },
            ';' | '&' | '|' | '<' | '>' | '(' | ')' | '`' => return Err(Unsplittable::ShellOnly(character)),
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Unsplittable> {
    for character in characters {
        if character == '\'' {
            return Ok(());
        }
        word.push(character);
    }
    Err(Unsplittable::Open('\''))
}

fn double_quoted(characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Unsplittable> {
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok(()),
            '\\' => match characters.next() {
                Some('\n') => {}
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                Some(other) => word.extend(['\\', other]),
                None => break,
            },
            plain => word.push(plain),
        }
    }
    Err(Unsplittable::Open('"'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn assert_words(text: &str, expected: &[&str]) {
        assert_eq!(split(text).unwrap(), expected, "{text:?}");
    }

    #[test]
    fn a_text_is_split_as_a_shell_splits_it() {
        assert_words("nginx -g \"daemon off;\"", &["nginx", "-g", "daemon off;"]);
        assert_words("  a\t b\n c\r\n", &["a", "b", "c"]);
        assert_words("", &[]);
        assert_words("'' \"\"", &["", ""]);
        assert_words("a'b c'd\"e f\"", &["ab cde f"]);
        assert_words(r#"a\ b \"c\" \\"#, &["a b", "\"c\"", "\\"]);
        assert_words(r#"'a\b' "a\b" "\"\\\$\`""#, &[r"a\b", r"a\b", r#""\$`"#]);
        assert_words("a \\\n b", &["a", "b"]);
        assert_words("a\"b\\\nc\"", &["abc"]);
        assert_words("--x=$HOME *.c ~ # #", &["--x=$HOME", "*.c", "~", "#", "#"]);
        assert_words("sh -c 'a && b | c > d; (e) `f`'", &["sh", "-c", "a && b | c > d; (e) `f`"]);
        assert_words("ä 'ö ü'", &["ä", "ö ü"]);
    }

    #[test]
    fn what_only_a_shell_can_do_is_an_error() {
        for (text, character) in [
            ("a; b", ';'),
            ("a&b", '&'),
            ("a | b", '|'),
            ("a >b", '>'),
            ("a<b", '<'),
            ("$(a)", '('),
            ("a)", ')'),
            ("`a`", '`'),
        ] {
            assert_eq!(split(text), Err(Unsplittable::ShellOnly(character)), "{text}");
        }
    }

    #[test]
    fn what_is_left_open_is_an_error() {
        for (text, quote) in [("'a", '\''), ("\"a", '"'), ("\"a\\\"", '"'), ("a\\", '\\'), ("\"\\", '"')] {
            assert_eq!(split(text), Err(Unsplittable::Open(quote)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in prop::collection::vec("[^']*", 0..5)) {
            let text = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&text).unwrap(), words);
        }

        #[test]
        fn no_text_panics(text in "(?s).*") {
            let _ = split(&text);
        }
    }
}
