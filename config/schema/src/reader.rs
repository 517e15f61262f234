//! Who reads the configuration: one type for each service that does.
//!
//! A service gets only the tables whose declaration names it ([`ReadBy`]); naming it there is also
//! what has it told about a change. A service that is not told of its own keys does not compile.

use crate::table::TopTable;

/// How a service takes a changed key up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TakesUp {
    /// At SIGHUP: it reads its tables again, and nothing that stays the same is interrupted.
    Reload,
    /// It has to be restarted.
    Restart,
    /// It looks at the file by itself; nobody has to tell it.
    ByItself,
    /// It reads the key when it starts, and a change has nothing to do for it until then.
    NextStart,
}

/// A service that reads keys of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Its name, as in its manifest.
    pub name: &'static str,
    /// What a change needs.
    pub takes_up: TakesUp,
}

/// The type of a service that reads the configuration.
pub trait Reader {
    /// The service.
    const SERVICE: Service;
}

/// A table whose declaration names the reader `R`.
pub trait ReadBy<R: Reader>: TopTable {}

macro_rules! readers {
    ($($(#[doc = $doc:literal])+ $reader:ident = $name:literal, $takes_up:ident;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug)]
            pub enum $reader {}

            impl Reader for $reader {
                const SERVICE: Service = Service {
                    name: $name,
                    takes_up: TakesUp::$takes_up,
                };
            }
        )+

        /// All readers, in the order in which they are told of a change.
        pub const ALL: &[Service] = &[$(<$reader as Reader>::SERVICE),+];
    };
}

// The network comes before what is reached over it: a connection must be let in before it is
// served. The orchestrator comes last: it serves whoever watches the others.
readers! {
    /// Every daemon, when it starts to log.
    Everyone = "every daemon", NextStart;
    /// PID 1, which makes the data partition.
    Init = "init", NextStart;
    /// Serves a node that has no certificate yet.
    Maintenance = "maintenance", NextStart;
    /// Compares the data partition with what is wanted.
    Keeper = "keeper", ByItself;
    /// Gives the node its name.
    Provision = "provision", Restart;
    /// Interfaces, firewall, name servers.
    Network = "network", Reload;
    /// The clock.
    Time = "time", Restart;
    /// Recovery by SSH.
    Ssh = "ssh", Restart;
    /// The model server.
    Runtime = "runtime", Restart;
    /// The tools.
    Tools = "tools", Restart;
    /// The status page.
    Console = "console", Restart;
    /// Goals and the management API.
    Orchestrator = "orchestrator", Restart;
}
