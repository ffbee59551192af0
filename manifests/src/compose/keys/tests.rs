use std::path::Path;
use std::{env, fs};

use super::reference;

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compose.md");
    let expected = reference::markdown();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == expected, "{} is stale: run the tests with UPDATE_DOCS=1", path.display());
}

#[test]
fn every_key_stands_once_in_its_table() {
    let keys = reference::keys();
    for pair in keys.windows(2) {
        assert_ne!(pair[0].path, pair[1].path, "two rows with different fates");
    }
    assert!(keys.iter().any(|key| key.path == "services.*.deploy.resources.reservations.devices[].count"));
}
