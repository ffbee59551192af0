//! A Git server and forge behind TLS: its certificate must be trusted before a token is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use kompox_tests::pki::Authority;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::world::{LONG, NAMESPACE, World, skip};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_only_to_a_server_whose_certificate_is_trusted() -> Result<()> {
    if skip() {
        return Ok(());
    }
    let world = World::start().await?;
    let commit = world.push(&world.gitea_fixture()?, "Deploy Gitea")?;
    let authority = Authority::new()?;
    let front = Front::start(&authority, world.gitea.url()).await?;
    let config = std::fs::read_to_string(world.config()?)?.replace(world.gitea.url(), &front.url);
    ensure!(config.contains(&front.url), "the configuration has another form now");
    let config = world.folder.write("tls.yml", &config)?;
    let run = || world.agent(["run", "--once", "--config", &config.to_string_lossy()]);

    let refused = run().run(LONG).await?;
    ensure!(refused.code() == Some(1), "an unknown authority is trusted: {}", refused.stderr);
    ensure!(refused.stderr.contains("certificate"), "the reason is not said: {}", refused.stderr);
    ensure!(front.tried.load(Ordering::SeqCst) > 0, "the server was never asked: {}", refused.stderr);
    ensure!(front.trusted.load(Ordering::SeqCst) == 0, "a connection came about all the same");
    let namespaces = world.kubectl(&["get", "namespaces", "-o", "name"])?;
    ensure!(!namespaces.contains(NAMESPACE), "something was deployed: {namespaces}");

    // Another authority does not help, the right one does.
    let other = world.folder.write("other.pem", &Authority::new()?.certificate())?;
    let refused = run().env("SSL_CERT_FILE", other).run(LONG).await?;
    ensure!(refused.code() == Some(1), "another authority is trusted: {}", refused.stderr);
    ensure!(front.trusted.load(Ordering::SeqCst) == 0, "a connection came about all the same");

    let right = world.folder.write("authority.pem", &authority.certificate())?;
    let deployed = run().env("SSL_CERT_FILE", right).run(LONG).await?;
    ensure!(deployed.status.success(), "{}", deployed.stderr);
    let statuses = world.statuses(&commit, "kompox/cluster1").await?;
    ensure!(statuses.last().is_some_and(|status| status.state == "success"), "{statuses:?}");
    Ok(())
}

/// TLS in front of a server on loopback that has none.
struct Front {
    url: String,
    /// Connections that were begun.
    tried: Arc<AtomicUsize>,
    /// Those whose client accepted the certificate.
    trusted: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Front {
    async fn start(authority: &Authority, behind: &str) -> Result<Self> {
        let behind = behind.strip_prefix("http://").context("the server has TLS itself")?.to_owned();
        let pair = authority.serving("127.0.0.1", &["127.0.0.1"])?;
        let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("https://{}", listener.local_addr()?);
        let (tried, trusted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (began, accepted) = (Arc::clone(&tried), Arc::clone(&trusted));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                began.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(acceptor.clone(), stream, behind.clone(), Arc::clone(&accepted)));
            }
        });
        Ok(Self { url, tried, trusted, serving })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn carry(acceptor: TlsAcceptor, stream: TcpStream, behind: String, trusted: Arc<AtomicUsize>) {
    // A client that does not trust the certificate ends the handshake.
    let Ok(mut client) = acceptor.accept(stream).await else { return };
    trusted.fetch_add(1, Ordering::SeqCst);
    if let Ok(mut server) = TcpStream::connect(behind).await {
        // Either side may close whenever it likes.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
    let _ = client.shutdown().await;
}
