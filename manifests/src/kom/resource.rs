//! Kinds and Resource IDs of KOM.

use std::fmt;

use crate::id::{AppId, ClusterId, is_dns1123_label};

/// A kind of KOM document that stands for a thing; `Defaults` only steers the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KomKind {
    /// Everything that one team runs.
    Workspace,
    /// A cloud account, or a machine with disks.
    Provider,
    /// A Kubernetes cluster.
    Cluster,
    /// An application.
    App,
    /// A component of an App beside its Compose project.
    Box,
}

impl KomKind {
    /// All kinds, parents first; the position is the number of parents.
    pub const ALL: [Self; 5] = [Self::Workspace, Self::Provider, Self::Cluster, Self::App, Self::Box];

    /// As `kind` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workspace => "Workspace",
            Self::Provider => "Provider",
            Self::Cluster => "Cluster",
            Self::App => "App",
            Self::Box => "Box",
        }
    }

    /// As Resource IDs spell it.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Workspace => "ws",
            Self::Provider => "prv",
            Self::Cluster => "cls",
            Self::App => "app",
            Self::Box => "box",
        }
    }

    /// The form of the kind's Resource IDs.
    #[must_use]
    pub const fn form(self) -> &'static str {
        match self {
            Self::Workspace => "/ws/<workspace>",
            Self::Provider => "/ws/<workspace>/prv/<provider>",
            Self::Cluster => "/ws/<workspace>/prv/<provider>/cls/<cluster>",
            Self::App => "/ws/<workspace>/prv/<provider>/cls/<cluster>/app/<app>",
            Self::Box => "/ws/<workspace>/prv/<provider>/cls/<cluster>/app/<app>/box/<box>",
        }
    }
}

impl fmt::Display for KomKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A Resource ID: the names from the Workspace down to the thing itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(Vec<String>);

impl ResourceId {
    /// An ID of names that are known to be valid, the Workspace's first; one to five of them.
    pub(super) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|&name| name.to_owned()).collect())
    }

    /// Reads `/<short kind>/<name>` pairs.
    ///
    /// # Errors
    /// What is wrong, to be put behind the ID.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("does not begin with `/`".into());
        };
        let parts: Vec<&str> = rest.split('/').collect();
        if !parts.len().is_multiple_of(2) || parts.len() > 2 * KomKind::ALL.len() {
            return Err("is not made of pairs of a short kind and a name".into());
        }
        let mut names = Vec::new();
        for (pair, kind) in parts.chunks_exact(2).zip(KomKind::ALL) {
            let [short, name] = pair else { continue };
            if *short != kind.short() {
                return Err(format!("has `{short}` where `{}` belongs", kind.short()));
            }
            if !is_dns1123_label(name) {
                return Err(format!("has the name `{name}`, which is not a DNS label (a-z, 0-9, `-`; 1 to 63)"));
            }
            names.push((*name).to_owned());
        }
        Ok(Self(names))
    }

    /// What it identifies.
    #[must_use]
    pub fn kind(&self) -> KomKind {
        let last = self.0.len().saturating_sub(1).min(KomKind::ALL.len() - 1);
        KomKind::ALL[last]
    }

    /// The last name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The ID one level up.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self.0.as_slice() {
            [parents @ .., _] if !parents.is_empty() => Some(Self(parents.to_vec())),
            _ => None,
        }
    }

    /// The App that it is, or lies below.
    #[must_use]
    pub fn app(&self) -> Option<AppId> {
        match self.0.as_slice() {
            [workspace, provider, cluster, app, ..] => {
                let (workspace, provider, cluster) = (workspace.clone(), provider.clone(), cluster.clone());
                Some(AppId::new(ClusterId { workspace, provider, cluster }, app.clone()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        KomKind::ALL.iter().zip(&self.0).try_for_each(|(kind, name)| write!(formatter, "/{}/{name}", kind.short()))
    }
}

impl From<&AppId> for ResourceId {
    fn from(id: &AppId) -> Self {
        let (ClusterId { workspace, provider, cluster }, app) = (&id.cluster, &id.app);
        Self::of(&[workspace, provider, cluster, app])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back() {
        for (text, kind, name) in [
            ("/ws/a", KomKind::Workspace, "a"),
            ("/ws/a/prv/b", KomKind::Provider, "b"),
            ("/ws/a/prv/b/cls/c", KomKind::Cluster, "c"),
            ("/ws/a/prv/b/cls/c/app/d", KomKind::App, "d"),
            ("/ws/a/prv/b/cls/c/app/d/box/e", KomKind::Box, "e"),
        ] {
            let id = ResourceId::parse(text).unwrap();
            assert_eq!((id.to_string().as_str(), id.kind(), id.name()), (text, kind, name));
        }
        let id = ResourceId::parse("/ws/a/prv/b/cls/c/app/d/box/e").unwrap();
        let app: AppId = "/ws/a/prv/b/cls/c/app/d".parse().unwrap();
        assert_eq!(id.app(), Some(app.clone()));
        assert_eq!(id.parent(), Some(ResourceId::from(&app)));
        assert_eq!(ResourceId::parse("/ws/a").unwrap().parent(), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("", "does not begin with `/`"),
            ("ws/a", "does not begin with `/`"),
            ("/", "is not made of pairs of a short kind and a name"),
            ("/ws", "is not made of pairs of a short kind and a name"),
            ("/ws/a/prv", "is not made of pairs of a short kind and a name"),
            ("/ws/a/prv/b/cls/c/app/d/box/e/x/y", "is not made of pairs of a short kind and a name"),
            ("/ws/a/cls/b", "has `cls` where `prv` belongs"),
            ("/prv/a", "has `prv` where `ws` belongs"),
            ("/ws/A", "has the name `A`, which is not a DNS label (a-z, 0-9, `-`; 1 to 63)"),
            ("/ws/", "has the name ``, which is not a DNS label (a-z, 0-9, `-`; 1 to 63)"),
        ];
        for (text, reason) in cases {
            assert_eq!(ResourceId::parse(text).unwrap_err(), reason, "{text}");
        }
    }
}
