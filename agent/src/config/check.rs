//! From the keys of `agent.yml` to a [`Config`]: names, URLs, durations, and keys of later versions.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kompox_core::plan::NewDisks;
use kompox_manifests::diagnostic::{Diagnostic, SourceFile};
use kompox_manifests::id::{ClusterId, is_dns1123_label};
use serde_saphyr::Spanned;
use url::Url;

use super::file::{self, AgentFile, AuthEntry, ForgeEntry, Later, RefEntry, SourceEntry, place};
use super::{Config, ForgeChoice, ForgeConfig, ForgeKind, Location, Reference, SourceConfig};
use crate::age_keys::AgeKeysFile;
use crate::secret::{Credentials, SecretFile};

/// Time between two polls where nothing else is said.
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// How many Pods of one source may be down at once where nothing else is said, and what may be said.
pub(super) const DEFAULT_DISRUPTIONS: u32 = 1;
const DISRUPTIONS: std::ops::RangeInclusive<u32> = 1..=1000;
/// Shortest and longest accepted time between two polls.
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

/// What flags and the environment say in place of the file.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) cluster: Option<ClusterId>,
    pub(super) new_disks: Option<NewDisks>,
    pub(super) status_name: Option<String>,
}

/// Reads a whole file. Relative paths in it start at `base`.
pub(super) fn config(text: &str, name: &str, base: &Path, overrides: Overrides) -> Result<Config, Vec<Diagnostic>> {
    let quotable = !may_hold_password(text);
    let file = SourceFile { path: name.to_owned(), text: if quotable { text.to_owned() } else { String::new() } };
    let file = Arc::new(file);
    if text.len() > file::MAX_LEN {
        let message = format!("the file has more than {} bytes", file::MAX_LEN);
        let span = kompox_manifests::diagnostic::Span::file(&file);
        return Err(vec![Diagnostic::error("agent-config", span, message)]);
    }
    let written = file::parse(text, &file).map_err(|diagnostic| vec![diagnostic])?;
    let mut check = Check { file, base, findings: Vec::new() };
    let config = check.agent(written, overrides);
    match config {
        Some(config) if check.findings.is_empty() => Ok(config),
        _ => Err(check.findings),
    }
}

/// Whether a URL with a user name, or with a query, stands anywhere in the text; then no line of it is quoted.
fn may_hold_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| rest.lines().next().is_some_and(|line| line.contains(['@', '?'])))
}

pub(super) struct Check<'a> {
    file: Arc<SourceFile>,
    pub(super) base: &'a Path,
    findings: Vec<Diagnostic>,
}

impl Check<'_> {
    /// Records an error at a value; `None` for the caller to return.
    pub(super) fn reject<T, R>(&mut self, at: &Spanned<T>, message: impl Into<String>, help: &str) -> Option<R> {
        let finding = Diagnostic::error("agent-config", place(&self.file, at), message);
        self.findings.push(if help.is_empty() { finding } else { finding.help(help) });
        None
    }

    /// How many errors are recorded.
    pub(super) fn findings(&self) -> usize {
        self.findings.len()
    }

    fn later(&mut self, key: &str, value: &Later) {
        if let Some(value) = value {
            self.reject::<_, ()>(value, format!("`{key}` is not supported by this version"), "remove it");
        }
    }

    fn agent(&mut self, written: AgentFile, overrides: Overrides) -> Option<Config> {
        let AgentFile { cluster, sources, server, new_disks, max_disruptions, people, status_name, policy } = written;
        let hooked = sources.iter().flat_map(|sources| &sources.value).find_map(|source| source.webhook.as_ref());
        let served = self.served(server, hooked);
        let max_disruptions = match max_disruptions {
            None => Some(DEFAULT_DISRUPTIONS),
            Some(count) if DISRUPTIONS.contains(&count.value) => Some(count.value),
            Some(count) => self.reject(&count, "`maxDisruptions` is not from 1 to 1000", "write e.g. 1"),
        };
        let people = self.people(people.unwrap_or_default());
        let cluster = overrides.cluster.or_else(|| self.cluster(cluster));
        let new_disks = match overrides.new_disks {
            Some(new_disks) => Some(new_disks),
            None => self.new_disks(new_disks),
        };
        let policy = self.policy(policy);
        let sources = self.sources(sources);
        let cluster = cluster?;
        let status_name = match overrides.status_name {
            Some(name) => Some(name),
            None => self.status_name(status_name, &cluster),
        };
        Some(Config {
            cluster,
            sources: sources?,
            new_disks: new_disks?,
            max_disruptions: max_disruptions?,
            people: people?,
            status_name: status_name?,
            policy,
            served: served?,
        })
    }

    /// Names that match everything would take every controller for a person.
    fn people(&mut self, written: Vec<Spanned<String>>) -> Option<Vec<String>> {
        let sound = |name: &str| {
            let name = name.strip_suffix('*').unwrap_or(name);
            !name.is_empty() && name.len() <= 128 && !name.contains(['*', ' '])
        };
        for name in &written {
            if !sound(&name.value) {
                let help =
                    "write a field manager as `kubectl get --show-managed-fields` has it, or its beginning and `*`";
                return self.reject(name, "this is no name of a field manager", help);
            }
        }
        Some(written.into_iter().map(|name| name.value).collect())
    }

    fn cluster(&mut self, written: Option<Spanned<String>>) -> Option<ClusterId> {
        let Some(written) = written else {
            let span = kompox_manifests::diagnostic::Span::file(&self.file);
            let finding = Diagnostic::error("agent-config", span, "`cluster` is missing");
            self.findings.push(finding.help("write `cluster: /ws/W/prv/P/cls/C` or give --cluster"));
            return None;
        };
        match written.value.parse() {
            Ok(cluster) => Some(cluster),
            Err(error) => self.reject(&written, error.to_string(), "name the Cluster by its resource ID"),
        }
    }

    fn new_disks(&mut self, written: Option<Spanned<String>>) -> Option<NewDisks> {
        let Some(written) = written else { return Some(NewDisks::Allow) };
        match new_disks(&written.value) {
            Some(new_disks) => Some(new_disks),
            None => self.reject(&written, "`newDisks` is neither `allow` nor `hold`", "write `allow` or `hold`"),
        }
    }

    fn status_name(&mut self, written: Option<Spanned<String>>, cluster: &ClusterId) -> Option<String> {
        let Some(written) = written else { return Some(cluster.cluster.clone()) };
        if is_status_name(&written.value) {
            return Some(written.value);
        }
        self.reject(&written, STATUS_NAME, "")
    }

    fn sources(&mut self, written: Option<Spanned<Vec<SourceEntry>>>) -> Option<Vec<SourceConfig>> {
        let Some(written) = written else {
            let span = kompox_manifests::diagnostic::Span::file(&self.file);
            let finding = Diagnostic::error("agent-config", span, "`sources` is missing");
            self.findings.push(finding.help("name at least one source by `name` and `url`"));
            return None;
        };
        if written.value.is_empty() {
            return self.reject(&written, "`sources` is empty", "name at least one source by `name` and `url`");
        }
        let mut names = BTreeSet::new();
        let mut sources = Vec::new();
        for entry in written.value {
            if !is_dns1123_label(&entry.name.value) {
                let message = format!("`{}` is no DNS-1123 name", entry.name.value);
                self.reject::<_, ()>(&entry.name, message, "use lower-case letters, digits and `-`, at most 63");
            } else if !names.insert(entry.name.value.clone()) {
                let message = format!("there is already a source `{}`", entry.name.value);
                self.reject::<_, ()>(&entry.name, message, "give every source a name of its own");
            }
            sources.extend(self.source(entry));
        }
        Some(sources)
    }

    fn source(&mut self, entry: SourceEntry) -> Option<SourceConfig> {
        let SourceEntry {
            name,
            url,
            reference,
            path,
            interval,
            auth,
            verify,
            forge,
            review,
            webhook,
            allow_force_push,
            decryption,
        } = entry;
        self.later("verify", &verify);
        // Switched off, its other keys change nothing.
        if let Some(review) = review.filter(|review| review.value.enabled != Some(false)) {
            self.reject::<_, ()>(
                &review,
                "`review` is not supported by this version",
                "write `review: {enabled: false}`",
            );
        }
        let location = match Location::parse(&url.value, self.base) {
            Ok(location) => Some(location),
            Err(error) => self.reject(&url, error.message, error.help),
        };
        let reference = self.reference(reference, location.as_ref());
        let path = match path {
            None => Some(String::new()),
            Some(path) => match folder(&path.value) {
                Some(folder) => Some(folder),
                None => self.reject(&path, "`path` leads out of the repository", "write a path below its root"),
            },
        };
        let interval = match interval {
            None => Some(DEFAULT_INTERVAL),
            Some(written) => match parse_interval(&written.value) {
                Ok(interval) => Some(interval),
                Err(message) => self.reject(&written, message, "write a duration like `30s`, `5m` or `1h30m`"),
            },
        };
        let credentials = self.credentials(auth, location.as_ref());
        let location = location?;
        let credentials = credentials?;
        let forge = self.forge(forge, &location, credentials.as_ref());
        Some(SourceConfig {
            name: name.value,
            forge: forge?,
            location,
            reference: reference?,
            path: path?,
            interval: interval?,
            credentials,
            allow_force_push: allow_force_push.unwrap_or(false),
            webhook: webhook.map(|entry| self.webhook(&entry.value)),
            age_keys: decryption.map(|entry| AgeKeysFile::new(self.base.join(&entry.value.age_keys_file.value))),
        })
    }

    fn reference(&mut self, written: Option<Spanned<RefEntry>>, location: Option<&Location>) -> Option<Reference> {
        let Some(written) = written else { return Some(Reference::Default) };
        if matches!(location, Some(Location::Folder(_))) {
            return self.reject(&written, "`ref` has no meaning for a folder", "remove it");
        }
        let RefEntry { branch, tag, commit, semver } = &written.value;
        self.later("ref.semver", semver);
        let mut wanted = Vec::new();
        for (text, make) in
            [(branch, Reference::Branch as fn(String) -> Reference), (tag, Reference::Tag), (commit, Reference::Commit)]
        {
            wanted.extend(text.as_ref().map(|text| (text, make(text.value.clone()))));
        }
        if semver.is_some() && wanted.is_empty() {
            return None;
        }
        let [(text, reference)] = wanted.as_slice() else {
            return self.reject(&written, "`ref` needs exactly one of `branch`, `tag` and `commit`", "");
        };
        match check_reference(reference) {
            Ok(()) => Some(reference.clone()),
            Err(message) => self.reject(text, message, ""),
        }
    }

    /// `Some(None)` is "no credentials"; `None` is an error.
    fn credentials(
        &mut self,
        written: Option<Spanned<AuthEntry>>,
        location: Option<&Location>,
    ) -> Option<Option<Credentials>> {
        let Some(written) = written else { return Some(None) };
        let AuthEntry { token_file, username_file, password_file, ssh_key_file, known_hosts_file, github_app } =
            &written.value;
        let before = self.findings();
        self.later("auth.sshKeyFile", ssh_key_file);
        self.later("auth.knownHostsFile", known_hosts_file);
        self.later("auth.githubApp", github_app);
        if self.findings() > before {
            return None;
        }
        if matches!(location, Some(Location::Repository(_) | Location::Folder(_))) {
            return self.reject(&written, "`auth` has no meaning for a path on this machine", "remove it");
        }
        let file = |path: &Spanned<String>| SecretFile::new(self.base.join(&path.value));
        match (token_file, username_file, password_file) {
            (Some(token), None, None) => Some(Some(Credentials::Token(file(token)))),
            (None, Some(username), Some(password)) => {
                Some(Some(Credentials::Password { username: file(username), password: file(password) }))
            }
            _ => {
                let message = "`auth` needs either `tokenFile`, or `usernameFile` and `passwordFile`";
                self.reject(&written, message, "")
            }
        }
    }

    fn forge(
        &mut self,
        written: Option<Spanned<ForgeEntry>>,
        location: &Location,
        credentials: Option<&Credentials>,
    ) -> Option<ForgeChoice> {
        let Some(written) = written else { return Some(crate::forge::guess(location, credentials)) };
        let ForgeEntry { kind, api_url, token_file } = &written.value;
        match kind.as_ref().map(|kind| kind.value.as_str()) {
            Some("gitea" | "forgejo") => {}
            None => return self.reject(&written, "`forge.type` is missing", "write `type: gitea`"),
            Some(other @ ("github" | "gitlab" | "bitbucket" | "azure")) => {
                let message = format!("commit statuses on `{other}` are not supported by this version");
                return self.reject(&written, message, "remove `forge`");
            }
            Some(other) => {
                let message = format!("there is no forge type `{other}`");
                return self.reject(&written, message, "write `type: gitea` (also for Forgejo)");
            }
        }
        let Some(address) = location.url().and_then(crate::forge::Address::of) else {
            let message = "`forge` needs a source with an http(s) URL that ends with owner and repository";
            return self.reject(&written, message, "remove `forge`, or write the repository's URL on the forge");
        };
        let api = match api_url {
            None => address.gitea_api(),
            Some(url) => match parse_api(&url.value, self.base) {
                Ok(api) => api,
                Err((message, help)) => return self.reject(url, message, help),
            },
        };
        let own = token_file.as_ref().map(|path| Credentials::Token(SecretFile::new(self.base.join(&path.value))));
        let Some(credentials) = own.or_else(|| credentials.cloned()) else {
            let message = "commit statuses need a token";
            return self.reject(&written, message, "name it in `forge.tokenFile` or `auth`");
        };
        let crate::forge::Address { owner, repository, .. } = address;
        Some(ForgeChoice::Forge(ForgeConfig { kind: ForgeKind::Gitea, api, owner, repository, credentials }))
    }
}

/// The root of an API, with a slash at its end so that paths can be joined to it.
fn parse_api(text: &str, base: &Path) -> Result<Url, (String, &'static str)> {
    match Location::parse(text, base) {
        Ok(Location::Remote(mut url)) => {
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            Ok(url)
        }
        Ok(Location::Repository(_) | Location::Folder(_)) => {
            Err(("`apiUrl` is no URL".to_owned(), "write https://host/api/v1"))
        }
        Err(error) => Err((error.message, error.help)),
    }
}

/// What is wrong with a `statusName`.
pub(super) const STATUS_NAME: &str = "a status name has 1 to 63 letters, digits, `-`, `_` and `.`";

/// Whether a text can be our part of the contexts of commit statuses.
pub(super) fn is_status_name(name: &str) -> bool {
    matches!(name.len(), 1..=63) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Reads `allow` or `hold`.
pub(super) fn new_disks(text: &str) -> Option<NewDisks> {
    match text {
        "allow" => Some(NewDisks::Allow),
        "hold" => Some(NewDisks::Hold),
        _ => None,
    }
}

/// Whether a reference can exist: Git's own rules for names, a full hash for a commit.
pub(super) fn check_reference(reference: &Reference) -> Result<(), String> {
    match reference {
        Reference::Default => Ok(()),
        Reference::Branch(name) | Reference::Tag(name) => {
            let full = format!("refs/heads/{name}");
            // The library panics on a NUL.
            if !name.starts_with('-') && !name.contains('\0') && git2::Reference::is_valid_name(&full) {
                return Ok(());
            }
            Err(format!("Git has no such names as `{}`", name.escape_debug()))
        }
        Reference::Commit(id) if id.len() == 40 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => {
            Ok(())
        }
        Reference::Commit(_) => Err("a commit is named by its 40 lower-case hexadecimal digits".to_owned()),
    }
}

/// A folder of a repository without `.` components; `None` when it leads out of the repository.
pub(super) fn folder(text: &str) -> Option<String> {
    let mut components = Vec::new();
    for component in text.split('/') {
        match component {
            "" if components.is_empty() && text.starts_with('/') => return None,
            "" | "." => {}
            ".." => return None,
            component if component.chars().any(char::is_control) => return None,
            component => components.push(component),
        }
    }
    Some(components.join("/"))
}

/// Reads the time between two polls.
pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    let duration: Option<Duration> =
        text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    match duration {
        Some(duration) if INTERVALS.contains(&duration) => Ok(duration),
        Some(_) => Err("an interval is between 1s and 24h".to_owned()),
        None => Err(format!("`{}` is no duration", text.escape_debug())),
    }
}
