//! Every code that a diagnostic can carry, with what it means.

use std::fmt::Write as _;

use super::Severity::{self, Error, Info, Warning};

/// One code.
#[derive(Debug)]
pub struct Entry {
    /// The code.
    pub code: &'static str,
    /// How bad it can be; which of these it is depends on the case.
    pub severities: &'static [Severity],
    /// What it means, one sentence.
    pub means: &'static str,
    /// What to do, one sentence.
    pub help: &'static str,
}

const fn entry(code: &'static str, severities: &'static [Severity], means: &'static str, help: &'static str) -> Entry {
    Entry { code, severities, means, help }
}

/// All codes, sorted.
pub static CATALOGUE: &[Entry] = &[
    entry(
        "agent-config",
        &[Error],
        "A value, a key or the whole of `agent.yml` is wrong, or asks for something that this version cannot do.",
        "Correct the place that is shown; `kompox-agent schema agent` tells an editor what is allowed.",
    ),
    entry(
        "alias",
        &[Error, Info],
        "A further name of a service cannot be the name of a Kubernetes Service.",
        "Use a-z, 0-9 and `-`, beginning with a letter, or reach the service by its own name.",
    ),
    entry(
        "app-hash",
        &[Error],
        "Two Apps share the short hash that tells the names of their namespaces and disks apart.",
        "Rename one of the two Apps.",
    ),
    entry(
        "app-twice",
        &[Error],
        "Two entries describe the App of one ID; both are rejected, and nothing of it is removed.",
        "Remove one of the two, or rename its App.",
    ),
    entry("bad-command", &[Error], "A command has no words.", "Write the command as a list with at least one word."),
    entry(
        "bad-duration",
        &[Error],
        "A duration is not written as one, or is zero where it must not be.",
        "Write it like `90s`, `10m`, `1h30m` or `7d`.",
    ),
    entry(
        "bad-id",
        &[Error],
        "An App is not named by its Resource ID.",
        "Write `/ws/<workspace>/prv/<provider>/cls/<cluster>/app/<app>`.",
    ),
    entry(
        "bad-label",
        &[Error],
        "A text cannot be the key or the value of a Kubernetes label.",
        "Use letters, digits, `-`, `_` and `.`, at most 63, with a letter or digit at either end.",
    ),
    entry(
        "bad-name",
        &[Error],
        "A name is no DNS label or domain name, or is too long.",
        "Use a-z, 0-9 and `-`, with a letter or digit at either end.",
    ),
    entry("bad-retention", &[Error], "No rule of a retention keeps anything.", "Add a rule, e.g. `keepLast: 7`."),
    entry(
        "bad-schedule",
        &[Error],
        "A schedule has not the five fields of cron and is none of its names, or it never comes.",
        "Write minute, hour, day of month, month and day of week, e.g. `0 3 * * *`.",
    ),
    entry(
        "bad-size",
        &[Error],
        "A size is no Kubernetes quantity, or not a whole number of bytes above zero.",
        "Write it like `10Gi`.",
    ),
    entry(
        "bad-source",
        &[Error],
        "The source of a volume has none of the known forms.",
        "Write `disk:<name>`, `snapshot:<name>`, `snapshot:latest`, `snapshot:latest@<instant>` or `existing:<id>`.",
    ),
    entry(
        "bad-time-zone",
        &[Error],
        "There is no time zone of this name.",
        "Give a name of the IANA database, e.g. `Europe/Berlin`.",
    ),
    entry(
        "bad-value",
        &[Error],
        "A text does not say what its key wants, e.g. a number.",
        "Write what the message names.",
    ),
    entry(
        "bind-folder",
        &[Warning],
        "A relative bind names a folder of the repository; its files do not get into the volume.",
        "Hand the files over with `configs` or `secrets`, or ignore it when the folder is only a place to write to.",
    ),
    entry(
        "command-words",
        &[Error],
        "A command cannot be split into words as a shell would.",
        "Close the quotes, or write the command as a list of words.",
    ),
    entry(
        "compose-document",
        &[Error],
        "The Compose file is empty, holds more than one document, or a NUL character.",
        "Write one document with `services:`, and give each App a file of its own.",
    ),
    entry(
        "compose-files",
        &[Error],
        "A file that `extends` or `include` names cannot be used.",
        "Name a file inside the repository that holds what is asked for.",
    ),
    entry(
        "compose-limit",
        &[Error],
        "The Compose files of an App are too many, too large or nested too deep.",
        "Split the App, or include less.",
    ),
    entry(
        "compose-merge",
        &[Error],
        "Two Compose files say things about one key that cannot be joined, or a tag stands where it means nothing.",
        "Give both the same form, or replace the value with `!override`.",
    ),
    entry(
        "config-or-secret",
        &[Error, Info],
        "A config or secret cannot be used as it is written, or no service uses it.",
        "Correct its definition or its mount as the message says; remove what is unused.",
    ),
    entry(
        "depends-on",
        &[Error, Warning, Info],
        "Apps or services wait for each other in a way that cannot come true, or that should be known.",
        "Take one of the dependencies out, or correct its condition.",
    ),
    entry("duplicate-key", &[Error], "A key stands twice in one mapping.", "Remove one of the two."),
    entry("duplicate-name", &[Error], "Two items of a list have one name.", "Rename one of the two."),
    entry(
        "duration",
        &[Error, Info],
        "A duration in a Compose file is not written as one, or is out of range.",
        "Write it like `30s` or `1m30s`.",
    ),
    entry(
        "encrypted-file",
        &[Error],
        "A file that SOPS has encrypted cannot be read: there is no key for it, it was changed, or it is of a kind that \
         is not known.",
        "Encrypt it for a key of the agent, and change it with `sops edit` only.",
    ),
    entry(
        "entry-both",
        &[Error],
        "One folder holds both a kompoxapp.yml and a kompoxops.yml.",
        "Keep one of the two, or move one to a folder of its own.",
    ),
    entry(
        "entry-file",
        &[Error],
        "An entry is no regular file, e.g. a symbolic link.",
        "Put the file itself there; links are not followed.",
    ),
    entry(
        "entry-limit",
        &[Error],
        "There are too many entries or folders to search.",
        "Point the source's `path` at a folder with fewer.",
    ),
    entry(
        "entry-path",
        &[Error],
        "The folder that entries are looked for in is not there, cannot be read, or is outside of the repository.",
        "Correct the source's `path`.",
    ),
    entry(
        "env-file",
        &[Error],
        "An environment file cannot be read: its place, its form, a name or a value in it is wrong.",
        "Write one `KEY=VALUE` a line, or a flat mapping in YAML or JSON, and name the file relative to the Compose file.",
    ),
    entry(
        "environment",
        &[Error],
        "A variable's name or value cannot be given to a container.",
        "Rename the variable, or change its value.",
    ),
    entry(
        "exclusive-keys",
        &[Error],
        "Keys stand together that exclude each other, or one that is needed is missing.",
        "Keep one of them.",
    ),
    entry(
        "file-encoding",
        &[Error],
        "A file is not UTF-8, has a byte order mark, or holds characters that a text file must not hold.",
        "Save it as UTF-8 without a byte order mark.",
    ),
    entry(
        "file-reference",
        &[Error],
        "A local file is named where that is not allowed, or by a path that leaves the folder or is not there.",
        "Name a file at or below the Compose file's folder, from an App in the entry file itself.",
    ),
    entry(
        "gpu",
        &[Error, Warning],
        "A GPU or another device cannot be asked for as it is written.",
        "Ask for a number of GPUs of a known driver: `gpus: [{count: 1}]`.",
    ),
    entry(
        "healthcheck",
        &[Error, Warning, Info],
        "A health check cannot be kept as it is written, or delays when the Pod is ready.",
        "Give it a `test` that Kubernetes can run, or remove it; leave `start_period` out unless the check may kill.",
    ),
    entry(
        "hook",
        &[Error, Info],
        "A `post_start` or `pre_stop` hook has no command, or several that run in one shell.",
        "Write one command that the image can run.",
    ),
    entry(
        "image",
        &[Error],
        "A service has no image that can be pulled.",
        "Write `image:`; an image is built and pushed elsewhere, and `build` is not carried out.",
    ),
    entry(
        "include-conflict",
        &[Error],
        "An included file says something else about a name than the file that includes it.",
        "Rename one of the two, or make them equal.",
    ),
    entry(
        "ingress-rule",
        &[Error, Warning],
        "A rule of an App's ingress fits no published port, or its name or hosts are wrong or stand twice.",
        "Make the rules and the Compose file's `ports` agree; give every host once.",
    ),
    entry(
        "interpolation",
        &[Error],
        "A `$` in the Compose file begins no well-formed variable, or a variable that must be set is not.",
        "Write `$$` for a dollar sign, or set the variable in `.env`.",
    ),
    entry(
        "kom-api-version",
        &[Error],
        "A document has another `apiVersion` than KOM's.",
        "Write `apiVersion: ops.kompox.dev/v1alpha1`, and keep Kubernetes objects elsewhere.",
    ),
    entry(
        "kom-conflict",
        &[Error],
        "Two entries describe one Workspace, Provider or Cluster differently.",
        "Make the two say the same.",
    ),
    entry(
        "kom-defaults",
        &[Error],
        "A `Defaults` document stands where none may, a second time, or names an App that is not there.",
        "Keep one in kompoxapp.yml, and name an App of the entry.",
    ),
    entry(
        "kom-document",
        &[Error],
        "An entry file holds no document, or several where one belongs.",
        "Write the App there; several documents belong into a kompoxapp.yml.",
    ),
    entry("kom-duplicate", &[Error], "Two documents of an entry have one Resource ID.", "Remove one of the two."),
    entry(
        "kom-id",
        &[Error],
        "A document has no Resource ID, or one that does not fit its kind or name.",
        "Write the annotation `ops.kompox.dev/id` in the form of the kind.",
    ),
    entry("kom-kind", &[Error], "KOM has no such kind.", "Write Workspace, Provider, Cluster, App, Box or Defaults."),
    entry(
        "kom-parent",
        &[Error],
        "The parent of a document is not in its entry.",
        "Add the parent, or bring it in with `komPath`.",
    ),
    entry(
        "kom-path",
        &[Error, Warning],
        "An item of `komPath` is no file or folder that may be loaded.",
        "Name YAML files or folders inside the repository, relative to the file.",
    ),
    entry("kom-version", &[Error], "A kompoxops.yml has a version that is not known.", "Write `version: v1`."),
    entry(
        "labels",
        &[Error, Warning],
        "A label or annotation cannot be given to the Pod or its Deployment, or has no effect there.",
        "Use another key, or give all services the same value; publish ports with the App's ingress.",
    ),
    entry("missing-key", &[Error], "A key that must be there is missing, or has no value.", "Add it."),
    entry("mount-target", &[Error, Warning], "Two things of a service are mounted at one path.", "Remove one of them."),
    entry(
        "name-too-long",
        &[Error],
        "A name leaves no room for the names that are made from it.",
        "Shorten the App's, Box's or service's name.",
    ),
    entry(
        "network-mode",
        &[Error, Info],
        "A `network_mode` has no effect, or cannot be kept: all services of an App share one Pod and its network.",
        "Remove it, and publish ports with `ports` and the App's ingress.",
    ),
    entry(
        "network-rule",
        &[Error],
        "A rule of a network policy would let everyone in, or contradicts itself.",
        "Name the namespaces; `- namespaceSelector: {}` stands for all of them.",
    ),
    entry(
        "no-entry",
        &[Warning],
        "There is no entry at or below the configured folder.",
        "Check the source's `path`, or add a kompoxapp.yml or a kompoxops.yml.",
    ),
    entry(
        "no-services",
        &[Error],
        "The Compose file has no service that would run.",
        "Write at least one service without `profiles`.",
    ),
    entry(
        "not-supported-yet",
        &[Warning],
        "A key or document is understood and checked, but this version does not act on it.",
        "Nothing; it takes effect with a later version.",
    ),
    entry(
        "out-of-range",
        &[Error],
        "A number is smaller or larger than it may be.",
        "Write a number in the range that the message names.",
    ),
    entry(
        "plain-password",
        &[Warning],
        "A variable that looks like a password is set in a plain file, where everybody sees it who sees the repository.",
        "Encrypt the file with SOPS, or set it on the cluster, in the App's `-override` Secret, and remove it here.",
    ),
    entry(
        "pod-security",
        &[Error, Warning],
        "A service asks for more rights than the agent's policy allows, or for what nodes refuse unless they are told to.",
        "Run the service without them, or let the operators of the agent allow them with `policy.allow` in agent.yml.",
    ),
    entry(
        "pod-wide",
        &[Error, Warning, Info],
        "A key of one service holds for the whole Pod, and two services may disagree about it.",
        "Give all services the same value, or remove it from all but one.",
    ),
    entry(
        "port",
        &[Error],
        "A port is not written as one, cannot be published, or is published twice.",
        "Write `host:container`, each host port once.",
    ),
    entry(
        "profile",
        &[Info],
        "A service has profiles, and so it is not deployed.",
        "Remove `profiles` if it should run.",
    ),
    entry(
        "provider",
        &[Error],
        "A Provider names a driver that there is not, or lacks a setting that its driver needs.",
        "Name one of the drivers, and give it its settings.",
    ),
    entry(
        "pull-policy",
        &[Error, Warning],
        "`pull_policy` has a value that Kubernetes cannot keep.",
        "Write `always`, `missing` or `never`.",
    ),
    entry(
        "quantity",
        &[Error, Info],
        "An amount of CPU or memory is not written as one, or a request is above its limit.",
        "Write it like `500m` or `256Mi`, with the request at or below the limit.",
    ),
    entry("repeated", &[Error], "An item stands twice in a list that takes each only once.", "Remove one of the two."),
    entry(
        "replicas",
        &[Error],
        "A service asks for a number of replicas other than one.",
        "Remove `scale`, `deploy.replicas` and `deploy.mode`; an App runs once.",
    ),
    entry("reserved-key", &[Error], "A key is reserved and has no meaning yet.", "Remove it."),
    entry(
        "restart",
        &[Error, Warning, Info],
        "A restart policy cannot be kept: Kubernetes restarts every container of an App, and one that others wait for to \
         end until it ends well.",
        "Write `restart: always`, or remove the key.",
    ),
    entry(
        "secret-value",
        &[Error],
        "A value that was encrypted would be shown in plain: as part of a label, a command, a config or the like.",
        "Use it in `environment`, in an `env_file` or as a secret only.",
    ),
    entry(
        "security",
        &[Error],
        "A user, a capability or a security option is not written as Kubernetes needs it.",
        "Write users as numbers and capabilities like `NET_BIND_SERVICE`.",
    ),
    entry(
        "service-name",
        &[Error],
        "The name of a service cannot be the name of a Kubernetes Service, or is kept for the App's own objects.",
        "Use a-z, 0-9 and `-`, beginning with a letter, and not the App's own prefix.",
    ),
    entry(
        "tmpfs",
        &[Error, Warning],
        "A `tmpfs` or `shm_size` is not written as one, or an option of it cannot be kept.",
        "Write it like `/tmp` or `/tmp:size=64m`.",
    ),
    entry(
        "unknown-key",
        &[Error],
        "There is no such key at this place.",
        "Correct its spelling, or remove it; in a Compose file keys for other tools begin with `x-`.",
    ),
    entry(
        "unknown-network",
        &[Error],
        "A service names a network that the Compose file does not define.",
        "Correct the name, define the network, or remove it.",
    ),
    entry(
        "unknown-service",
        &[Error],
        "Something names a Compose service that is not there.",
        "Name a service of the Compose file.",
    ),
    entry(
        "unknown-value",
        &[Error],
        "A value is none of the words that are allowed.",
        "Write one of the words that the message names.",
    ),
    entry(
        "unknown-volume",
        &[Error],
        "Something names a volume that the App does not have, or one without snapshots.",
        "Name a volume of type `disk` of the App's `volumes`.",
    ),
    entry(
        "unmapped-key",
        &[Error, Warning, Info],
        "A key of the Compose file has no effect in a Pod, or cannot be kept.",
        "Do what the message says in its place, or remove it.",
    ),
    entry(
        "unreadable",
        &[Error],
        "A file or folder of the repository cannot be read.",
        "Check the path, and that it is a regular file of the commit; links and submodules are not followed.",
    ),
    entry(
        "unset-variable",
        &[Warning],
        "A variable in the Compose file is not set, and becomes an empty text.",
        "Set it in `.env`, or give it a default with `${NAME:-default}`.",
    ),
    entry(
        "volume",
        &[Error, Warning, Info],
        "A mount of a service fits no volume of the App, or cannot be kept as it is.",
        "Name a volume of the App's `volumes`, or write a path relative to the Compose file.",
    ),
    entry("working-dir", &[Error], "`working_dir` is no absolute path.", "Begin it with `/`."),
    entry(
        "wrong-type",
        &[Error],
        "A value is of another type than its key wants, e.g. a list in place of a text.",
        "Write the type that the message names.",
    ),
    entry(
        "yaml-alias",
        &[Error],
        "An alias names no anchor, or stands inside of its own anchor.",
        "Write the value out.",
    ),
    entry("yaml-key", &[Error], "A key is no text.", "Write the key in quotes."),
    entry(
        "yaml-limit",
        &[Error],
        "A file nests too deeply, or is too large once its aliases are written out.",
        "Split the file, or use fewer aliases.",
    ),
    entry(
        "yaml-merge",
        &[Error],
        "A merge key `<<` has a value that is no mapping or list of mappings.",
        "Merge mappings only.",
    ),
    entry(
        "yaml-syntax",
        &[Error],
        "The file is not valid YAML.",
        "Mend the line that is shown, or the one above it; indent with spaces.",
    ),
    entry("yaml-tag", &[Error], "A tag has no meaning at this place.", "Remove the tag."),
];

/// The entry of a code.
#[must_use]
pub fn explain(code: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.code == code)
}

/// The catalogue as a page of documentation.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for Entry { code, severities, means, help } in CATALOGUE {
        let severities: Vec<&str> = severities.iter().map(|severity| severity.name()).collect();
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## {code}\n\n*{}*: {means}\n\n**What to do**: {help}\n", severities.join(", "));
    }
    page
}

const HEAD: &str = "\
# Diagnostics

What `kompox-agent validate`, `render`, `plan`, `apply` and the agent itself say of files. Each diagnostic carries one
of these codes, the place (file, line, column), why, and what to do. An **error** rejects the entry, and nothing of it
is applied; a **warning** is accepted but probably not what was meant; an **info** is worth knowing. Codes are stable:
programs can go by them (`-o json`).

This page is made from the table in `manifests/src/diagnostic/catalogue.rs`; run the tests with `UPDATE_DOCS=1` after a
change there.
";

#[cfg(test)]
mod tests;
