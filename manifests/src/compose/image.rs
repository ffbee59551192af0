//! References to images, as container runtimes read them: `[registry[:port]/]name[:tag][@digest]`.

/// Longest name of an image, its registry counted.
const NAME: usize = 255;
/// Longest tag.
const TAG: usize = 128;
/// Kinds of digests, each with its number of hexadecimal digits.
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// Why a text is no reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// What to do.
    pub(super) advice: &'static str,
    /// What is probably meant.
    pub(super) meant: Option<String>,
}

/// Checks that a text refers to an image.
///
/// # Errors
/// It does not.
pub(super) fn check(text: &str) -> Result<(), Problem> {
    let problem = |advice| Err(Problem { advice, meant: None });
    let (tagged, digest) = text.split_once('@').map_or((text, None), |(tagged, digest)| (tagged, Some(digest)));
    // A colon before a slash is that of the registry's port.
    let file = tagged.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match tagged[file..].find(':') {
        Some(colon) => (&tagged[..file + colon], Some(&tagged[file + colon + 1..])),
        None => (tagged, None),
    };
    // As Docker tells them apart.
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), path),
        _ => (None, name),
    };
    if !registry.is_none_or(is_registry) {
        return problem("write the registry as `host` or `host:port`, without `https://`");
    }
    if !path.split('/').all(is_component) {
        let lower = path.to_ascii_lowercase();
        if lower.split('/').all(is_component) {
            let registry = registry.map(|registry| format!("{registry}/")).unwrap_or_default();
            return Err(Problem { advice: "write names in lower case", meant: Some(format!("{registry}{lower}")) });
        }
        return problem("write `name:tag` or `registry/name:tag`, without spaces");
    }
    if name.len() > NAME {
        return problem("shorten the name to 255 characters");
    }
    if !tag.is_none_or(is_tag) {
        return problem("write a tag behind the `:`: at most 128 letters, digits, `_`, `.` and `-`");
    }
    if !digest.is_none_or(is_digest) {
        return problem("write the whole digest: `@sha256:` and 64 hexadecimal digits in lower case");
    }
    Ok(())
}

/// A host name or address, with or without a port.
fn is_registry(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (address, port) = match inside {
        Some((address, rest)) => {
            let address = address.contains(':') && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
            (address, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or_default()) })
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            (host.split('.').all(is_label), port)
        }
    };
    address && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A part of a host name; of either case.
fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}

/// A part of a name: runs of lower-case letters and digits with one `.`, one or two `_`, or any number of `-` between
/// them.
fn is_component(component: &str) -> bool {
    let is_word = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let separates = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let ends = [component.chars().next(), component.chars().next_back()];
    ends.into_iter().all(|end| end.is_some_and(is_word)) && component.split(is_word).all(separates)
}

fn is_tag(tag: &str) -> bool {
    let first = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    tag.len() <= TAG
        && tag.as_bytes().first().is_some_and(first)
        && tag.bytes().all(|byte| first(&byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((kind, digits)) = digest.split_once(':') else { return false };
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    DIGESTS.contains(&(kind, digits.len())) && digits.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let digest = format!("@sha256:{}", "0a".repeat(32));
        for text in [
            "a",
            "nginx:1.27-alpine",
            "gitea/gitea:1.24",
            "a/b/c/d",
            "a/b.c-d--e__f_g",
            "localhost/a",
            "localhost:5000/a:V_1.0",
            "registry:5000/a:2",
            "Ghcr.io/a/b",
            "127.0.0.1:5000/a",
            "[2001:db8::1]:5000/a",
            "[::1]/a",
            &format!("a{digest}"),
            &format!("quay.io/a/b:1{digest}"),
            &format!("a@sha512:{}", "0".repeat(128)),
            &format!("a:{}", "t".repeat(TAG)),
            &"n".repeat(NAME),
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_no_reference_is_helped() {
        for (text, help) in [
            ("", "write `name:tag`"),
            ("a b", "write `name:tag`"),
            ("a//b", "write `name:tag`"),
            ("/a", "write `name:tag`"),
            ("a/", "write `name:tag`"),
            ("-a", "write `name:tag`"),
            ("a-", "write `name:tag`"),
            ("a..b", "write `name:tag`"),
            ("a___b", "write `name:tag`"),
            ("é", "write `name:tag`"),
            ("Foo/Bar:V1", "write names in lower case"),
            ("Ghcr.io/A/b", "write names in lower case"),
            ("https://ghcr.io/a", "write the registry"),
            ("ghcr.io:/a", "write the registry"),
            ("ghcr.io:x/a", "write the registry"),
            ("-.io/a", "write the registry"),
            ("[::1]x/a", "write the registry"),
            ("[a]:1/b", "write the registry"),
            ("a:", "write a tag"),
            ("a:-1", "write a tag"),
            ("a:1:2", "write a tag"),
            ("a:1 2", "write a tag"),
            (&format!("a:{}", "t".repeat(TAG + 1)), "write a tag"),
            ("a@", "write the whole digest"),
            ("a@sha256:0123", "write the whole digest"),
            (&format!("a@md5:{}", "0".repeat(64)), "write the whole digest"),
            (&format!("a@sha256:{}", "A".repeat(64)), "write the whole digest"),
            (&"n".repeat(NAME + 1), "shorten the name"),
        ] {
            let found = check(text).unwrap_err().advice;
            assert!(found.starts_with(help), "{text}: {found}");
        }
        let meant = |text| check(text).unwrap_err().meant;
        assert_eq!(meant("Foo/Bar").as_deref(), Some("foo/bar"));
        assert_eq!(meant("Ghcr.io/A/b:V1").as_deref(), Some("Ghcr.io/a/b"));
        assert_eq!(meant("A b"), None);
    }
}
