//! The command line: every flag and environment variable, in one place. The doc comments are the
//! help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// GitOps agent for stateful Compose applications on Kubernetes.
///
/// Pulls a Git repository with KOM or kompoxops.yml and Compose files, compares it with the cluster
/// and the provider's disks, applies what differs, and writes the outcome back as commit statuses.
#[derive(Debug, Parser)]
#[command(name = "kompox-agent", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub log: LogArgs,
}

/// How the agent talks on stderr.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Log filter, e.g. `info` or `kompox_agent=debug`
    #[arg(long, global = true, env = "KOMPOX_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Log lines as text for people or JSON for programs
    #[arg(long, global = true, env = "KOMPOX_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line an event, for people.
    Text,
    /// One JSON object an event.
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent: reconcile every source, for ever or once
    Run(RunArgs),
    /// Show what a reconcile would do (exit 0: nothing, 2: changes, 3: blocked or held, 1: error)
    Plan(PlanArgs),
    /// Reconcile once from a working tree (exit 0: healthy, 4: applied but unhealthy, 3: blocked or held, 1: error)
    Apply(ApplyArgs),
    /// Check files without a cluster (exit 0 or 1)
    Validate(ValidateArgs),
    /// Print the objects that files ask for, without a cluster
    Render(RenderArgs),
    /// Show what is deployed and how it is
    Status(StatusArgs),
    /// Work with the disks of the local driver
    Disk(DiskArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// Which cluster to talk to.
#[derive(Clone, Debug, Default, Args)]
pub struct ClusterArgs {
    /// Kubeconfig file; else KUBECONFIG, the in-cluster account, ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; else its current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration file
    #[arg(long, env = "KOMPOX_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// ID of the Cluster that this agent serves, e.g. /ws/W/prv/P/cls/C (overrides the file)
    #[arg(long, env = "KOMPOX_CLUSTER", value_name = "ID")]
    pub cluster: Option<String>,
    /// Git URL, bare repository or folder to deploy from (instead of the file's sources)
    #[arg(long, env = "KOMPOX_SOURCE", value_name = "URL|PATH", requires = "cluster")]
    pub source: Option<String>,
    /// Where fetched repositories are kept; deleting it costs a re-fetch, nothing else
    #[arg(long, env = "KOMPOX_CACHE_DIR", value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,
    /// Reconcile every source once, wait for health, and end
    #[arg(long)]
    pub once: bool,
    #[command(flatten)]
    pub kube: ClusterArgs,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs; the shape is stable.
    Json,
}

/// Form of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
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
pub enum RenderOutput {
    /// One document an object, in apply order.
    #[default]
    Yaml,
    /// One array of objects, in apply order.
    Json,
}

/// What `plan` and `apply` read.
#[derive(Clone, Debug, Args)]
pub struct TreeArgs {
    /// Folder that holds the entries
    #[arg(default_value = ".", value_name = "PATH")]
    pub path: PathBuf,
    /// ID of the Cluster; default: the only Cluster that the files name
    #[arg(long, env = "KOMPOX_CLUSTER", value_name = "ID")]
    pub cluster: Option<String>,
    #[command(flatten)]
    pub kube: ClusterArgs,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub tree: TreeArgs,
    /// Plan a source of the configuration instead of PATH
    #[arg(long, value_name = "NAME", requires = "config", conflicts_with = "path")]
    pub source: Option<String>,
    /// Another branch, tag or commit of the source
    #[arg(long, value_name = "REF", requires = "source")]
    pub r#ref: Option<String>,
    /// Configuration file
    #[arg(long, env = "KOMPOX_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Form of the plan
    #[arg(short, long, default_value = "text")]
    pub output: PlanOutput,
}

/// `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub tree: TreeArgs,
    /// Do not ask before writing
    #[arg(short, long)]
    pub yes: bool,
    /// Form of the outcome
    #[arg(short, long, default_value = "text")]
    pub output: Output,
}

/// `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Folder that holds the entries
    #[arg(default_value = ".", value_name = "PATH")]
    pub path: PathBuf,
    /// Form of the diagnostics
    #[arg(short, long, default_value = "text")]
    pub output: Output,
}

/// `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Folder that holds the entries
    #[arg(default_value = ".", value_name = "PATH")]
    pub path: PathBuf,
    /// Only this App, e.g. /ws/W/prv/P/cls/C/app/A
    #[arg(long, value_name = "ID")]
    pub app: Option<String>,
    /// Disk handle of a volume (repeatable); without it a placeholder is used and warned about
    #[arg(long = "volume-handle", value_name = "VOL=HANDLE")]
    pub volume_handles: Vec<String>,
    /// Form of the objects
    #[arg(short, long, default_value = "yaml")]
    pub output: RenderOutput,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this App, by its name
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// Watch: print again whenever something changes
    #[arg(short, long)]
    pub watch: bool,
    /// Form of the answer
    #[arg(short, long, default_value = "text")]
    pub output: Output,
    #[command(flatten)]
    pub kube: ClusterArgs,
}

/// `disk`.
#[derive(Debug, Args)]
pub struct DiskArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DiskCommand,
}

/// The verbs of `disk`.
#[derive(Debug, Subcommand)]
pub enum DiskCommand {
    /// Prepare a folder on this node for the local driver (writes its marker file once)
    InitRoot {
        /// The folder; it must exist
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Value of the node's label kubernetes.io/hostname
        #[arg(long, value_name = "NAME")]
        node: String,
    },
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
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
