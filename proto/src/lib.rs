//! The former names of what is in `aios-contracts` and `aios-daemon`, for crates that have not changed
//! over yet. Nothing new comes here.

pub use aios_contracts::v1;
pub use aios_daemon::run as daemon;
pub use aios_daemon::{
    demand, durable, emergency, identity, kept, logging, manifest, retry, services, socket,
    unrecorded,
};
