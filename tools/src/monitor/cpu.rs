//! `monitor.cpu`: how busy the processors are.

use std::time::Duration;

use crate::procfs::machine::{self, CpuTime};
use crate::procfs::{pause, percent, read};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `monitor.cpu`.
pub struct CpuUse;

/// The time over which it is measured: 25 clock ticks of each processor.
pub const SAMPLE: Duration = Duration::from_millis(250);

/// How busy the processors are.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Share of all processors' time spent working, in percent.
    pub busy_percent: f64,
    /// Share spent waiting for disks.
    pub waiting_percent: f64,
    /// Share that the hypervisor gave to others.
    pub stolen_percent: f64,
    /// Number of processors.
    pub processors: u32,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
}

impl Tool for CpuUse {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "monitor.cpu",
            "Measures how busy the processors are, with the load averages.",
        )
        .needing("monitor", "read", "cpu")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let [one, five, fifteen] = output.load;
        let processors = match output.processors {
            1 => "the one processor is".to_owned(),
            count => format!("the {count} processors are"),
        };
        format!(
            "{processors} {:.0} % busy; load {one:.2} (1 min), {five:.2} (5 min), {fifteen:.2} (15 min)",
            output.busy_percent
        )
    }
}

impl Look for CpuUse {
    fn look(_input: &Nothing, context: &Context) -> Result<Output, ToolError> {
        measure(context)
    }
}

/// Takes two samples.
///
/// # Errors
/// When the kernel does not tell.
pub fn measure(context: &Context) -> Result<Output, ToolError> {
    let before = machine::cpu_time()?;
    pause(context, SAMPLE)?;
    let after = machine::cpu_time()?;
    let [busy_percent, waiting_percent, stolen_percent] = shares(before, after);
    Ok(Output {
        busy_percent,
        waiting_percent,
        stolen_percent,
        processors: machine::parse_cpu(&read("/proc/cpuinfo").unwrap_or_default()).logical,
        load: machine::load()?,
    })
}

/// Busy, waiting and stolen time between two samples, in percent. Counters of the
/// kernel may go back by a little.
fn shares(before: CpuTime, after: CpuTime) -> [f64; 3] {
    let total = after.total.saturating_sub(before.total);
    let share = |of: fn(CpuTime) -> u64| percent(of(after).saturating_sub(of(before)), total);
    [share(|t| t.busy), share(|t| t.waiting), share(|t| t.stolen)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn shares_are_of_the_time_between_the_samples() {
        let before = CpuTime {
            busy: 100,
            waiting: 10,
            stolen: 0,
            total: 1000,
        };
        let after = CpuTime {
            busy: 150,
            waiting: 10,
            stolen: 20,
            total: 1200,
        };
        assert_eq!(shares(before, after), [25.0, 0.0, 10.0]);
        assert_eq!(shares(after, before), [0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_busy_thread_shows() {
        use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
        let stop = AtomicBool::new(false);
        let done = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let done = call::<CpuUse>(json!({}));
            stop.store(true, Relaxed);
            done.unwrap()
        });
        let output: Output = serde_json::from_value(done.output).unwrap();
        assert!(
            output.busy_percent > 100.0 / f64::from(output.processors) / 4.0,
            "{output:?}"
        );
        assert!(output.busy_percent <= 100.0, "{output:?}");
        let threads = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        assert_eq!(
            output.processors as usize,
            threads.matches("processor\t:").count()
        );
    }
}
