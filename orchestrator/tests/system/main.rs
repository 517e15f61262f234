//! The orchestrator among other daemons: real agents, and doubles of init, tools, memory and
//! runtime, all on Unix sockets in a temporary folder; operators over mutual TLS on loopback.
#![allow(clippy::unwrap_used, clippy::panic)] // a test that cannot set itself up should stop

mod demand;
mod emergency;
mod flood;
mod goals;
mod liar;
mod model;
mod mtls;
mod node;
mod pki;
mod revoked;
mod schedules;
mod witness;
