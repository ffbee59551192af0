//! Reading of Compose files, held against the reference: the official JSON schema and the loader of
//! compose-go, a part that is built from its Go module. The repository holds no text of either.

mod combined;
mod corpus;
mod keys;
mod lengths;
mod normal;
mod ours;
mod projects;
mod reference;
mod sample;
mod schema;
mod server;
mod types;
