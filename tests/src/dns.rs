//! Cluster DNS for a real node: CoreDNS, which tells the Pods' addresses by the names of their Services.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::control_plane::ControlPlane;
use crate::folder::Folder;
use crate::node::RealNode;
use crate::parts::Part;
use crate::process::Process;
use crate::wait::{Look, until};

/// The domain of every Service's name.
pub(crate) const DOMAIN: &str = "cluster.local";
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running DNS server. Dropping it ends it.
#[derive(Debug)]
pub struct ClusterDns {
    process: Process,
    _folder: Folder,
}

impl ClusterDns {
    /// Starts it at the node's address, which its Pods ask.
    ///
    /// # Errors
    /// When it cannot be built or started.
    pub async fn start(plane: &ControlPlane, node: &RealNode) -> Result<Self> {
        let program = Part::CoreDns.binary().await?;
        let folder = Folder::temporary("dns")?;
        let address = node.address();
        // Answers may not outlive what they tell for long: Pods come and go within a test.
        let configuration = format!(
            ".:53 {{\n  bind {address}\n  errors\n  kubernetes {DOMAIN} {{\n    kubeconfig {}\n    ttl 1\n  }}\n}}\n",
            plane.kubeconfig().display()
        );
        let file = folder.write("Corefile", &configuration)?;
        let mut command = Command::new(program);
        command.arg("-conf").arg(file);
        let log = folder.path().join("coredns.log");
        let process = Process::spawn("coredns", &mut command, &log)?;
        let dns = Self { process, _folder: folder };
        until("the DNS server to be up", READY_LIMIT, || async {
            dns.process.check_running()?;
            let text = std::fs::read_to_string(&log).context("cannot read the log of the DNS server")?;
            Ok(if text.contains("CoreDNS-") { Look::Done(()) } else { Look::NotYet(text) })
        })
        .await?;
        Ok(dns)
    }
}
