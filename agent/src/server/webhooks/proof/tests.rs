use http::{HeaderName, HeaderValue};

use super::*;

const SECRET: &str = "It's a Secret to Everybody";
/// As GitHub documents it.
const GITHUB: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
/// As Bitbucket documents it, for a text without a comma.
const BITBUCKET: &str = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
/// The SHA-1 that GitHub and Gitea send too.
const SHA1: &str = "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59";

fn headers(given: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    given.iter().map(header).collect()
}

fn accepts(secret: &str, body: &str, given: &[(&str, &str)]) -> bool {
    let mut check = Check::new(Secret::new(secret)).unwrap();
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    check.update(first);
    check.update(second);
    check.accepts(&Proof::of(&headers(given)))
}

#[test]
fn what_the_forges_document_is_accepted() {
    let prefixed = [GITHUB, BITBUCKET].map(|digits| format!("sha256={digits}"));
    let [github, bitbucket] = prefixed.each_ref().map(String::as_str);
    let upper = GITHUB.to_uppercase();
    let cases = [
        ("Hello, World!", vec![("X-Hub-Signature-256", github)]),
        ("Hello, World!", vec![("X-Hub-Signature", SHA1), ("X-Hub-Signature-256", github)]),
        ("Hello World!", vec![("X-Hub-Signature", bitbucket)]),
        ("Hello, World!", vec![("X-Gitea-Signature", GITHUB)]),
        ("Hello, World!", vec![("X-Forgejo-Signature", upper.as_str())]),
        ("anything", vec![("X-Gitlab-Token", SECRET)]),
        ("", vec![("X-Gitlab-Token", SECRET)]),
    ];
    for (body, given) in cases {
        assert!(accepts(SECRET, body, &given), "{given:?}");
        assert!(!accepts("It's a Secret to Everybody else", body, &given), "{given:?}");
    }
}

#[test]
fn rfc_4231_holds_for_short_and_long_keys() {
    let digits = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert!(accepts("Jefe", "what do ya want for nothing?", &[("x-gitea-signature", digits)]));
    let digits = "0000000000000000000000000000000000000000000000000000000000000000";
    assert!(!accepts(&"k".repeat(1000), "text", &[("x-gitea-signature", digits)]));
}

#[test]
fn what_does_not_prove_it_is_not_accepted() {
    let github = format!("sha256={GITHUB}");
    let (short, long) = (&GITHUB[..62], format!("{GITHUB}00"));
    let signed = format!("+{}", &GITHUB[1..]);
    let cases: [&[(&str, &str)]; 13] = [
        &[],
        &[("X-Hub-Signature-256", GITHUB)],
        &[("X-Hub-Signature-256", "sha256=")],
        &[("X-Hub-Signature", SHA1)],
        &[("X-Gitea-Signature", short)],
        &[("X-Gitea-Signature", &long)],
        &[("X-Gitea-Signature", &github)],
        &[("X-Gitea-Signature", &signed)],
        &[("X-Gitea-Signature", "")],
        &[("X-Gitlab-Token", "")],
        &[("X-Gitlab-Token", "It's a Secret to Everybod")],
        &[("X-Gitlab-Token", GITHUB)],
        // Only the first one of a name is looked at.
        &[("X-Gitea-Signature", BITBUCKET), ("X-Gitea-Signature", GITHUB)],
    ];
    for given in cases {
        assert!(!accepts(SECRET, "Hello, World!", given), "{given:?}");
    }
    assert!(!accepts(SECRET, "Hello, World?", &[("X-Hub-Signature-256", &github)]), "another body");
}

#[test]
fn what_is_no_signature_is_told_from_a_wrong_one() {
    assert!(Proof::of(&headers(&[("X-Hub-Signature", SHA1), ("X-Gitea-Signature", "zz")])).is_empty());
    assert!(!Proof::of(&headers(&[("X-Gitea-Signature", GITHUB)])).is_empty());
    assert!(!Proof::of(&headers(&[("X-Gitlab-Token", "x")])).is_empty());
    let passphrase = "Schlüssel für alle Fälle";
    assert!(accepts(passphrase, "", &[("X-Gitlab-Token", passphrase)]));
    let mut odd = HeaderMap::new();
    odd.insert("x-gitlab-token", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    assert!(Proof::of(&odd).is_empty());
}
