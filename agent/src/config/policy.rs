//! `policy` of `agent.yml`: the level of the Pod Security Standards, and the exceptions from it.

use kompox_manifests::policy::{Allowed, Control, Exception, Level, Policy};
use serde_saphyr::Spanned;

use super::check::Check;
use super::file::{AllowEntry, PolicyEntry};

impl Check<'_> {
    /// What is wrong is among the findings, and then nothing of the configuration counts.
    pub(super) fn policy(&mut self, written: Option<Spanned<PolicyEntry>>) -> Policy {
        let Some(PolicyEntry { pod_security, allow }) = written.map(|written| written.value) else {
            return Policy::default();
        };
        let level = pod_security.and_then(|written| self.level(&written)).unwrap_or_default();
        let exceptions = allow.unwrap_or_default().iter().filter_map(|entry| self.exception(entry)).collect();
        Policy { level, exceptions }
    }

    fn level(&mut self, written: &Spanned<String>) -> Option<Level> {
        let level = Level::ALL.into_iter().find(|level| level.name() == written.value);
        level.or_else(|| {
            let message = "`podSecurity` is none of the levels of the Pod Security Standards";
            self.reject(written, message, "write `privileged`, `baseline` or `restricted`")
        })
    }

    fn exception(&mut self, entry: &Spanned<AllowEntry>) -> Option<Exception> {
        let AllowEntry { app, capability, sysctl, control } = &entry.value;
        let id = match app.value.parse() {
            Ok(id) => Some(id),
            Err(error) => self.reject(app, format!("{error}"), "name the App by its resource ID"),
        };
        let what = match (capability, sysctl, control) {
            (Some(name), None, None) => self.capability(name),
            (None, Some(name), None) => Some(Allowed::Sysctl(name.value.clone())),
            (None, None, Some(name)) => self.control(name),
            _ => {
                let message = "an exception needs exactly one of `capability`, `sysctl` and `control`";
                self.reject(entry, message, "write one entry for each thing that the App may do")
            }
        };
        Some(Exception { app: id?, what: what? })
    }

    fn capability(&mut self, name: &Spanned<String>) -> Option<Allowed> {
        let plain = name.value.strip_prefix("CAP_").unwrap_or(&name.value);
        if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            let message = format!("`{}` is no capability", name.value.escape_debug());
            return self.reject(name, message, "write it like `NET_ADMIN`, or `ALL`");
        }
        Some(Allowed::Capability(plain.to_owned()))
    }

    fn control(&mut self, name: &Spanned<String>) -> Option<Allowed> {
        let control = Control::EXCEPTABLE.into_iter().find(|control| control.name() == name.value);
        if control.is_none() {
            let words = Control::EXCEPTABLE.map(Control::name).join(", ");
            let message = format!("there are no exceptions from `{}`", name.value.escape_debug());
            return self.reject(name, message, &format!("write one of: {words}"));
        }
        control.map(Allowed::Control)
    }
}
