//! What the agent serves over plain HTTP: its status, and webhooks. Each has a listener of its own, so that only that
//! of webhooks need be exposed, and a crowd at one is none at the other. A standby serves both too.

mod listener;
mod status;
mod webhooks;

pub(crate) use status::StatusServer;
pub(crate) use webhooks::{WebhookServer, Webhooks};
