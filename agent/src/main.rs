//! `kompox-agent`: keeps a cluster as a Git repository says.

pub mod config;
pub mod fault;
pub mod forge;
pub mod http_client;
pub mod pace;
pub mod redact;
pub mod secret;
pub mod source;

fn main() {
    http_client::install_crypto();
}
