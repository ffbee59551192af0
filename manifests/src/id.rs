//! Identity of an App: workspace, provider, cluster, app.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

/// The four names that identify a Cluster or an App; `/ws/W/prv/P/cls/C`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId {
    /// Workspace name.
    pub workspace: String,
    /// Provider name.
    pub provider: String,
    /// Cluster name.
    pub cluster: String,
}

/// Resource ID of an App; `/ws/W/prv/P/cls/C/app/A`. Everything that is known of Apps is looked up by it, so it is
/// cheap to clone and to compare: it is as its [slashed](AppId::slashed) form.
#[derive(Clone)]
pub struct AppId(Arc<AppNames>);

/// What an [`AppId`] is made of.
pub struct AppNames {
    /// The cluster that the App is for.
    pub cluster: ClusterId,
    /// App name.
    pub app: String,
    slashed: String,
}

impl AppId {
    /// The App of this name in a cluster.
    #[must_use]
    pub fn new(cluster: ClusterId, app: impl Into<String>) -> Self {
        let app = app.into();
        let slashed = format!("{}/{app}", cluster.slashed());
        Self(Arc::new(AppNames { cluster, app, slashed }))
    }

    /// The App of a text in the form of [`AppId::slashed`].
    ///
    /// # Errors
    /// It is in another form, or holds no DNS-1123 names.
    pub fn from_slashed(given: &str) -> Result<Self, IdError> {
        match given.split('/').collect::<Vec<_>>().as_slice() {
            [workspace, provider, cluster, app] => {
                format!("/ws/{workspace}/prv/{provider}/cls/{cluster}/app/{app}").parse()
            }
            _ => Err(IdError { given: given.to_owned(), wanted: "W/P/C/A" }),
        }
    }

    /// `W/P/C/A`, the form of the annotation `kompox.dev/app`.
    #[must_use]
    pub fn slashed(&self) -> &str {
        &self.0.slashed
    }
}

impl Deref for AppId {
    type Target = AppNames;

    fn deref(&self) -> &AppNames {
        &self.0
    }
}

impl Borrow<str> for AppId {
    fn borrow(&self) -> &str {
        self.slashed()
    }
}

impl PartialEq for AppId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.slashed() == other.slashed()
    }
}

impl Eq for AppId {}

impl PartialOrd for AppId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AppId {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.slashed().cmp(other.slashed()) }
    }
}

impl Hash for AppId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.slashed().hash(state);
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AppId({self})")
    }
}

impl ClusterId {
    /// `W/P/C`, the form of the annotation `kompox.dev/cluster`.
    #[must_use]
    pub fn slashed(&self) -> String {
        format!("{}/{}/{}", self.workspace, self.provider, self.cluster)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/ws/{}/prv/{}/cls/{}", self.workspace, self.provider, self.cluster)
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/app/{}", self.cluster, self.app)
    }
}

/// A text that is no resource ID of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not of the form `{wanted}` with DNS-1123 names")]
pub struct IdError {
    given: String,
    wanted: &'static str,
}

impl FromStr for ClusterId {
    type Err = IdError;

    fn from_str(given: &str) -> Result<Self, IdError> {
        let error = || IdError { given: given.to_owned(), wanted: "/ws/W/prv/P/cls/C" };
        match given.split('/').collect::<Vec<_>>().as_slice() {
            ["", "ws", workspace, "prv", provider, "cls", cluster]
                if [workspace, provider, cluster].into_iter().all(|name| is_dns1123_label(name)) =>
            {
                Ok(Self { workspace: (*workspace).into(), provider: (*provider).into(), cluster: (*cluster).into() })
            }
            _ => Err(error()),
        }
    }
}

impl FromStr for AppId {
    type Err = IdError;

    fn from_str(given: &str) -> Result<Self, IdError> {
        let error = || IdError { given: given.to_owned(), wanted: "/ws/W/prv/P/cls/C/app/A" };
        let (cluster, app) = given.rsplit_once("/app/").ok_or_else(error)?;
        if !is_dns1123_label(app) {
            return Err(error());
        }
        Ok(Self::new(cluster.parse().map_err(|_| error())?, app))
    }
}

/// Whether a name is a DNS-1123 label: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, 1 to 63 characters.
#[must_use]
pub fn is_dns1123_label(name: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    matches!(bytes.len(), 1..=63)
        && bytes.iter().all(|&byte| edge(byte) || byte == b'-')
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slashed_id_is_read_again() {
        let id: AppId = "/ws/w1/prv/p1/cls/c1/app/web".parse().unwrap();
        assert_eq!(AppId::from_slashed(id.slashed()), Ok(id));
        for wrong in ["", "w1/p1/c1", "w1/p1/c1/web/x", "w1/p1/c1/", "w1/p1/C1/web", "/ws/w1/prv/p1/cls/c1/app/web"] {
            assert!(AppId::from_slashed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_app_is_found_by_its_slashed_form_and_by_another_copy_of_its_id() {
        let id = |text: &str| AppId::from_slashed(text).unwrap();
        let known: std::collections::HashSet<AppId> = ["w/p/c/a", "w/p/c/a-b"].map(id).into();
        assert!(known.contains("w/p/c/a") && known.contains(&id("w/p/c/a-b")) && !known.contains("w/p/c/b"));
        let sorted: std::collections::BTreeSet<AppId> = ["w/p/c/b", "w/p/c/a"].map(id).into();
        assert!(sorted.contains("w/p/c/a") && !sorted.contains("w/p/c"));
        assert_eq!(sorted.first(), Some(&id("w/p/c/a")));
    }
}
