//! `hw.memory`: how much memory is built in.

use crate::procfs::machine;
use aios_tool::argument::Nothing;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `hw.memory`.
pub struct MemoryInfo;

/// The memory.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// What the kernel can use, in bytes; firmware and kernel keep some of what is built in.
    pub total_bytes: u64,
    /// Swap space in bytes.
    pub swap_bytes: u64,
}

impl Tool for MemoryInfo {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("hw.memory", "Shows how much memory the machine has.")
            .needing("hw", "read", "memory")
            .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let swap = match output.swap_bytes {
            0 => "no swap".to_owned(),
            swap => format!("{} of swap", bytes(swap)),
        };
        format!("{} of usable memory, {swap}", bytes(output.total_bytes))
    }
}

impl Look for MemoryInfo {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let memory = machine::memory()?;
        Ok(Output {
            total_bytes: memory.total,
            swap_bytes: memory.swap_total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn the_size_is_the_one_of_sysinfo() {
        let info = rustix::system::sysinfo();
        let unit = u64::from(info.mem_unit);
        let output = call::<MemoryInfo>(json!({})).unwrap().output;
        assert_eq!(output["total_bytes"], info.totalram * unit);
        assert_eq!(output["swap_bytes"], info.totalswap * unit);
    }
}
