//! Words of a POSIX shell.

/// A text as one word of a script.
#[must_use]
pub(crate) fn word(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Texts as the words of a command.
#[must_use]
pub(crate) fn words(texts: &[String]) -> String {
    texts.iter().map(|text| word(text)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{word, words};

    #[test]
    fn a_text_stays_one_word_whatever_it_holds() {
        assert_eq!(word("/work/db/data_1.x-y"), "/work/db/data_1.x-y");
        assert_eq!(word("/work/db/my data"), "'/work/db/my data'");
        assert_eq!(word("/work/db/$(reboot);`id`"), "'/work/db/$(reboot);`id`'");
        assert_eq!(word("/work/db/it's"), r"'/work/db/it'\''s'");
        assert_eq!(word(""), "''");
        assert_eq!(words(&["echo".to_owned(), "a b".to_owned()]), "echo 'a b'");
    }
}
