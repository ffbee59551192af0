//! The Apps of the repository, and what of them commits change.

/// What the repository asks of one App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct App {
    pub(crate) name: &'static str,
    /// An App with a disk never leaves the repository: that would be held.
    pub(crate) has_disk: bool,
    pub(crate) is_present: bool,
    /// In its environment: changes a Secret and the Pod.
    pub(crate) mode: u32,
    /// Of its image: changes the Pod, and is pulled first.
    pub(crate) patch: u32,
    /// Whether people reach it: changes an Ingress.
    pub(crate) has_host: bool,
}

/// All of them, as the first commit asks.
pub(crate) fn all() -> Vec<App> {
    let app = |name, has_disk| App { name, has_disk, is_present: true, mode: 0, patch: 0, has_host: true };
    vec![
        app("blog", true),
        app("chat", false),
        app("docs", false),
        app("mail", true),
        app("shop", true),
        app("site", false),
        app("wiki", true),
        app("work", false),
    ]
}

impl App {
    /// As the first commit asked.
    pub(crate) fn reset(&mut self) {
        *self = Self { is_present: true, mode: 0, patch: 0, has_host: true, ..self.clone() };
    }

    pub(crate) fn image(&self) -> String {
        format!("nginx:1.29.{}", self.patch)
    }

    /// What its environment says, as it is in the file.
    pub(crate) fn environment(&self) -> String {
        format!("MODE=number-{}\n", self.mode)
    }

    pub(crate) fn host(&self) -> String {
        format!("{}.example.com", self.name)
    }

    /// Its files, by path.
    pub(crate) fn files(&self, disk_root: &str) -> [(String, String); 3] {
        let Self { name, .. } = self;
        let host = if self.has_host { self.host() } else { String::new() };
        let (volumes, mounts) = if self.has_disk {
            ("  volumes:\n    - {name: default, size: 1Gi}\n", "    volumes: [\"./data:/data\"]\n")
        } else {
            ("", "")
        };
        let entry = format!(
            "version: v1\nworkspace: {{name: acme}}\nprovider: {{name: home, driver: local, settings: {{LOCAL_ROOT: \
             {disk_root}}}}}\ncluster: {{name: one, existing: true}}\napp:\n  name: {name}\n  compose: \
             file:compose.yml\n  ingress:\n    rules:\n      - {{name: main, port: 8080, hosts: [{host}]}}\n{volumes}"
        );
        let compose = format!(
            "services:\n  web:\n    image: {}\n    env_file: [web.env]\n    ports: [\"8080:80\"]\n{mounts}",
            self.image()
        );
        [
            (format!("{name}/kompoxops.yml"), entry),
            (format!("{name}/compose.yml"), compose),
            (format!("{name}/web.env"), self.environment()),
        ]
    }
}
