//! The command line as its users see it: exit codes, what is on stdout, what is on stderr.

mod apply;
mod bench;
mod encrypted;
mod help;
mod offline;
mod output;
mod plan;
mod run;
mod secrets;
