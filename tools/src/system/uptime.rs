//! `system.uptime`: since when the system runs.

use std::time::UNIX_EPOCH;

use crate::procfs::{duration, machine};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `system.uptime`.
pub struct Uptime;

/// How long it runs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Seconds since the kernel was started.
    pub seconds: u64,
    /// When that was, Unix time in milliseconds, by the clock as it is now.
    pub started_ms: Option<i64>,
    /// Load averages of 1, 5 and 15 minutes: processes that ran or waited for a disk.
    pub load: Option<[f64; 3]>,
}

impl Tool for Uptime {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "system.uptime",
            "Shows how long the system has been running.",
        )
        .needing("system", "read", "uptime")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let since = match output.started_ms {
            Some(started) => format!(", since {}", format::time(started)),
            None => String::new(),
        };
        let load = match output.load {
            Some([one, five, fifteen]) => format!("; load {one} {five} {fifteen}"),
            None => String::new(),
        };
        format!("up for {}{since}{load}", duration(output.seconds))
    }
}

impl Look for Uptime {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let seconds = machine::uptime()
            .ok_or_else(|| ToolError::Failed("/proc/uptime cannot be read".into()))?;
        let started = machine::boot_time().and_then(|boot| boot.duration_since(UNIX_EPOCH).ok());
        let load = crate::procfs::read("/proc/loadavg").ok();
        Ok(Output {
            seconds,
            started_ms: started.and_then(|since| i64::try_from(since.as_millis()).ok()),
            load: load.and_then(|text| averages(&text)),
        })
    }
}

/// The first three numbers of proc_loadavg(5).
fn averages(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text
        .split_ascii_whitespace()
        .map_while(|word| word.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn the_time_is_the_kernels() {
        let done = call::<Uptime>(json!({})).unwrap();
        let now = u64::try_from(rustix::system::sysinfo().uptime).unwrap();
        let seconds = done.output["seconds"].as_u64().unwrap();
        assert!(now.abs_diff(seconds) <= 2, "{now} {seconds}");
        assert!(done.summary.starts_with("up for "), "{}", done.summary);
        assert_eq!(averages("0.10 2.5 3 1/200 4711\n"), Some([0.1, 2.5, 3.0]));
        assert_eq!(averages("0.10 x"), None);
    }
}
