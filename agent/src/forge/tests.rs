use super::*;
use crate::secret::SecretFile;

fn address(url: &str) -> Option<(String, String, String)> {
    let address = Address::of(&Url::parse(url).unwrap())?;
    Some((address.gitea_api().to_string(), address.owner.clone(), address.repository))
}

fn found(api: &str, owner: &str, repository: &str) -> Option<(String, String, String)> {
    Some((api.to_owned(), owner.to_owned(), repository.to_owned()))
}

#[test]
fn owner_and_repository_are_read_from_the_end_of_the_url() {
    let api = "https://git.example.com/api/v1/";
    assert_eq!(address("https://git.example.com/ops/apps.git"), found(api, "ops", "apps"));
    assert_eq!(address("https://git.example.com/ops/apps/"), found(api, "ops", "apps"));
    let below = "http://127.0.0.1:3000/git/api/v1/";
    assert_eq!(address("http://127.0.0.1:3000/git/ops/apps"), found(below, "ops", "apps"));
    for url in ["https://host/apps.git", "https://host/ops/.git", "https://host/o%2Fp/apps", "https://host/%2e%2e/a"] {
        assert_eq!(address(url), None, "{url}");
    }
}

#[test]
fn forges_are_guessed_only_where_the_host_tells() {
    let credentials = Credentials::Token(SecretFile::new("/t"));
    let guess = |url: &str, credentials| guess(&Location::Remote(Url::parse(url).unwrap()), credentials);
    for url in ["https://codeberg.org/o/r.git", "https://gitea.example.com/o/r", "https://git.forgejo.lan/o/r"] {
        assert!(matches!(guess(url, Some(&credentials)), ForgeChoice::Forge(_)), "{url}");
    }
    for url in ["https://github.com/o/r", "https://notgitea.example.com/o/r", "https://gitea.com/r"] {
        assert!(matches!(guess(url, Some(&credentials)), ForgeChoice::None(_)), "{url}");
    }
    let ForgeChoice::None(reason) = guess("https://codeberg.org/o/r.git", None) else { panic!() };
    assert_eq!(reason, "no commit statuses are written: they need a token");
}
