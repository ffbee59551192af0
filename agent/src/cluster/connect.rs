//! Which cluster, and how to reach it.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::KubeCluster;
use super::error::{Cause, ClusterError};
use super::reply::{Call, chain};

/// Where the account of a Pod lies.
const ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What the command line says about the cluster.
#[derive(Clone, Debug)]
pub(crate) struct ConnectOptions {
    /// `--kubeconfig`.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub(crate) context: Option<String>,
    /// How long one call may take.
    pub(crate) deadline: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { kubeconfig: None, context: None, deadline: Duration::from_secs(30) }
    }
}

/// How long a TCP connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the credential command of a kubeconfig may take.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a connection leads and which configuration said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `kubeconfig /home/ann/.kube/config, context test` or `the account of this Pod`.
    pub(crate) source: String,
    /// `https://10.0.0.1:6443`.
    pub(crate) server: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.server, self.source)
    }
}

/// Prepares a connection to the cluster that `--kubeconfig` and `--context` name, else `KUBECONFIG`,
/// else the account of the Pod that this is, else `~/.kube/config`; and logs which one it is.
///
/// Nothing is sent yet: a server that cannot be reached shows at the first call.
///
/// # Errors
/// [`Cause::Configuration`] when there is no configuration or it cannot be used.
pub(crate) async fn connect(options: &ConnectOptions) -> Result<KubeCluster, ClusterError> {
    let choice = choose(options, &Surroundings::of_process())?;
    let (mut config, source) = read(&choice, options.context.clone()).await?;
    // The client would repeat any call, creating ones too, for up to hours.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    let agent = concat!("kompox-agent/", env!("CARGO_PKG_VERSION"));
    if let (Ok(name), Ok(value)) = ("user-agent".parse(), agent.parse()) {
        config.headers.push((name, value));
    }
    let no_proxy = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")).unwrap_or_default();
    let host = config.cluster_url.host().unwrap_or_default().to_owned();
    if config.cluster_url.scheme_str() == Some("http") || goes_direct(&host, &no_proxy) {
        config.proxy_url = None;
    }
    let origin = Origin { source, server: server(&config.cluster_url) };
    tracing::info!(server = %origin.server, source = %origin.source, "cluster");
    let client = client(config).await?;
    Ok(KubeCluster::new(client, origin, options.deadline))
}

/// Builds the client. A kubeconfig may name a command that fetches the credentials, which the client
/// runs and waits for.
async fn client(config: Config) -> Result<Client, ClusterError> {
    let call = Call::new("connect to", "the cluster", false);
    let building = tokio::task::spawn_blocking(move || Client::try_from(config));
    match tokio::time::timeout(CREDENTIALS_TIMEOUT, building).await {
        Ok(Ok(Ok(client))) => Ok(client),
        Ok(Ok(Err(error))) => match call.no_answer(&error) {
            // No call was made yet, so this is never about the network.
            ClusterError { action, cause: Cause::Unreachable(message) } => {
                Err(ClusterError::new(action, Cause::Configuration(message)))
            }
            other => Err(other),
        },
        Ok(Err(_)) => Err(call.error(Cause::Configuration("the client could not be built".to_owned()))),
        Err(_) => Err(call.error(Cause::Configuration(format!(
            "the credential command of the kubeconfig did not end within {} s",
            CREDENTIALS_TIMEOUT.as_secs()
        )))),
    }
}

/// What of the process decides where the configuration comes from.
#[derive(Clone, Debug, Default)]
struct Surroundings {
    kubeconfig: Option<OsString>,
    /// Whether this is a Pod with an account.
    in_cluster: bool,
    home: Option<PathBuf>,
}

impl Surroundings {
    fn of_process() -> Self {
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG"),
            in_cluster: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && Path::new(ACCOUNT_TOKEN).exists(),
            home: std::env::home_dir(),
        }
    }
}

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    /// These kubeconfigs, merged.
    Files(Vec<PathBuf>),
    InCluster,
}

fn choose(options: &ConnectOptions, around: &Surroundings) -> Result<Choice, ClusterError> {
    if let Some(path) = &options.kubeconfig {
        return Ok(Choice::Files(vec![path.clone()]));
    }
    let named: Vec<PathBuf> =
        around.kubeconfig.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty()).collect();
    if !named.is_empty() {
        return Ok(Choice::Files(named));
    }
    // A context is one of a kubeconfig, so the Pod's account is not meant.
    if around.in_cluster && options.context.is_none() {
        return Ok(Choice::InCluster);
    }
    match around.home.as_ref().map(|home| home.join(".kube").join("config")).filter(|path| path.exists()) {
        Some(path) => Ok(Choice::Files(vec![path])),
        None => Err(unusable(
            "no cluster is configured: name a kubeconfig with --kubeconfig or KUBECONFIG, or run inside the cluster",
        )),
    }
}

async fn read(choice: &Choice, context: Option<String>) -> Result<(Config, String), ClusterError> {
    let files = match choice {
        Choice::InCluster => {
            let config = Config::incluster()
                .map_err(|error| unusable(format!("the account of this Pod cannot be used: {}", chain(&error))))?;
            return Ok((config, "the account of this Pod".to_owned()));
        }
        Choice::Files(files) => files,
    };
    let names = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" and ");
    let mut merged: Option<Kubeconfig> = None;
    // As kubectl does: of several files, those that do not exist are passed over.
    for file in files.iter().filter(|file| files.len() == 1 || file.exists()) {
        let next = Kubeconfig::read_from(file).map_err(|error| of_kubeconfig(&file.display().to_string(), &error))?;
        merged = Some(match merged {
            Some(kubeconfig) => kubeconfig.merge(next).map_err(|error| of_kubeconfig(&names, &error))?,
            None => next,
        });
    }
    let kubeconfig = merged.ok_or_else(|| unusable(format!("none of the kubeconfigs exists: {names}")))?;
    let context = context.or_else(|| kubeconfig.current_context.clone());
    let options = KubeConfigOptions { context: context.clone(), cluster: None, user: None };
    let config =
        Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| of_kubeconfig(&names, &error))?;
    Ok((config, format!("kubeconfig {names}, context {}", context.unwrap_or_default())))
}

fn of_kubeconfig(names: &str, error: &KubeconfigError) -> ClusterError {
    let why = match error {
        // The parser quotes the lines around the fault, which may hold a key or token.
        KubeconfigError::Parse(_) => "it is no valid YAML, or not of a kubeconfig's form".to_owned(),
        KubeconfigError::CurrentContextNotSet => "it has no current-context; name one with --context".to_owned(),
        KubeconfigError::LoadContext(context) => format!("it has no context named {context}"),
        KubeconfigError::LoadClusterOfContext(cluster) => format!("it has no cluster named {cluster}"),
        KubeconfigError::ReadConfig(error, _) => format!("it cannot be read: {error}"),
        other => chain(other),
    };
    unusable(format!("the kubeconfig {names} cannot be used: {why}"))
}

fn unusable(message: impl Into<String>) -> ClusterError {
    ClusterError::new("find the cluster", Cause::Configuration(message.into()))
}

/// The server without a user name or password.
fn server(url: &http::Uri) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme_str().unwrap_or("https"), url.host().unwrap_or_default())
}

/// Whether no proxy stands between this machine and a host: loopback, or named by `NO_PROXY` (names,
/// domains, addresses, networks, `*`).
fn goes_direct(host: &str, no_proxy: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        entry == "*"
            || host.eq_ignore_ascii_case(domain)
            || (address.is_none() && host.to_lowercase().ends_with(&format!(".{}", domain.to_lowercase())))
            || address.is_some_and(|address| is_in_network(address, entry))
    })
}

/// Whether an address is in a network such as `10.0.0.0/8`.
fn is_in_network(address: IpAddr, network: &str) -> bool {
    let Some((base, length)) = network.split_once('/') else { return false };
    let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    let same =
        |one: u128, other: u128, bits: u32| length <= bits && (length == 0 || (one ^ other) >> (bits - length) == 0);
    match (address, base) {
        (IpAddr::V4(one), IpAddr::V4(other)) => same(u32::from(one).into(), u32::from(other).into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.into(), other.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
