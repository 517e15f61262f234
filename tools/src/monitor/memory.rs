//! `monitor.memory`: how much memory is used and left.

use crate::procfs::{machine, percent};
use aios_tool::argument::Nothing;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `monitor.memory`.
pub struct MemoryUse;

/// Memory now, in bytes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Usable memory.
    pub total_bytes: u64,
    /// What programs hold and cannot be given to others.
    pub used_bytes: u64,
    /// What new programs can get.
    pub available_bytes: u64,
    /// Page cache and buffers, which make room when needed.
    pub cached_bytes: u64,
    /// Used share in percent.
    pub used_percent: f64,
    /// Swap space.
    pub swap_total_bytes: u64,
    /// Used swap space.
    pub swap_used_bytes: u64,
}

impl Tool for MemoryUse {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "monitor.memory",
            "Shows how much memory and swap is used and available.",
        )
        .needing("monitor", "read", "memory")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let swap = match output.swap_total_bytes {
            0 => "no swap".to_owned(),
            total => format!(
                "{} of {} swap used",
                bytes(output.swap_used_bytes),
                bytes(total)
            ),
        };
        format!(
            "{} of {} memory used ({:.0} %), {} available; {swap}",
            bytes(output.used_bytes),
            bytes(output.total_bytes),
            output.used_percent,
            bytes(output.available_bytes),
        )
    }
}

impl Look for MemoryUse {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let memory = machine::memory()?;
        let used = memory.total.saturating_sub(memory.available);
        Ok(Output {
            total_bytes: memory.total,
            used_bytes: used,
            available_bytes: memory.available,
            cached_bytes: memory.cached,
            used_percent: percent(used, memory.total),
            swap_total_bytes: memory.swap_total,
            swap_used_bytes: memory.swap_total.saturating_sub(memory.swap_free),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn the_total_is_the_kernels() {
        let output = call::<MemoryUse>(json!({})).unwrap().output;
        let info = rustix::system::sysinfo();
        let total = info.totalram * u64::from(info.mem_unit);
        assert_eq!(output["total_bytes"], total);
        let parts =
            output["used_bytes"].as_u64().unwrap() + output["available_bytes"].as_u64().unwrap();
        assert_eq!(parts, total);
    }
}
