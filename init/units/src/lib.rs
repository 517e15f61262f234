//! Debian's own unit files, for packages that are installed on this system.
//!
//! 1. PID 1 never reads one. `aios-control` does when it is asked to start
//!    a service that PID 1 does not know, and tells PID 1 a few bounded facts.
//! 2. PID 1 then runs `aios-init unit-run NAME` ([`run`]) as the service's main
//!    process, which reads the unit again and does what it says: so whoever
//!    controls `control` can start installed units, and nothing else.
//! 3. **What is not supported is not passed over in silence**: what a program
//!    could not do without is refused with the reason, the rest is named in the
//!    service's log. A line that cannot be read costs only itself, as with systemd.
//!
//! Which directives are known: `init/README.md`.

mod files;
mod read;
pub mod run;
mod text;
mod unit;
mod values;
mod words;

pub use files::{ENABLED, Missing, check, enabled, find, path_of};
pub use unit::{KillMode, Kind, Restart, Unit, unmet};
pub use words::Name;
