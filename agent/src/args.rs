//! The command line: every flag and environment variable, in one place. The doc comments are the
//! help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Given;

/// GitOps agent for stateful Compose applications on Kubernetes.
///
/// Pulls a Git repository with KOM or kompoxops.yml and Compose files, compares it with the cluster
/// and the provider's disks, applies what differs, and writes the outcome back as commit statuses.
#[derive(Debug, Parser)]
#[command(name = "kompox-agent", version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// How the agent talks on stderr.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Log filter, e.g. `info` or `kompox_agent=debug`
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        env = "KOMPOX_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(crate) log: String,
    /// Log lines as text for people or JSON for programs
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        env = "KOMPOX_LOG_FORMAT",
        default_value = "text",
        value_name = "FORM"
    )]
    pub(crate) log_format: LogFormat,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line an event, for people.
    Text,
    /// One JSON object an event.
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent: reconcile every source, for ever or once
    #[command(
        after_help = "Exit code with --once: 0 everything is healthy, 4 applied but not healthy, 3 something is blocked or held, 1 error"
    )]
    Run(RunArgs),
    /// Show what a reconcile would do; writes nothing
    #[command(after_help = "Exit code: 0 nothing to do, 2 changes, 3 something is blocked or held, 1 error")]
    Plan(PlanArgs),
    /// Reconcile once from a working tree
    #[command(
        after_help = "Exit code: 0 everything is healthy, 4 applied but not healthy, 3 something is blocked or held, 1 error"
    )]
    Apply(ApplyArgs),
    /// Check files without a cluster
    #[command(after_help = "Exit code: 0 no error (there may be warnings), 1 error")]
    Validate(ValidateArgs),
    /// Print the objects that files ask for, without a cluster
    Render(RenderArgs),
    /// Show what is deployed and how it is
    Status(StatusArgs),
    /// Ask the running agent to fetch and look now
    Sync(SyncArgs),
    /// Take an App out of the agent's hands for a while
    Pause(PauseArgs),
    /// Give a paused App back to the agent
    Resume(AppArgs),
    /// Show what waits for a person's word, or let it go
    Hold(HoldArgs),
    /// Show what changed of an App, when, from which commit, with which downtime
    History(AppArgs),
    /// Work with the disks of the local driver
    Disk(DiskArgs),
    /// Print the JSON Schema of a file format, for editors
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// What is deployed from where.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file
    #[arg(long, env = "KOMPOX_AGENT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// ID of the Cluster that this agent serves, e.g. /ws/W/prv/P/cls/C
    #[arg(long, env = "KOMPOX_AGENT_CLUSTER", value_name = "ID")]
    cluster: Option<String>,
    /// Git URL, bare repository or folder to deploy from, in place of a configuration file
    #[arg(long, env = "KOMPOX_AGENT_SOURCE", value_name = "URL|PATH", conflicts_with = "config")]
    source: Option<String>,
    /// File that holds the token for --source and for commit statuses
    #[arg(long, env = "KOMPOX_AGENT_TOKEN_FILE", value_name = "FILE", requires = "source")]
    token_file: Option<PathBuf>,
    /// The agent's part of the contexts of commit statuses; default: the Cluster's name
    #[arg(long, env = "KOMPOX_AGENT_STATUS_NAME", value_name = "NAME")]
    status_name: Option<String>,
    /// Whether new empty disks are made without a person's word
    #[arg(long, env = "KOMPOX_AGENT_NEW_DISKS", value_name = "allow|hold")]
    new_disks: Option<String>,
    /// File of age keys for files that SOPS has encrypted, for --source
    #[arg(long, env = "KOMPOX_AGENT_AGE_KEYS_FILE", value_name = "FILE")]
    age_keys_file: Option<PathBuf>,
}

impl ConfigArgs {
    /// The same, without the command line.
    pub(crate) fn given(&self) -> Given {
        let Self { config, cluster, source, token_file, status_name, new_disks, age_keys_file } = self.clone();
        Given { config, cluster, source, token_file, status_name, new_disks, age_keys_file }
    }
}

/// Which cluster to talk to.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ClusterArgs {
    /// Kubeconfig file; else KUBECONFIG, the in-cluster account, ~/.kube/config
    #[arg(long, help_heading = "Cluster", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; else its current one
    #[arg(long, help_heading = "Cluster", value_name = "NAME")]
    pub(crate) context: Option<String>,
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Where fetched repositories are kept; deleting it costs a re-fetch, nothing else
    #[arg(long, env = "KOMPOX_CACHE_DIR", value_name = "FOLDER")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Reconcile every source once, wait for health, and end
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) kube: ClusterArgs,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs; the shape is stable.
    Json,
}

/// Form of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanOutput {
    /// For people.
    #[default]
    Text,
    /// For programs; the shape is stable.
    Json,
    /// For pull requests.
    Markdown,
}

/// Form of rendered objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RenderOutput {
    /// One document an object, in apply order.
    #[default]
    Yaml,
    /// One array of objects, in apply order.
    Json,
}

/// What the operators of the agent say about commits.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TermsArgs {
    /// Configuration file of the agent, for what it says about commits (`policy`, `decryption`)
    #[arg(long, env = "KOMPOX_AGENT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// File of age keys for files that SOPS has encrypted, in place of those of the configuration file
    #[arg(long, env = "KOMPOX_AGENT_AGE_KEYS_FILE", value_name = "FILE")]
    pub(crate) age_keys_file: Option<PathBuf>,
}

/// What `plan` and `apply` read.
#[derive(Clone, Debug, Args)]
pub(crate) struct TreeArgs {
    /// Folder that holds the entries
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// ID of the Cluster; default: the only Cluster that the files name
    #[arg(long, env = "KOMPOX_AGENT_CLUSTER", value_name = "ID")]
    pub(crate) cluster: Option<String>,
    #[command(flatten)]
    pub(crate) kube: ClusterArgs,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// Plan a source of the configuration instead of PATH
    #[arg(long, value_name = "NAME", requires = "config", conflicts_with = "path")]
    pub(crate) source: Option<String>,
    /// Another branch of the source, or a commit by its full hash
    #[arg(long = "ref", value_name = "REF", requires = "source")]
    pub(crate) reference: Option<String>,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
    /// Where fetched repositories are kept
    #[arg(long, env = "KOMPOX_CACHE_DIR", value_name = "FOLDER")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Form of the plan
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub(crate) output: PlanOutput,
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
    /// Do not ask before writing, and write whatever is to be done by then
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Do not ask before writing, if the plan is still the one with this digest (of `plan`); else write nothing
    #[arg(long, value_name = "DIGEST", conflicts_with = "yes")]
    pub(crate) plan: Option<String>,
    /// Form of the outcome
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub(crate) output: Output,
}

/// `validate`.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Folder that holds the entries
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Check the entry files alone; Compose files and whatever else an App refers to are not read, so no key is needed
    #[arg(long)]
    pub(crate) schema: bool,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
    /// Form of the diagnostics
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub(crate) output: Output,
}

/// `render`.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// Folder that holds the entries
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
    /// Only this App, e.g. /ws/W/prv/P/cls/C/app/A
    #[arg(long, value_name = "ID")]
    pub(crate) app: Option<String>,
    /// Disk handle of a volume (repeatable); without it a placeholder is used and warned about
    #[arg(long = "volume-handle", value_name = "VOL=HANDLE")]
    pub(crate) volume_handles: Vec<String>,
    /// Form of the objects
    #[arg(short, long, default_value = "yaml", value_name = "FORM")]
    pub(crate) output: RenderOutput,
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only this App, by its name
    #[arg(value_name = "APP")]
    pub(crate) app: Option<String>,
    /// Watch: print again whenever something changes
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Form of the answer
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) kube: ClusterArgs,
}

/// `sync`.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// The App or the source, by its name
    #[arg(value_name = "APP|SOURCE", required_unless_present = "all")]
    pub(crate) name: Option<String>,
    /// Every source with all its Apps
    #[arg(long, conflicts_with = "name")]
    pub(crate) all: bool,
    /// Form of the answer
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) kube: ClusterArgs,
}

/// `hold`.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: HoldCommand,
}

/// The verbs of `hold`.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Show everything that is held, with the digest that lets it go
    List(HoldListArgs),
    /// Let exactly what a digest names go
    Accept(HoldAcceptArgs),
}

/// `hold list`.
#[derive(Debug, Args)]
pub(crate) struct HoldListArgs {
    /// Form of the answer
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) kube: ClusterArgs,
}

/// `hold accept`.
#[derive(Debug, Args)]
pub(crate) struct HoldAcceptArgs {
    /// The digest that `hold list`, the plan or the commit's status shows
    #[arg(value_name = "DIGEST")]
    pub(crate) digest: String,
    /// Form of the answer
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) kube: ClusterArgs,
}

/// `pause`.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// The App, by its name
    #[arg(value_name = "APP")]
    pub(crate) app: String,
    /// For how long, e.g. `90m` or `2d`; default 4h, at most 30d
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) length: Option<String>,
    /// Why, for others who wonder
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Form of the answer
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) kube: ClusterArgs,
}

/// `resume` and `history`: what is about one App and needs no more than its name.
#[derive(Debug, Args)]
pub(crate) struct AppArgs {
    /// The App, by its name
    #[arg(value_name = "APP")]
    pub(crate) app: String,
    /// Form of the answer
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) kube: ClusterArgs,
}

/// `disk`.
#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: DiskCommand,
}

/// The verbs of `disk`.
#[derive(Debug, Subcommand)]
pub(crate) enum DiskCommand {
    /// Prepare a folder on this node for the local driver (writes its marker file once)
    InitRoot {
        /// The folder; it is made when it is missing
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Value of the node's label kubernetes.io/hostname
        #[arg(long, value_name = "NAME")]
        node: String,
    },
}

/// `schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The file format
    #[arg(value_name = "FORMAT")]
    pub(crate) of: SchemaOf,
}

/// A file format with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// One document of a kompoxapp.yml
    Kom,
    /// kompoxops.yml
    Kompoxops,
    /// agent.yml
    Agent,
}

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
