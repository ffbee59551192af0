//! Every key of `agent.yml`, for its JSON Schema. What serde reads stands in `file.rs`; tests hold the two
//! together.

use kompox_manifests::policy::Control;
use kompox_manifests::yaml::shape::{Field, Rule, Shape, Type};

/// The JSON Schema of `agent.yml`.
pub(crate) fn schema() -> String {
    kompox_manifests::schema::document(&AGENT)
}

/// The whole file.
pub(super) static AGENT: Shape = Shape {
    name: "agent.yml",
    doc: "What one agent serves.",
    keys: &[
        Field::new(
            "cluster",
            Type::Pattern("/ws/[-a-z0-9]{1,63}/prv/[-a-z0-9]{1,63}/cls/[-a-z0-9]{1,63}"),
            "ID of the Cluster whose Apps are ours; needed unless --cluster gives it.",
        ),
        Field::required("sources", Type::Filled(&Type::Mapping(&SOURCE)), "Where Apps come from."),
        Field::new("server", Type::Mapping(&SERVER), "What is listened on; default nothing."),
        Field::new(
            "newDisks",
            Type::Word(&["allow", "hold"]),
            "Whether new empty disks are made without a person's word; default `allow`.",
        ),
        Field::new(
            "maxDisruptions",
            Type::Integer(1, 1000),
            "How many Apps of one source are interrupted at a time; default 1.",
        ),
        Field::new(
            "people",
            Type::List(&Type::String),
            "Further field managers behind which a person sits, as `managedFields` has them; `name-*` is any that begins so.",
        ),
        Field::new(
            "statusName",
            Type::Pattern("[-A-Za-z0-9_.]{1,63}"),
            "Our part of the contexts of commit statuses; default the Cluster's name.",
        ),
        Field::new("policy", Type::Mapping(&POLICY), "What a commit may ask for."),
    ],
    also: None,
    rules: &[],
};

/// `server`
pub(super) static SERVER: Shape = Shape {
    name: "Server",
    doc: "Addresses and ports that are listened on, with plain HTTP; at least one.",
    keys: &[
        Field::new("listen", Type::String, "For probes, metrics and a status page, e.g. `127.0.0.1:8080`."),
        Field::new(
            "webhooks",
            Type::String,
            "For the webhooks of sources, e.g. `0.0.0.0:8081`; nothing else is there.",
        ),
    ],
    also: None,
    rules: &[Rule::Any(&["listen", "webhooks"])],
};

/// `policy`
pub(super) static POLICY: Shape = Shape {
    name: "Policy",
    doc: "What a commit may ask for, after the Pod Security Standards.",
    keys: &[
        Field::new(
            "podSecurity",
            Type::Word(&["privileged", "baseline", "restricted"]),
            "The level that every App is held to; default `baseline`.",
        ),
        Field::new("allow", Type::List(&Type::Mapping(&ALLOW)), "What single Apps may ask for on top."),
    ],
    also: None,
    rules: &[],
};

/// `policy.allow[]`
pub(super) static ALLOW: Shape = Shape {
    name: "Allow",
    doc: "One App and one of `capability`, `sysctl` and `control`.",
    keys: &[
        Field::required(
            "app",
            Type::Pattern("/ws/[-a-z0-9]{1,63}/prv/[-a-z0-9]{1,63}/cls/[-a-z0-9]{1,63}/app/[-a-z0-9]{1,63}"),
            "ID of the App.",
        ),
        Field::new("capability", Type::Pattern("(CAP_)?[A-Z_]+"), "A capability, e.g. `NET_ADMIN`."),
        Field::new("sysctl", Type::String, "A kernel parameter, e.g. `net.core.somaxconn`."),
        Field::new("control", Type::Word(&CONTROLS), "Everything that a control of the standard forbids."),
    ],
    also: None,
    rules: &[
        Rule::Any(&["capability", "sysctl", "control"]),
        Rule::Apart("capability", "sysctl"),
        Rule::Apart("capability", "control"),
        Rule::Apart("sysctl", "control"),
    ],
};

/// The words of [`Control::EXCEPTABLE`].
const CONTROLS: [&str; 7] = {
    let mut words = [""; 7];
    let mut at = 0;
    while at < words.len() {
        words[at] = Control::EXCEPTABLE[at].name();
        at += 1;
    }
    words
};

/// `sources[]`
pub(super) static SOURCE: Shape = Shape {
    name: "Source",
    doc: "A repository or folder.",
    keys: &[
        Field::required("name", Type::Label(63), "Its name; stable, because applied objects carry it."),
        Field::required("url", Type::String, "An https URL, a local bare repository, or a folder."),
        Field::new("ref", Type::Mapping(&REF), "Which commit is wanted; default the repository's default branch."),
        Field::new("path", Type::String, "Entries are looked for at and below this folder; default the root."),
        Field::new("interval", Type::String, "Time between two polls, `1s` to `24h`; default `30s`."),
        Field::new("auth", Type::Mapping(&AUTH), "How the agent shows who it is."),
        Field::new("verify", Type::Later, "Comes with a later version."),
        Field::new("forge", Type::Mapping(&FORGE), "Where commit statuses go; guessed from the URL where possible."),
        Field::new("review", Type::Mapping(&REVIEW), "Plans on pull requests."),
        Field::new("webhook", Type::Mapping(&WEBHOOK), "A forge's request makes the agent fetch at once."),
        Field::new(
            "allowForcePush",
            Type::Boolean,
            "Whether a rewritten branch is followed at once instead of being held; default `false`.",
        ),
        Field::new("decryption", Type::Mapping(&DECRYPTION), "What files that SOPS has encrypted are read with."),
    ],
    also: None,
    rules: &[],
};

/// `sources[].webhook`
pub(super) static WEBHOOK: Shape = Shape {
    name: "Webhook",
    doc: "A forge's request makes the agent fetch at once; it comes to `/hooks/NAME` on `server.webhooks`.",
    keys: &[Field::required("secretFile", Type::String, "File that holds the secret that the forge has too.")],
    also: None,
    rules: &[],
};

/// `sources[].decryption`
pub(super) static DECRYPTION: Shape = Shape {
    name: "Decryption",
    doc: "What files that SOPS has encrypted are read with.",
    keys: &[Field::required("ageKeysFile", Type::String, "File of private age keys, as `age-keygen` writes it.")],
    also: None,
    rules: &[],
};

/// `sources[].ref`
pub(super) static REF: Shape = Shape {
    name: "Ref",
    doc: "One of `branch`, `tag` and `commit`.",
    keys: &[
        Field::new("branch", Type::String, "The newest commit of a branch."),
        Field::new("tag", Type::String, "The commit of a tag."),
        Field::new("commit", Type::String, "One commit, by its full hash."),
        Field::new("semver", Type::Later, "Comes with a later version."),
    ],
    also: None,
    rules: &[
        Rule::Any(&["branch", "tag", "commit"]),
        Rule::Apart("branch", "tag"),
        Rule::Apart("branch", "commit"),
        Rule::Apart("tag", "commit"),
    ],
};

/// `sources[].auth`
pub(super) static AUTH: Shape = Shape {
    name: "Auth",
    doc: "Either `tokenFile`, or `usernameFile` and `passwordFile`.",
    keys: &[
        Field::new("tokenFile", Type::String, "File that holds a token."),
        Field::new("usernameFile", Type::String, "File that holds a user name."),
        Field::new("passwordFile", Type::String, "File that holds a password."),
        Field::new("sshKeyFile", Type::Later, "Comes with a later version."),
        Field::new("knownHostsFile", Type::Later, "Comes with a later version."),
        Field::new("githubApp", Type::Later, "Comes with a later version."),
    ],
    also: None,
    rules: &[
        Rule::Any(&["tokenFile", "usernameFile"]),
        Rule::Any(&["tokenFile", "passwordFile"]),
        Rule::Apart("tokenFile", "usernameFile"),
        Rule::Apart("tokenFile", "passwordFile"),
    ],
};

/// `sources[].forge`
pub(super) static FORGE: Shape = Shape {
    name: "Forge",
    doc: "The forge that the repository lives on.",
    keys: &[
        Field::required("type", Type::Word(&["gitea", "forgejo"]), "Which API it speaks."),
        Field::new("apiUrl", Type::String, "Root of its API; default by the source's URL."),
        Field::new("tokenFile", Type::String, "File that holds the token for statuses; default that of `auth`."),
    ],
    also: None,
    rules: &[],
};

/// `sources[].review`
pub(super) static REVIEW: Shape = Shape {
    name: "Review",
    doc: "Plans on pull requests; come with a later version, until then `enabled` must be `false`.",
    keys: &[
        Field::required("enabled", Type::Boolean, "Must be `false` in this version."),
        Field::new("forks", Type::Any, "Has no effect in this version."),
        Field::new("label", Type::Any, "Has no effect in this version."),
        Field::new("comment", Type::Any, "Has no effect in this version."),
    ],
    also: None,
    rules: &[],
};

#[cfg(test)]
pub(super) mod tests;
