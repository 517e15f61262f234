//! Names that PID 1 and the roles around it agree on.

/// The service that talks gRPC for PID 1.
pub const CONTROL: &str = "control";
/// The service that reads the output of the others.
pub const LOGGER: &str = "logger";
/// The service whose `AIOS_PHASE=5` ends the boot.
pub const ORCHESTRATOR: &str = "orchestrator";

/// The boot phases in order, 1 to 5.
pub const PHASES: [&str; 5] = [
    "hardware and mounts",
    "model runtime",
    "core services",
    "agents",
    "autonomy loop",
];
