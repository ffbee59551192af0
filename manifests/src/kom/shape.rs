//! Every key of KOM and of `kompoxops.yml`.

use super::resource::KomKind;
use crate::yaml::shape::{Field, Rule, Shape, Type};

/// The only API version there is.
pub(super) const API_VERSION: &str = "ops.kompox.dev/v1alpha1";

/// The annotation that holds the Resource ID.
pub(super) const ID_ANNOTATION: &str = "ops.kompox.dev/id";

/// Longest name of a volume.
pub(super) const LONGEST_VOLUME: u64 = 16;

/// Longest name of a policy: with the tick behind it, it names snapshots.
pub(super) const LONGEST_POLICY: u64 = 12;

/// Most snapshots of one rule; more than any provider keeps of a volume.
pub(super) const MOST_KEPT: u64 = 10_000;

/// The ID of an App.
const APP_ID: Type = Type::Pattern("/ws/[-a-z0-9]{1,63}/prv/[-a-z0-9]{1,63}/cls/[-a-z0-9]{1,63}/app/[-a-z0-9]{1,63}");

/// The name of a rule. That it has at most 15 characters is more than an expression of this kind can tell.
const RULE_NAME: Type = Type::Pattern("[a-z](-?[a-z0-9]){0,14}");

const PORT: Type = Type::Integer(1, 65_535);

const SETTINGS: Field = Field::new("settings", Type::Texts, "Settings; any scalar is read as its text.");

/// `spec` of a kind.
pub(super) const fn spec(kind: KomKind) -> &'static Shape {
    match kind {
        KomKind::Workspace => &WORKSPACE,
        KomKind::Provider => &PROVIDER,
        KomKind::Cluster => &CLUSTER,
        KomKind::App => &APP,
        KomKind::Box => &BOX,
    }
}

/// A KOM document.
pub(super) static DOCUMENT: Shape = Shape {
    name: "Document",
    doc: "A KOM document.",
    keys: &[
        Field::required("apiVersion", Type::Word(&[API_VERSION]), "The version of KOM."),
        Field::required(
            "kind",
            Type::Word(&["Workspace", "Provider", "Cluster", "App", "Box", "Defaults"]),
            "What the document describes.",
        ),
        Field::new("metadata", Type::Mapping(&METADATA), "Name and Resource ID."),
        Field::new("spec", Type::Varies, "What the kind asks for."),
    ],
    also: None,
    rules: &[],
};

/// `metadata` of a KOM document.
pub(super) static METADATA: Shape = Shape {
    name: "Metadata",
    doc: "Name and Resource ID of a document.",
    keys: &[
        Field::new("name", Type::String, "The last name of the Resource ID."),
        Field::new("labels", Type::Texts, "For other tools."),
        Field::new(
            "annotations",
            Type::Texts,
            "`ops.kompox.dev/id` holds the Resource ID; others are for other tools.",
        ),
    ],
    also: None,
    rules: &[],
};

/// `kompoxops.yml`.
pub(super) static SINGLE: Shape = Shape {
    name: "kompoxops.yml",
    doc: "One App with its Workspace, Provider and Cluster in one file.",
    keys: &[
        Field::required("version", Type::Word(&["v1"]), "The version of this form."),
        Field::required("workspace", Type::Mapping(&SINGLE_WORKSPACE), "The Workspace."),
        Field::required("provider", Type::Mapping(&SINGLE_PROVIDER), "The Provider."),
        Field::required("cluster", Type::Mapping(&SINGLE_CLUSTER), "The Cluster."),
        Field::required("app", Type::Mapping(&SINGLE_APP), "The App."),
    ],
    also: None,
    rules: &[],
};

/// A section of `kompoxops.yml`: the name beside the keys of the spec.
const fn named(name: &'static str, spec: &'static Shape) -> Shape {
    const NAME: &[Field] = &[Field::required("name", Type::Label(63), "Its name, a part of the Resource ID.")];
    Shape { name, doc: spec.doc, keys: NAME, also: Some(spec), rules: &[] }
}

pub(super) static SINGLE_WORKSPACE: Shape = named("NamedWorkspace", &WORKSPACE);
pub(super) static SINGLE_PROVIDER: Shape = named("NamedProvider", &PROVIDER);
pub(super) static SINGLE_CLUSTER: Shape = named("NamedCluster", &CLUSTER);
pub(super) static SINGLE_APP: Shape = named("NamedApp", &APP);

/// `Defaults.spec`
pub(super) static DEFAULTS: Shape = Shape {
    name: "Defaults",
    doc: "What steers the loading of an entry.",
    keys: &[
        Field::new(
            "komPath",
            Type::List(&Type::String),
            "Further files or folders to load, relative to this file or below `$KOMPOX_ROOT` or `$KOMPOX_DIR`.",
        ),
        Field::new("appId", APP_ID, "The App that is meant where none is named."),
    ],
    also: None,
    rules: &[],
};

/// `Workspace.spec`
static WORKSPACE: Shape =
    Shape { name: "Workspace", doc: "Everything that one team runs.", keys: &[SETTINGS], also: None, rules: &[] };

/// `Provider.spec`
static PROVIDER: Shape = Shape {
    name: "Provider",
    doc: "A cloud account, or a machine with disks.",
    keys: &[Field::required("driver", Type::Label(63), "The driver that makes its disks, e.g. `local`."), SETTINGS],
    also: None,
    rules: &[],
};

/// `Cluster.spec`
static CLUSTER: Shape = Shape {
    name: "Cluster",
    doc: "A Kubernetes cluster.",
    keys: &[
        Field::new("existing", Type::Boolean, "Whether it was made by other means; default `false`."),
        SETTINGS,
        Field::new("ingress", Type::Mapping(&CLUSTER_INGRESS), "How it is reached from outside."),
        Field::new("protection", Type::Mapping(&PROTECTION), "What must not be done to it."),
    ],
    also: None,
    rules: &[],
};

/// `Cluster.spec.ingress`
static CLUSTER_INGRESS: Shape = Shape {
    name: "ClusterIngress",
    doc: "How a cluster is reached from outside.",
    keys: &[
        Field::new("namespace", Type::Label(63), "Where the ingress controller runs; default `traefik`."),
        Field::new("controller", Type::String, "Which ingress controller it is."),
        Field::new("serviceAccount", Type::String, "The ingress controller's account."),
        Field::new("domain", Type::Domain, "The domain below which every rule of an App gets a host of its own."),
        Field::new("certResolver", Type::String, "The certificate resolver, unless the App names one."),
        Field::new("certEmail", Type::String, "The address that certificate authorities write to."),
        Field::new("certificates", Type::List(&Type::Mapping(&CERTIFICATE)), "Certificates that exist already."),
    ],
    also: None,
    rules: &[],
};

/// `Cluster.spec.ingress.certificates[]`
pub(super) static CERTIFICATE: Shape = Shape {
    name: "Certificate",
    doc: "A certificate that exists already.",
    keys: &[
        Field::required("name", Type::String, "Its name in the cluster."),
        Field::required("source", Type::String, "Where it comes from."),
    ],
    also: None,
    rules: &[],
};

/// `Cluster.spec.protection`
static PROTECTION: Shape = Shape {
    name: "Protection",
    doc: "What must not be done to a cluster.",
    keys: &[
        Field::new("provisioning", LEVEL, "Protects the cluster itself; default `none`."),
        Field::new("installation", LEVEL, "Protects what is installed in it; default `none`."),
    ],
    also: None,
    rules: &[],
};

const LEVEL: Type = Type::Word(&["none", "cannotDelete", "readOnly"]);

/// `App.spec`
static APP: Shape = Shape {
    name: "App",
    doc: "An application.",
    keys: &[
        Field::required(
            "compose",
            Type::Compose,
            "The Compose project: a mapping, a text that holds one, or `file:` with a path relative to this file.",
        ),
        Field::new("ingress", Type::Mapping(&APP_INGRESS), "Which ports are reached from outside, under which hosts."),
        Field::new("volumes", Type::List(&Type::Mapping(&VOLUME)), "The disks that Compose volumes live on."),
        Field::new("deployment", Type::Mapping(&DEPLOYMENT), "On which nodes it runs."),
        Field::new("networkPolicy", Type::Mapping(&NETWORK_POLICY), "Who may connect, beside the App's own Pods."),
        Field::new("reconcile", Type::Mapping(&RECONCILE), "How the agent treats it."),
        Field::new(
            "snapshotPolicies",
            Type::List(&Type::Mapping(&SNAPSHOT_POLICY)),
            "When snapshots are taken and how long they are kept.",
        ),
        SETTINGS,
        Field::new("resources", Type::Texts, "Resources; any scalar is read as its text."),
    ],
    also: None,
    rules: &[],
};

/// `App.spec.ingress`
static APP_INGRESS: Shape = Shape {
    name: "AppIngress",
    doc: "Which ports are reached from outside.",
    keys: &[
        Field::new(
            "certResolver",
            Type::String,
            "The certificate resolver for hosts of the rules; default the Cluster's.",
        ),
        Field::new("rules", Type::List(&Type::Mapping(&RULE)), "One rule a port."),
    ],
    also: None,
    rules: &[],
};

/// `App.spec.ingress.rules[]`
pub(super) static RULE: Shape = Shape {
    name: "IngressRule",
    doc: "A port that is reached from outside.",
    keys: &[
        Field::required(
            "name",
            RULE_NAME,
            "The port's name: a letter, then up to 14 of a-z, 0-9 and `-`, which is not the last, and not twice in a row.",
        ),
        Field::required("port", PORT, "The host port in the Compose file."),
        Field::new("hosts", Type::List(&Type::String), "Hosts of its own, beside the one below the Cluster's domain."),
    ],
    also: None,
    rules: &[],
};

/// `App.spec.volumes[]`
pub(super) static VOLUME: Shape = Shape {
    name: "Volume",
    doc: "A disk.",
    keys: &[
        Field::required("name", Type::Label(LONGEST_VOLUME), "Its name; Compose volumes of this name live on it."),
        Field::required("size", Type::Size, "Its size, e.g. `10Gi`."),
        Field::new("type", Type::Word(&["disk", "files"]), "A disk, or shared files; default `disk`."),
        Field::new("options", Type::Texts, "What the driver takes."),
        Field::new(
            "source",
            Type::String,
            "What a new disk begins with: `disk:<name>`, `snapshot:<name>`, `snapshot:latest`, \
             `snapshot:latest@<instant>` or `existing:<id>`.",
        ),
        Field::new(
            "deletionPolicy",
            Type::Word(&["Retain", "Delete"]),
            "What happens to its disks with the App; default `Retain`.",
        ),
        Field::new(
            "claim",
            Type::Word(&["keep", "take"]),
            "Whether a disk that another App holds is taken; default `keep`.",
        ),
    ],
    also: None,
    rules: &[],
};

/// `App.spec.deployment`
static DEPLOYMENT: Shape = Shape {
    name: "Deployment",
    doc: "On which nodes an App runs.",
    keys: &[
        Field::new("pool", Type::LabelValue, "The node pool; default `user`."),
        Field::new("pools", Type::List(&Type::LabelValue), "Several node pools; not together with `pool`."),
        Field::new("zone", Type::LabelValue, "The zone."),
        Field::new("zones", Type::List(&Type::LabelValue), "Several zones; not together with `zone`."),
        Field::new("selectors", Type::Reserved, "Reserved."),
    ],
    also: None,
    rules: &[Rule::Apart("pool", "pools"), Rule::Apart("zone", "zones")],
};

/// `networkPolicy` of an App or a Box.
static NETWORK_POLICY: Shape = Shape {
    name: "NetworkPolicy",
    doc: "Who may connect.",
    keys: &[Field::new("ingressRules", Type::List(&Type::Mapping(&INGRESS_RULE)), "One rule a group of namespaces.")],
    also: None,
    rules: &[],
};

/// `networkPolicy.ingressRules[]`
pub(super) static INGRESS_RULE: Shape = Shape {
    name: "NetworkRule",
    doc: "Which namespaces may connect to which ports.",
    keys: &[
        Field::required("from", Type::Filled(&Type::Mapping(&PEER)), "The namespaces."),
        Field::new("ports", Type::List(&Type::Mapping(&NETWORK_PORT)), "The ports; without any, all of them."),
    ],
    also: None,
    rules: &[],
};

/// `networkPolicy.ingressRules[].from[]`
pub(super) static PEER: Shape = Shape {
    name: "NetworkPeer",
    doc: "A group of namespaces.",
    keys: &[Field::required("namespaceSelector", Type::Mapping(&SELECTOR), "Their labels; `{}` stands for all.")],
    also: None,
    rules: &[],
};

/// `namespaceSelector`
pub(super) static SELECTOR: Shape = Shape {
    name: "LabelSelector",
    doc: "Labels that a namespace must carry.",
    keys: &[
        Field::new("matchLabels", Type::Labels, "Labels with their values."),
        Field::new("matchExpressions", Type::List(&Type::Mapping(&EXPRESSION)), "Conditions on labels."),
    ],
    also: None,
    rules: &[],
};

/// `matchExpressions[]`
pub(super) static EXPRESSION: Shape = Shape {
    name: "LabelExpression",
    doc: "A condition on a label.",
    keys: &[
        Field::required("key", Type::String, "The label."),
        Field::required("operator", Type::Word(&["In", "NotIn", "Exists", "DoesNotExist"]), "The condition."),
        Field::new("values", Type::List(&Type::LabelValue), "The values for `In` and `NotIn`."),
    ],
    also: None,
    rules: &[],
};

/// `networkPolicy.ingressRules[].ports[]`
pub(super) static NETWORK_PORT: Shape = Shape {
    name: "NetworkPort",
    doc: "A port that may be connected to.",
    keys: &[
        Field::new("protocol", Type::Word(&["TCP", "UDP", "SCTP"]), "The protocol; default `TCP`."),
        Field::required("port", PORT, "The container port."),
    ],
    also: None,
    rules: &[],
};

/// `App.spec.reconcile`
static RECONCILE: Shape = Shape {
    name: "Reconcile",
    doc: "How the agent treats an App.",
    keys: &[
        Field::new(
            "drift",
            Type::Word(&["correct", "report", "off"]),
            "What happens to changes made in the cluster; default `correct`.",
        ),
        Field::new("force", Type::Boolean, "Whether fields that others own are taken; default `false`."),
        Field::new("suspend", Type::Boolean, "Whether the App is left alone; default `false`."),
        Field::new("progressDeadline", Type::Duration, "How long it may take to become healthy."),
        Field::new("dependsOn", Type::List(&APP_ID), "Apps that must be healthy first."),
        Field::new(
            "prepull",
            Type::Boolean,
            "Whether images are pulled before the old Pod is stopped; default `true`.",
        ),
        Field::new(
            "rollback",
            Type::Word(&["off", "lastHealthy"]),
            "What follows a deploy that does not become healthy.",
        ),
        Field::new("data", Type::Word(&["keep", "restore"]), "Whether a rollback brings back the data as well."),
        Field::new(
            "windows",
            Type::List(&Type::Mapping(&WINDOW)),
            "When the App may be interrupted for what no commit asked for, e.g. by a new version of the agent.",
        ),
    ],
    also: None,
    rules: &[],
};

/// `App.spec.reconcile.windows[]`
pub(super) static WINDOW: Shape = Shape {
    name: "Window",
    doc: "A time in which an App may be interrupted.",
    keys: &[
        Field::required("schedule", Type::String, "When it opens: five cron fields or a name like `@daily`."),
        Field::required("duration", Type::Duration, "How long it stays open; at most 7 days."),
        Field::new("timeZone", Type::String, "The time zone of the schedule, e.g. `Europe/Berlin`; default UTC."),
    ],
    also: None,
    rules: &[],
};

/// `App.spec.snapshotPolicies[]`
pub(super) static SNAPSHOT_POLICY: Shape = Shape {
    name: "SnapshotPolicy",
    doc: "When snapshots are taken and how long they are kept.",
    keys: &[
        Field::required("name", Type::Label(LONGEST_POLICY), "Its name; snapshots carry it."),
        Field::new("volumes", Type::List(&Type::String), "Volumes of type `disk`; default all of them."),
        Field::new("schedule", Type::String, "When: five cron fields or a name like `@daily`."),
        Field::new("on", Type::Word(&["deploy"]), "Before every deploy, in place of a schedule."),
        Field::new("timeZone", Type::String, "The time zone of the schedule, e.g. `Europe/Berlin`."),
        Field::new("jitter", Type::Duration, "How much later than the schedule it may begin."),
        Field::new("startDeadline", Type::Duration, "How late a missed time is still made good."),
        Field::new("required", Type::Boolean, "Whether a deploy waits for its snapshot to be good; default `false`."),
        Field::new("suspend", Type::Boolean, "Whether it rests; default `false`."),
        Field::required("retention", Type::Mapping(&RETENTION), "What is kept."),
        Field::new("hooks", Type::Mapping(&HOOKS), "What runs in the App around a snapshot."),
        Field::new(
            "consistency",
            Type::Word(&["crash", "quiesce"]),
            "Whether the App is stilled for it; default `crash`.",
        ),
    ],
    also: None,
    rules: &[
        Rule::Any(&["schedule", "on"]),
        Rule::Apart("schedule", "on"),
        Rule::Apart("schedule", "required"),
        Rule::Apart("on", "timeZone"),
        Rule::Apart("on", "jitter"),
        Rule::Apart("on", "startDeadline"),
    ],
};

const COUNT: Type = Type::Integer(0, MOST_KEPT);

/// `App.spec.snapshotPolicies[].retention`
pub(super) static RETENTION: Shape = Shape {
    name: "Retention",
    doc: "Which snapshots are kept; one that any rule wants stays.",
    keys: &[
        Field::new("keepLast", COUNT, "So many of the newest."),
        Field::new("keepHourly", COUNT, "The newest of so many hours."),
        Field::new("keepDaily", COUNT, "The newest of so many days."),
        Field::new("keepWeekly", COUNT, "The newest of so many weeks."),
        Field::new("keepMonthly", COUNT, "The newest of so many months."),
        Field::new("keepYearly", COUNT, "The newest of so many years."),
        Field::new("keepWithin", Type::Duration, "All that are younger."),
        Field::new("keepWithinHourly", Type::Duration, "One an hour of those that are younger."),
        Field::new("keepWithinDaily", Type::Duration, "One a day of those that are younger."),
        Field::new("keepWithinWeekly", Type::Duration, "One a week of those that are younger."),
        Field::new("keepWithinMonthly", Type::Duration, "One a month of those that are younger."),
        Field::new("keepWithinYearly", Type::Duration, "One a year of those that are younger."),
        Field::new("minGood", Type::Integer(1, MOST_KEPT), "So many good ones stay in any case; default 1."),
    ],
    also: None,
    rules: &[],
};

/// `App.spec.snapshotPolicies[].hooks`
static HOOKS: Shape = Shape {
    name: "Hooks",
    doc: "What runs in the App around a snapshot.",
    keys: &[
        Field::new("pre", Type::Mapping(&HOOK), "Before it."),
        Field::new("post", Type::Mapping(&HOOK), "After it, also when it failed."),
        Field::new("session", Type::Mapping(&SESSION), "During it, in place of `pre` and `post`."),
    ],
    also: None,
    rules: &[Rule::Apart("session", "pre"), Rule::Apart("session", "post")],
};

const SERVICE: Field = Field::required("service", Type::String, "The Compose service that it runs in.");
const COMMAND: Field = Field::required("command", Type::Filled(&Type::Text), "The command's words; no shell is added.");
const TIMEOUT: Field = Field::new("timeout", Type::Duration, "How long it may take; default `60s`.");

/// `hooks.pre` and `hooks.post`
pub(super) static HOOK: Shape = Shape {
    name: "Hook",
    doc: "A command in a container of the App.",
    keys: &[
        SERVICE,
        COMMAND,
        TIMEOUT,
        Field::new("onError", Type::Word(&["fail", "continue"]), "What follows its failure; default `fail`."),
    ],
    also: None,
    rules: &[],
};

/// `hooks.session`
pub(super) static SESSION: Shape = Shape {
    name: "Session",
    doc: "A command that holds the App still for as long as it runs.",
    keys: &[
        SERVICE,
        COMMAND,
        Field::required("ready", Type::String, "The line on its output that says that the App is still."),
        TIMEOUT,
    ],
    also: None,
    rules: &[],
};

/// `Box.spec`
static BOX: Shape = Shape {
    name: "Box",
    doc: "A component of an App beside its Compose project.",
    keys: &[
        Field::new("component", Type::Label(63), "The component's name; default the document's."),
        Field::new("image", Type::String, "The container image."),
        Field::new("command", Type::List(&Type::Text), "The command, in place of the image's entrypoint."),
        Field::new("args", Type::List(&Type::Text), "The command's arguments."),
        Field::new("networkPolicy", Type::Mapping(&NETWORK_POLICY), "Who may connect."),
        Field::new("ingress", Type::Reserved, "Reserved."),
    ],
    also: None,
    rules: &[],
};
