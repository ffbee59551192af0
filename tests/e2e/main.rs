//! The whole product on real parts: a commit becomes running objects and a commit status.
//!
//! Every test has a control plane of its own (the cluster's identity is written once), a real Git
//! repository, and where statuses matter a real Gitea. The agent is the released binary's twin,
//! started as its users start it.

mod broken_commit;
mod cli;
mod defaults;
mod demo;
mod deploy;
mod drift;
mod economy;
mod examples;
mod expected;
mod fight;
mod kill;
mod leader;
mod mistakes;
mod mounted;
mod order;
mod others;
mod outage;
mod pause;
mod policy;
mod rbac;
mod readme;
mod real;
mod rollback;
mod safety;
mod safety_table;
mod safety_volumes;
mod sops;
mod standby;
mod superseded;
mod tls;
mod unsupported;
mod views;
mod webhook;
mod words;
mod world;
