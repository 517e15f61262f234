//! `hw.cpu`: the processors.

use crate::procfs::machine::{Cpu, parse_cpu};
use crate::procfs::read;
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `hw.cpu`.
pub struct CpuInfo;

/// What of the flags operators ask for.
const NOTABLE: [&str; 8] = [
    "sse4_2", "avx", "avx2", "avx512f", "aes", "sha_ni", "vmx", "svm",
];

/// The processors.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// As the maker calls them.
    pub model: String,
    /// Maker's id.
    pub vendor: String,
    /// Processors that the kernel schedules on.
    pub processors: u32,
    /// Cores; 0 when the kernel does not tell.
    pub cores: u32,
    /// Of instruction sets that matter here, those that are there.
    pub features: Vec<String>,
    /// Is the machine a virtual one?
    pub virtual_machine: bool,
}

impl From<Cpu> for Output {
    fn from(cpu: Cpu) -> Self {
        let has = |flag: &str| cpu.flags.iter().any(|known| known == flag);
        Self {
            features: NOTABLE
                .into_iter()
                .filter(|flag| has(flag))
                .map(str::to_owned)
                .collect(),
            virtual_machine: has("hypervisor"),
            processors: cpu.logical,
            cores: cpu.cores,
            model: cpu.model,
            vendor: cpu.vendor,
        }
    }
}

impl Tool for CpuInfo {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("hw.cpu", "Shows model and number of the processors.")
            .needing("hw", "read", "cpu")
            .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let processors = match output.processors {
            1 => "1 processor".to_owned(),
            count => format!("{count} processors"),
        };
        let cores = match output.cores {
            0 => String::new(),
            count => format!(" on {count} cores"),
        };
        let model = match output.model.as_str() {
            "" => "an unnamed model",
            model => model,
        };
        let features = match output.features.is_empty() {
            true => String::new(),
            false => format!(", with {}", output.features.join(", ")),
        };
        format!("{processors}{cores}: {model}{features}")
    }
}

impl Look for CpuInfo {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        Ok(parse_cpu(&read("/proc/cpuinfo")?).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn the_processors_are_those_of_the_kernel() {
        let done = call::<CpuInfo>(json!({})).unwrap();
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        assert_eq!(
            done.output["processors"],
            text.matches("processor\t:").count()
        );
        let model = done.output["model"].as_str().unwrap();
        assert!(
            text.contains(model) && done.summary.contains(model),
            "{}",
            done.summary
        );
    }
}
