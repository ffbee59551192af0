//! Requests to the API server as a test sees them, and which of them count as writes.

/// One request, recorded by the [proxy](crate::proxy) or read from the [audit log](crate::audit).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, without the question mark; empty if there is none.
    pub query: String,
    /// The `User-Agent` header; empty if there is none.
    pub user_agent: String,
    /// The answer's status code, or `None` if there was no answer (yet).
    pub status: Option<u16>,
    /// Whether the server was asked to do everything but store the result.
    pub dry_run: bool,
}

/// The object (or list of objects) that a path names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural resource name, such as `deployments`.
    pub resource: String,
    /// The namespace; empty for what has none.
    pub namespace: String,
    /// The object's name; empty for a list or a creation.
    pub name: String,
    /// The subresource, such as `status`; empty if there is none.
    pub subresource: String,
}

/// Groups whose objects are questions to the API server: a POST stores nothing.
const REVIEWS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];

impl Request {
    /// Whether the request asks to change a stored object that is part of somebody's desired state: not a
    /// GET, not a dry run, and none of what does not count: Leases, Events, the `status` subresource,
    /// token and access reviews, service-account tokens.
    #[must_use]
    pub fn is_write(&self) -> bool {
        if matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS") || self.dry_run {
            return false;
        }
        let Some(target) = self.target() else {
            return false;
        };
        let bookkeeping = match (target.group.as_str(), target.resource.as_str()) {
            ("coordination.k8s.io", "leases") | ("" | "events.k8s.io", "events") => true,
            (group, _) => REVIEWS.contains(&group),
        };
        !bookkeeping && !matches!(target.subresource.as_str(), "status" | "token")
    }

    /// Which object the request is about; `None` for `/healthz`, `/openapi/v3` and other such paths.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        Target::parse(&self.path)
    }

    /// Whether it is about what the agent writes down for itself and shows: of a source, in its own namespace, of
    /// what it applied to an App last, its custom resources and Events.
    #[must_use]
    pub fn is_of_records(&self) -> bool {
        self.target().is_some_and(|target| {
            target.namespace == "k4x-system"
                || matches!(target.group.as_str(), "k8s.kompox.dev" | "events.k8s.io")
                || (target.resource == "secrets" && target.name.ends_with("--last-applied"))
        })
    }

    /// Whether it is what an agent always has under way: a watch, or the Lease.
    #[must_use]
    pub fn is_upkeep(&self) -> bool {
        let is_watch = self.query.split('&').any(|part| part == "watch=true");
        is_watch || self.target().is_some_and(|target| target.resource == "leases")
    }

    /// Whether a query asks for a dry run.
    #[must_use]
    pub fn asks_dry_run(query: &str) -> bool {
        query.split('&').any(|pair| pair == "dryRun=All")
    }
}

impl Target {
    fn parse(path: &str) -> Option<Self> {
        let mut segments = path.trim_matches('/').split('/').peekable();
        let group = match segments.next()? {
            "api" => "",
            "apis" => segments.next()?,
            _ => return None,
        };
        segments.next()?; // the version
        let mut target = Self { group: group.to_owned(), ..Self::default() };
        let rest: Vec<&str> = segments.collect();
        let rest = match rest.as_slice() {
            // The namespace itself, and its own two subresources; else something inside it.
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => rest.as_slice(),
            ["namespaces", namespace, inside @ ..] => {
                (*namespace).clone_into(&mut target.namespace);
                inside
            }
            other => other,
        };
        let mut parts = rest.iter().map(|&part| part.to_owned());
        target.resource = parts.next()?;
        target.name = parts.next().unwrap_or_default();
        target.subresource = parts.next().unwrap_or_default();
        Some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str) -> Request {
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            user_agent: String::new(),
            status: Some(200),
            dry_run: false,
        }
    }

    #[test]
    fn reads_the_object_from_the_path() {
        let target = |path: &str| Target::parse(path).unwrap();
        let deployment = target("/apis/apps/v1/namespaces/shop/deployments/web/scale");
        assert_eq!(deployment.group, "apps");
        assert_eq!(deployment.resource, "deployments");
        assert_eq!(deployment.namespace, "shop");
        assert_eq!(deployment.name, "web");
        assert_eq!(deployment.subresource, "scale");

        let namespace = target("/api/v1/namespaces/shop");
        assert_eq!((namespace.resource.as_str(), namespace.name.as_str()), ("namespaces", "shop"));
        assert_eq!(target("/api/v1/namespaces/shop/finalize").subresource, "finalize");
        assert_eq!(target("/api/v1/namespaces/shop/pods").resource, "pods");
        assert_eq!(target("/api/v1/persistentvolumes/pv-1").name, "pv-1");
        assert_eq!(Target::parse("/healthz"), None);
        assert_eq!(Target::parse("/apis/apps/v1"), None);
    }

    #[test]
    fn what_stores_desired_state_is_a_write() {
        for (method, path) in [
            ("POST", "/api/v1/namespaces"),
            ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web"),
            ("PUT", "/api/v1/namespaces/shop/secrets/s"),
            ("DELETE", "/api/v1/persistentvolumes/pv-1"),
            ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale"),
            // Somebody's own kind that only sounds like an event.
            ("POST", "/apis/example.com/v1/namespaces/shop/events"),
        ] {
            assert!(request(method, path).is_write(), "{method} {path}");
        }
    }

    #[test]
    fn bookkeeping_and_reads_are_no_writes() {
        for (method, path) in [
            ("GET", "/api/v1/namespaces"),
            ("PUT", "/apis/coordination.k8s.io/v1/namespaces/k4x-system/leases/agent"),
            ("POST", "/api/v1/namespaces/shop/events"),
            ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events"),
            ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/status"),
            ("PATCH", "/api/v1/namespaces/shop/status"),
            ("POST", "/apis/authentication.k8s.io/v1/tokenreviews"),
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
            ("POST", "/api/v1/namespaces/shop/serviceaccounts/agent/token"),
            ("POST", "/healthz"),
        ] {
            assert!(!request(method, path).is_write(), "{method} {path}");
        }
    }

    #[test]
    fn a_dry_run_is_no_write() {
        let mut patch = request("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web");
        patch.dry_run = Request::asks_dry_run("fieldManager=kompox-agent&dryRun=All&force=true");
        assert!(!patch.is_write());
        patch.dry_run = Request::asks_dry_run("fieldManager=dryRun");
        assert!(patch.is_write());
    }
}
