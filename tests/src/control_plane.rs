//! A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager and
//! kube-scheduler, with fresh certificates on free ports.
//!
//! Two variables let the caller bring their own:
//! - [`ASSETS`] (`KUBEBUILDER_ASSETS`) names a folder with ready-made `etcd` and `kube-apiserver`; what else
//!   the control plane needs is taken from there too if present, and built from Go modules if not.
//! - [`EXISTING`] (`KOMPOX_TEST_KUBECONFIG`) names the kubeconfig of a cluster that is used as it is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};
use tokio::sync::OnceCell;

use crate::folder::Folder;
use crate::kubeconfig::{self, User};
use crate::kwok::{FakeNode, Kwok};
use crate::parts::{Part, say};
use crate::pki::{Authority, PairFiles, ServiceAccountKey};
use crate::process::Process;
use crate::traffic::Request;
use crate::wait::{Look, until};
use crate::{audit, port};

/// Names a folder with ready-made binaries, as controller-runtime's envtest has it.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";
/// Names the kubeconfig of an existing cluster that the tests may use.
pub const EXISTING: &str = "KOMPOX_TEST_KUBECONFIG";

/// How long the control plane may take to be ready; it takes some 5 s on two idle cores.
const READY_LIMIT: Duration = Duration::from_secs(90);
/// How often a control plane is started whose ports were taken by others.
const PORT_ATTEMPTS: usize = 3;
/// The address of the Service `kubernetes`, the first of the Services' range.
const SERVICE_RANGE: &str = "10.96.0.0/16";
const SERVICE_ADDRESS: &str = "10.96.0.1";
const ADMIN_KUBECONFIG: &str = "admin.kubeconfig";

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where data, certificates and logs go; a temporary folder if not named.
    pub folder: Option<PathBuf>,
    /// Nodes that only pretend, kept alive by kwok; without any, no Pod ever runs.
    pub nodes: Vec<FakeNode>,
}

impl Options {
    /// A control plane with one fake node, labelled as the default user pool.
    #[must_use]
    pub fn with_node() -> Self {
        Self { folder: None, nodes: vec![FakeNode::user("node-1")] }
    }
}

/// A running control plane, or an existing cluster that stands in for one. Dropping it ends what it started.
#[derive(Debug)]
pub struct ControlPlane {
    kubeconfig: PathBuf,
    url: String,
    own: Option<Own>,
    // Last: the processes end before their folder goes.
    folder: Folder,
}

/// What this process started, as opposed to an existing cluster.
#[derive(Debug)]
struct Own {
    /// In the order in which they are to end.
    processes: Vec<Process>,
    kwok: Option<Kwok>,
    authority: Authority,
    took: Duration,
}

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

impl ControlPlane {
    /// Starts a control plane and waits until it is ready: the API server answers, the controllers run,
    /// the fake nodes are Ready.
    ///
    /// # Errors
    /// When a part cannot be built or started, or is not ready in time; the message quotes its log.
    pub async fn start(options: Options) -> Result<Self> {
        let place = options.folder.as_deref();
        if let Some(path) = named(EXISTING) {
            let folder = Folder::named_or_temporary(place, "cluster")?;
            return Self::existing(&path, folder, &options.nodes).await;
        }
        let programs = Programs::find().await?;
        if !options.nodes.is_empty() {
            // Built before the clock of the readiness deadline starts.
            Part::Kwok.folder().await?;
        }
        let start = Instant::now();
        let mut plane = launch_somewhere(&programs, place).await?;
        let kwok = match options.nodes.as_slice() {
            [] => None,
            nodes => Some(Kwok::start(&plane.kubeconfig, plane.folder.path(), nodes).await?),
        };
        if let Some(own) = &mut plane.own {
            own.kwok = kwok;
            own.took = start.elapsed();
        }
        Ok(plane)
    }

    /// The control plane (with one fake node) that all tests of this process share, started by whoever
    /// asks first. Tests that use it must choose names of their own, see [`crate::names::unique`].
    ///
    /// # Errors
    /// As [`start`](Self::start); the next caller tries again.
    pub async fn shared() -> Result<&'static Self> {
        SHARED.get_or_try_init(|| Self::start(Options::with_node())).await
    }

    /// What keeps this machine from having a control plane with fake nodes, in words, for
    /// [`skip_if`](crate::parts::skip_if); `None` if one can be had.
    #[must_use]
    pub fn missing() -> Option<String> {
        if named(EXISTING).is_some() {
            return None;
        }
        let ready_made = named(ASSETS).is_some_and(|folder| is_complete(&folder));
        let control_plane = if ready_made { None } else { Part::ControlPlane.missing() };
        control_plane.or_else(|| Part::Kwok.missing())
    }

    /// Whether the caller named an existing cluster: its nodes are what they are, and it has no audit log
    /// that can be read.
    #[must_use]
    pub fn is_existing() -> bool {
        named(EXISTING).is_some()
    }

    async fn existing(path: &Path, folder: Folder, nodes: &[FakeNode]) -> Result<Self> {
        let config = kubeconfig::config(path).await?;
        let url = config.cluster_url.to_string();
        let client = kubeconfig::client(path).await?;
        let found = Api::<Node>::all(client).list(&ListParams::default().limit(1)).await;
        let found = found.with_context(|| format!("the cluster that {EXISTING} names ({url}) does not answer"))?;
        if found.items.is_empty() && !nodes.is_empty() {
            say(&format!("{EXISTING}: {url} has no nodes, and none are added to an existing cluster"));
        }
        Ok(Self { kubeconfig: path.to_owned(), url, own: None, folder })
    }

    /// The path of the administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder with data, certificates, kubeconfigs and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How long the start took, without builds; zero for an existing cluster.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.own.as_ref().map_or(Duration::ZERO, |own| own.took)
    }

    /// A client that may do everything. It belongs to the running tokio runtime: make one in every test.
    ///
    /// # Errors
    /// When the kubeconfig is gone.
    pub async fn client(&self) -> Result<kube::Client> {
        kubeconfig::client(&self.kubeconfig).await
    }

    /// Writes a kubeconfig that bears a fresh token (one hour) of the service account, which must exist.
    ///
    /// # Errors
    /// When the token cannot be had or the file not be written.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts = Api::<ServiceAccount>::namespaced(self.client().await?, namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await;
        let answer = answer.with_context(|| format!("no token for the service account {namespace}/{name}"))?;
        let token = answer.status.context("the token request has no answer")?.token;
        let path = self.folder.path().join(format!("{namespace}-{name}.kubeconfig"));
        let authority = self.authority().await?;
        kubeconfig::write(&path, &self.url, authority.as_deref(), &User::Token(&token))
    }

    /// Writes a kubeconfig of the Kubernetes user `user`, a member of `group` if one is named, into the
    /// control plane's folder as `<file>.kubeconfig`.
    ///
    /// # Errors
    /// When it cannot be written, or this is an existing cluster, whose authority is out of reach.
    pub fn user_kubeconfig(&self, file: &str, user: &str, group: Option<&str>) -> Result<PathBuf> {
        let Some(own) = &self.own else {
            bail!("an existing cluster ({EXISTING}) gives no certificates: use a service account");
        };
        let path = self.folder.path().join(format!("{file}.kubeconfig"));
        let pair = own.authority.client(user, group)?;
        kubeconfig::write(&path, &self.url, Some(&own.authority.certificate()), &User::Certificate(&pair))
    }

    /// The PEM certificate that the API server's certificate is checked against, if it needs one.
    pub(crate) async fn authority(&self) -> Result<Option<String>> {
        use base64::Engine as _;
        if let Some(own) = &self.own {
            return Ok(Some(own.authority.certificate()));
        }
        let config = kubeconfig::config(&self.kubeconfig).await?;
        let pem = |der: &Vec<u8>| {
            let body = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        };
        Ok(config.root_cert.map(|certificates| certificates.iter().map(pem).collect()))
    }

    /// Every request that the API server has answered, from its audit log.
    ///
    /// # Errors
    /// When the log cannot be read, or this is an existing cluster.
    pub fn requests(&self) -> Result<Vec<Request>> {
        if self.own.is_none() {
            bail!("an existing cluster ({EXISTING}) has no audit log that can be read");
        }
        audit::requests(&self.folder.path().join("audit.log"))
    }

    /// The writes (see [`Request::is_write`]) of every client whose user agent starts with `agent`.
    ///
    /// # Errors
    /// As [`requests`](Self::requests).
    pub fn writes_by(&self, agent: &str) -> Result<Vec<Request>> {
        let mut requests = self.requests()?;
        requests.retain(|request| request.user_agent.starts_with(agent) && request.is_write());
        Ok(requests)
    }

    /// The ids of the processes that were started, kwok's included.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let Some(own) = &self.own else { return Vec::new() };
        own.processes.iter().map(Process::pid).chain(own.kwok.as_ref().map(Kwok::pid)).collect()
    }

    /// Fails with the tail of its log if one of the parts has ended.
    ///
    /// # Errors
    /// When one has.
    pub fn check_running(&self) -> Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        if let Some(kwok) = &own.kwok {
            kwok.check_running()?;
        }
        own.processes.iter().try_for_each(Process::check_running)
    }

    /// Ends everything that was started and removes the folder, if it is temporary.
    ///
    /// # Errors
    /// When a process cannot be ended.
    pub fn stop(self) -> Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        // The data is thrown away: there is nothing to end gently for.
        own.processes.iter().try_for_each(Process::kill)
    }
}

/// Where each program is, and how it is called: the built binary is told by its first argument.
struct Programs {
    assets: Option<PathBuf>,
    built: Option<PathBuf>,
}

const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// The path that a variable holds, if it is set to something.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn is_complete(assets: &Path) -> bool {
    PROGRAMS.iter().all(|name| assets.join(name).is_file())
}

impl Programs {
    async fn find() -> Result<Self> {
        let assets = named(ASSETS);
        if let Some(folder) = &assets
            && let Some(absent) = ["etcd", "kube-apiserver"].iter().find(|name| !folder.join(name).is_file())
        {
            bail!("{ASSETS} names {}, where there is no {absent}", folder.display());
        }
        let complete = assets.as_deref().is_some_and(is_complete);
        let built = if complete { None } else { Some(Part::ControlPlane.binary().await?) };
        Ok(Self { assets, built })
    }

    fn command(&self, name: &str) -> Command {
        let ready_made = self.assets.as_ref().map(|folder| folder.join(name)).filter(|path| path.is_file());
        match (ready_made, &self.built) {
            (None, Some(built)) => {
                let mut command = Command::new(built);
                command.arg(name);
                command
            }
            (ready_made, _) => Command::new(ready_made.unwrap_or_else(|| PathBuf::from(name))),
        }
    }
}

/// The files that the parts are configured with.
struct Files {
    authority_certificate: PathBuf,
    serving: PairFiles,
    kubelet_client: PairFiles,
    service_account_key: ServiceAccountKey,
    audit_policy: PathBuf,
    admin: PathBuf,
    controller_manager: PathBuf,
    scheduler: PathBuf,
}

impl Files {
    fn write(folder: &Folder, url: &str, authority: &Authority) -> Result<Self> {
        let pki = folder.subfolder("pki")?;
        let names = [
            "127.0.0.1",
            SERVICE_ADDRESS,
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let certificate = authority.certificate();
        let kubeconfig = |name: &str, user: &str, group: Option<&str>| -> Result<PathBuf> {
            let pair = authority.client(user, group)?;
            kubeconfig::write(&folder.path().join(name), url, Some(&certificate), &User::Certificate(&pair))
        };
        let kubelet_client = authority.client("kube-apiserver-kubelet-client", Some("system:masters"))?;
        Ok(Self {
            authority_certificate: folder.write("pki/ca.crt", &certificate)?,
            serving: authority.serving("kube-apiserver", &names)?.write(&pki, "kube-apiserver")?,
            kubelet_client: kubelet_client.write(&pki, "kubelet-client")?,
            service_account_key: ServiceAccountKey::write(&pki)?,
            audit_policy: folder.write("audit-policy.yaml", audit::POLICY)?,
            admin: kubeconfig(ADMIN_KUBECONFIG, "kompox-test-admin", Some("system:masters"))?,
            controller_manager: kubeconfig("controller-manager.kubeconfig", "system:kube-controller-manager", None)?,
            scheduler: kubeconfig("scheduler.kubeconfig", "system:kube-scheduler", None)?,
        })
    }
}

/// Starts the four programs. Between the choice of a free port and its use another process may take it;
/// then other ports are tried.
async fn launch_somewhere(programs: &Programs, place: Option<&Path>) -> Result<ControlPlane> {
    let mut attempt = 1;
    loop {
        let folder = Folder::named_or_temporary(place, "cluster")?;
        match launch(programs, folder).await {
            Err(error) if attempt < PORT_ATTEMPTS && format!("{error:#}").contains("address already in use") => {
                attempt += 1;
            }
            launched => return launched,
        }
    }
}

/// Starts the four programs in `folder` and waits until they work.
async fn launch(programs: &Programs, folder: Folder) -> Result<ControlPlane> {
    let [secure, client, peer] = port::free()?;
    let url = format!("https://127.0.0.1:{secure}");
    let authority = Authority::new()?;
    let files = Files::write(&folder, &url, &authority)?;
    let spawn = |name: &str, arguments: &[String]| {
        let log = folder.path().join(format!("{name}.log"));
        Process::spawn(name, programs.command(name).args(arguments), &log)
    };
    let etcd = spawn("etcd", &etcd_arguments(&folder, client, peer))?;
    // The API server waits for etcd by itself.
    let api = spawn("kube-apiserver", &api_server_arguments(&folder, &files, secure, client))?;
    let kube = kubeconfig::client(&files.admin).await?;
    until("the API server to be ready", READY_LIMIT, || async {
        etcd.check_running()?;
        api.check_running()?;
        Ok(match kube.request_text(readyz()?).await {
            Ok(_) => Look::Done(()),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
    .await
    .with_context(|| format!("logs are in {}", folder.path().display()))?;
    let controllers = spawn("kube-controller-manager", &controller_manager_arguments(&files))?;
    let scheduler = spawn("kube-scheduler", &scheduler_arguments(&files))?;
    let accounts = Api::<ServiceAccount>::namespaced(kube, "default");
    // Pods are refused until their namespace has this account: the controllers' first visible work.
    until("the controllers to make the service account default/default", READY_LIMIT, || async {
        controllers.check_running()?;
        scheduler.check_running()?;
        Ok(match accounts.get_opt("default").await {
            Ok(Some(_)) => Look::Done(()),
            Ok(None) => Look::NotYet("none".to_owned()),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
    .await
    .with_context(|| format!("logs are in {}", folder.path().display()))?;
    let own = Own { processes: vec![scheduler, controllers, api, etcd], kwok: None, authority, took: Duration::ZERO };
    Ok(ControlPlane { kubeconfig: files.admin, url, own: Some(own), folder })
}

fn readyz() -> Result<http::Request<Vec<u8>>> {
    http::Request::get("/readyz").body(Vec::new()).context("cannot make a request")
}

fn etcd_arguments(folder: &Folder, client: u16, peer: u16) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.path().join("etcd").display()),
        format!("--listen-client-urls=http://127.0.0.1:{client}"),
        format!("--advertise-client-urls=http://127.0.0.1:{client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
        // The data is thrown away, and a lone member needs no long election.
        "--unsafe-no-fsync".to_owned(),
        "--heartbeat-interval=50".to_owned(),
        "--election-timeout=250".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn api_server_arguments(folder: &Folder, files: &Files, secure: u16, etcd: u16) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={secure}"),
        format!("--cert-dir={}", folder.path().join("pki").display()),
        format!("--tls-cert-file={}", files.serving.certificate.display()),
        format!("--tls-private-key-file={}", files.serving.key.display()),
        format!("--client-ca-file={}", files.authority_certificate.display()),
        format!("--kubelet-client-certificate={}", files.kubelet_client.certificate.display()),
        format!("--kubelet-client-key={}", files.kubelet_client.key.display()),
        format!("--service-account-key-file={}", files.service_account_key.public.display()),
        format!("--service-account-signing-key-file={}", files.service_account_key.private.display()),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged".to_owned(),
        // A test node's name is known to no name server.
        "--kubelet-preferred-address-types=InternalIP,Hostname".to_owned(),
        // A loopback address may not stand in the endpoints of the Service `kubernetes`.
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--audit-log-path={}", folder.path().join("audit.log").display()),
        format!("--audit-policy-file={}", files.audit_policy.display()),
        // One file, never rotated: tests read it from the start.
        "--audit-log-maxsize=0".to_owned(),
    ]
}

fn controller_manager_arguments(files: &Files) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", files.controller_manager.display()),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials".to_owned(),
        format!("--root-ca-file={}", files.authority_certificate.display()),
        format!("--service-account-private-key-file={}", files.service_account_key.private.display()),
        "--kube-api-qps=200".to_owned(),
        "--kube-api-burst=400".to_owned(),
    ]
}

fn scheduler_arguments(files: &Files) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", files.scheduler.display()),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=200".to_owned(),
        "--kube-api-burst=400".to_owned(),
    ]
}
