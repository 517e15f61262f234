//! What PID 1 says on the console, understood.

use serde::Serialize;

/// One finished boot phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// 1 to 5.
    pub number: u32,
    /// "model runtime".
    pub name: String,
    /// Milliseconds since the kernel (in a container: PID 1) started.
    pub done_ms: u64,
}

/// A console line that means something to whoever waits for the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A boot phase is over.
    PhaseDone(Phase),
    /// The machine takes goals.
    Ready {
        /// Milliseconds since the kernel (in a container: PID 1) started.
        after_ms: u64,
        /// What is missing, as PID 1 put it; empty when nothing is.
        degraded: String,
    },
    /// Every service stopped and every file system was written back.
    PoweredOff,
    /// As [`Said::PoweredOff`], to start again.
    Rebooting,
    /// The kernel gave up.
    Panic(String),
}

/// Reads one line of the console.
pub fn understand(line: &str) -> Option<Said> {
    let line = line.trim_end();
    if let Some(at) = line.find("Kernel panic") {
        return Some(Said::Panic(line[at..].to_owned()));
    }
    let said = &line[line.find("aios: ")? + "aios: ".len()..];
    if said == "powered off cleanly" {
        Some(Said::PoweredOff)
    } else if said == "rebooting" {
        Some(Said::Rebooting)
    } else if let Some(rest) = said.strip_prefix("READY after ") {
        ready(rest)
    } else {
        phase_done(said.strip_prefix("phase ")?)
    }
}

/// `4321 ms` or `4321 ms (degraded: runtime)`.
fn ready(rest: &str) -> Option<Said> {
    let (after_ms, tail) = rest.split_once(" ms")?;
    let degraded = tail
        .trim()
        .strip_prefix("(degraded: ")
        .and_then(|t| t.strip_suffix(')'));
    Some(Said::Ready {
        after_ms: after_ms.parse().ok()?,
        degraded: degraded.unwrap_or_default().to_owned(),
    })
}

/// `2 model runtime done at 3214 ms`.
fn phase_done(rest: &str) -> Option<Said> {
    let (number, rest) = rest.split_once(' ')?;
    let (name, at) = rest.split_once(" done at ")?;
    Some(Said::PhaseDone(Phase {
        number: number.parse().ok()?,
        name: name.to_owned(),
        done_ms: at.strip_suffix(" ms")?.parse().ok()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_pid_1_are_understood() {
        let check = |line, expected| assert_eq!(understand(line), expected, "{line}");
        check(
            "[    1.2] aios: phase 2 model runtime done at 3214 ms\r",
            Some(Said::PhaseDone(Phase {
                number: 2,
                name: "model runtime".into(),
                done_ms: 3214,
            })),
        );
        check("aios: phase 2 model runtime started at 12 ms", None);
        check(
            "aios: READY after 4321 ms",
            Some(Said::Ready {
                after_ms: 4321,
                degraded: String::new(),
            }),
        );
        check(
            "aios: READY after 9 ms (degraded: runtime, memory)",
            Some(Said::Ready {
                after_ms: 9,
                degraded: "runtime, memory".into(),
            }),
        );
        check("aios: powered off cleanly", Some(Said::PoweredOff));
        check(
            "[ 3.0] Kernel panic - not syncing: Attempted to kill init!",
            Some(Said::Panic(
                "Kernel panic - not syncing: Attempted to kill init!".into(),
            )),
        );
        check("hello", None);
    }
}
