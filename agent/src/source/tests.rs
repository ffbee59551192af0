use super::*;

#[test]
fn a_message_has_a_subject_and_trailers() {
    let (subject, trailers) = read_message("\n\nChange the image\nof web\n\nBody: not a trailer\nbut text\n");
    assert_eq!(subject, "Change the image of web");
    assert_eq!(trailers, []);
    let (subject, trailers) = read_message("One\n\nText.\n\nKompox-Accept: abc123\nSigned-off-by: A <a@b>\n\n");
    assert_eq!(subject, "One");
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(trailers, [pair("Kompox-Accept", "abc123"), pair("Signed-off-by", "A <a@b>")]);
}

#[test]
fn a_subject_alone_is_no_trailer_and_control_characters_go() {
    assert_eq!(read_message("Kompox-Accept: abc"), ("Kompox-Accept: abc".to_owned(), vec![]));
    assert_eq!(read_message("a\u{1b}[31mb"), ("a [31mb".to_owned(), vec![]));
    assert_eq!(read_message(""), (String::new(), vec![]));
}

#[test]
fn revisions_are_full_hashes() {
    let id: RevisionId = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    assert_eq!(id.short(), "01234567");
    for text in ["", "0123", "0123456789ABCDEF0123456789abcdef01234567", "../../../../../../../../../../etc/passwd"] {
        assert_eq!(text.parse::<RevisionId>(), Err(RevisionIdError));
    }
}

#[test]
fn the_cache_folder_follows_the_desktop_specification() {
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(cache_folder(path("/c"), path("/home/a")), Path::new("/c/kompox-agent"));
    assert_eq!(cache_folder(path("c"), path("/home/a")), Path::new("/home/a/.cache/kompox-agent"));
    assert_eq!(cache_folder(None, path("")), Path::new("/var/cache/kompox-agent"));
    assert_eq!(cache_folder(None, None), Path::new("/var/cache/kompox-agent"));
}
