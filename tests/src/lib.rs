//! Real parts on demand for tests, demo and benchmarks: a Kubernetes control plane, nodes that only
//! pretend, a Gitea server, Git repositories, and a proxy that counts and breaks requests.
//!
//! | module | what it gives |
//! |-|-|
//! | [`parts`] | builds the Go programs once and keeps them in a cache folder |
//! | [`control_plane`] | etcd, API server, controller manager and scheduler on loopback |
//! | [`kwok`] | fake nodes whose Pods become Ready in a second |
//! | [`node`] | a real node: kubelet and containerd, Pods that run (needs root) |
//! | [`gitea`] | a real forge: pushes, pull requests, commit statuses |
//! | [`git`] | repositories to commit and push to |
//! | [`proxy`] | the API server behind a recorder with scripted faults |
//! | [`agent`] | the product's binary, started, killed and read |
//! | [`ground`] | cluster, proxy, repository and disks for tests of the running agent |
//! | [`names`], [`wait`] | names of a test's own; waiting with a deadline |
//! | [`audit`], [`traffic`] | what was asked of the API server, and which of it is a write |
//! | [`process`], [`guardian`], [`folder`] | processes and folders that never outlive the test |
//!
//! What the environment decides:
//!
//! | variable | meaning |
//! |-|-|
//! | [`KOMPOX_PARTS`](parts::CACHE) | folder of the built parts |
//! | [`KUBEBUILDER_ASSETS`](control_plane::ASSETS) | folder of ready-made `etcd` and `kube-apiserver` |
//! | [`KOMPOX_TEST_KUBECONFIG`](control_plane::EXISTING) | an existing cluster to test on |
//! | [`KOMPOX_AGENT`](agent::BINARY) | the agent's binary, instead of building it |
//! | [`KOMPOX_TEST_KEEP`](folder::KEEP) | set: keep temporary folders for a look at their logs |
//!
//! Nothing here outlives the process that started it: values end what they started when dropped, and a
//! [`guardian`] ends the rest when the process itself ends, whatever the reason.

pub mod agent;
pub mod audit;
pub mod control_plane;
pub mod disks;
pub mod dns;
pub mod folder;
pub mod git;
pub mod gitea;
pub mod ground;
pub mod guardian;
pub mod kubeconfig;
pub mod kubectl;
pub mod kwok;
pub mod names;
pub mod node;
pub mod parts;
pub mod pki;
pub mod port;
pub mod process;
pub mod proxy;
pub mod record;
pub mod traffic;
pub mod wait;
