//! Names of images, as far as telling whether two mean the same.

/// The registry that is meant where a name has none.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The folder of that registry for names without one.
const DEFAULT_FOLDER: &str = "library/";
/// The tag that is meant where a name has neither tag nor digest.
const DEFAULT_TAG: &str = ":latest";

/// An image's whole name: `docker.io/library/busybox:1.36`.
///
/// The rules are those of Docker's reference grammar, which container runtimes follow: the first part is a
/// registry when it has a dot or a colon or is `localhost`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference(String);

impl Reference {
    /// Completes a name. A text that is no image's name comes out as something that equals only itself.
    pub(super) fn of(name: &str) -> Self {
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DEFAULT_REGISTRY, name),
        };
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let folder = if registry == DEFAULT_REGISTRY && !path.contains('/') { DEFAULT_FOLDER } else { "" };
        // With a digest, the tag says nothing any more.
        let path = match path.split_once('@') {
            Some((tagged, digest)) => format!("{}@{digest}", without_tag(tagged)),
            None if without_tag(path) == path => format!("{path}{DEFAULT_TAG}"),
            None => path.to_owned(),
        };
        Self(format!("{registry}/{folder}{path}"))
    }

    /// Whether it is the tag that moves.
    pub(super) fn is_latest(&self) -> bool {
        self.0.ends_with(DEFAULT_TAG)
    }
}

fn without_tag(path: &str) -> &str {
    let file = path.rfind('/').map_or(0, |slash| slash + 1);
    path[file..].find(':').map_or(path, |colon| &path[..file + colon])
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn a_name_is_completed_as_runtimes_do() {
        let digest = "sha256:0123";
        for (name, whole) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("gitea/gitea:1.24", "docker.io/gitea/gitea:1.24"),
            ("docker.io/busybox:1.36", "docker.io/library/busybox:1.36"),
            ("index.docker.io/library/busybox:1.36", "docker.io/library/busybox:1.36"),
            ("quay.io/a/b", "quay.io/a/b:latest"),
            ("localhost/a:1", "localhost/a:1"),
            ("registry:5000/a", "registry:5000/a:latest"),
            ("registry:5000/a:2", "registry:5000/a:2"),
            ("localhost:5000/a/b/c:2", "localhost:5000/a/b/c:2"),
            (&format!("busybox@{digest}"), &format!("docker.io/library/busybox@{digest}")),
            (&format!("quay.io/a/b:1@{digest}"), &format!("quay.io/a/b@{digest}")),
        ] {
            assert_eq!(Reference::of(name).0, whole, "{name}");
        }
    }

    #[test]
    fn latest_is_the_tag_that_moves() {
        for (name, latest) in
            [("a", true), ("a:latest", true), ("a:1", false), ("a@sha256:01", false), ("r:5000/a", true), ("", true)]
        {
            assert_eq!(Reference::of(name).is_latest(), latest, "{name}");
        }
    }
}
