//! What PID 1 and `aios-control` say to each other: one bounded packet per
//! request and one per answer, over a `SOCK_SEQPACKET` pair.
//!
//! Integers are little-endian; texts have a two-byte length and are cut at
//! [`TEXT_MAX`] bytes. Decoding refuses whatever is not exactly a packet.

mod codec;

pub use codec::{decode_reply, decode_request, encode_reply, encode_request};

use crate::supervise::State;

/// No packet is longer (five texts and some numbers fit).
pub const PACKET_MAX: usize = 4096;
/// No name in [`UnitRecord::after`] is longer.
const AFTER_TEXT_MAX: usize = 64;
/// No text in a packet is longer.
pub const TEXT_MAX: usize = 512;

/// What control asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The service at this place of the list.
    At(u16),
    /// The service of this name.
    Find(String),
    /// Start it.
    Start(String),
    /// Stop it.
    Stop(String),
    /// Stop and start it.
    Restart(String),
    /// Kill every agent, at once and for good.
    KillAgents,
    /// There is a unit file for this service.
    Define(UnitRecord),
    /// The boot timeline without its events.
    Boot,
    /// The boot event at this place.
    BootEvent(u16),
    /// Power off, or reboot.
    Power {
        /// Reboot rather than power off.
        reboot: bool,
        /// For the log.
        reason: String,
    },
}

/// The most services in [`UnitRecord::after`].
pub const AFTER_MAX: usize = 16;

/// What PID 1 has to know of a service that a unit file describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitRecord {
    /// Its name, without `.service`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Services that PID 1 knows; at most [`AFTER_MAX`].
    pub after: Vec<String>,
    /// It is over when it ended well.
    pub oneshot: bool,
    /// 0 never, 1 on failure, 2 always.
    pub restart: u8,
    /// What is left when its main process ended is left alone.
    pub spares_rest: bool,
    /// In ms, as in a manifest.
    pub restart_after: u64,
    /// In ms.
    pub start_timeout: u64,
    /// In ms.
    pub stop_timeout: u64,
    /// Open files; 0: as usual.
    pub files_max: u64,
}

/// What PID 1 answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Accepted,
    /// There is none of this name, or the list ends before this place.
    None,
    /// Not now, and why.
    Refused(String),
    /// A service.
    Service(ServiceRecord),
    /// The boot timeline.
    Boot(BootRecord),
    /// A boot event.
    BootEvent {
        /// When.
        at: u64,
        /// What.
        text: String,
    },
}

/// A service, as PID 1 sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRecord {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// What the system does without it.
    pub without: String,
    /// How its last process ended; empty if never.
    pub last_exit: String,
    /// Last `STATUS=`.
    pub status: String,
    /// Place of its state in [`STATES`].
    pub state: u8,
    /// Boot phase.
    pub phase: u8,
    /// A unit file describes it.
    pub unit: bool,
    /// It is an agent.
    pub agent: bool,
    /// 0: no process.
    pub pid: u32,
    /// Starts after the first.
    pub restarts: u32,
    /// When it entered its state, ms of `CLOCK_BOOTTIME`.
    pub since: u64,
    /// The longest that a restart may take, by its manifest.
    pub patience: u64,
}

/// The boot timeline; times in ms, 0 for "not yet".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootRecord {
    /// Start and end of phases 1 to 5.
    pub phases: [(u64, u64); 5],
    /// READY.
    pub ready: u64,
    /// Something is missing.
    pub degraded: bool,
    /// In a container.
    pub container: bool,
}

/// The states in the order of their numbers in a packet.
pub const STATES: [State; 8] = [
    State::Inactive,
    State::Waiting,
    State::Starting,
    State::Ready,
    State::Stopping,
    State::Backoff,
    State::Degraded,
    State::Done,
];

/// The number of a state in a packet.
pub fn state_number(state: State) -> u8 {
    STATES
        .iter()
        .position(|&known| known == state)
        .map_or(0, |place| place as u8)
}

/// The beginning of a text, at most so many bytes, whole characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes))
        .unwrap_or_default()
}
