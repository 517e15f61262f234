//! Exit statuses of PID 1 and of the processes around it.

/// Called in a way that makes no sense (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;
/// A container whose system was told to reboot: its runtime starts it again. 133, as
/// systemd-nspawn(1) has it.
pub const REBOOT: u8 = 133;
/// The program of a service could not be executed; the same status as of a shell that finds no program.
pub const NOT_STARTED: i32 = 127;
/// PID 1 broke in a container, where it can only end: 128 and the number of SIGABRT.
pub const BROKEN: i32 = 134;
