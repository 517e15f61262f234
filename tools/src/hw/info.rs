//! `hw.info`: the machine in a sentence.

use crate::procfs::{duration, line, machine, printable, read};
use aios_tool::argument::Nothing;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `hw.info`.
pub struct Info;

/// The machine.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Its name in the network.
    pub host_name: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Instruction set.
    pub architecture: String,
    /// Maker and product, when the firmware tells.
    pub product: Option<String>,
    /// Model of the processors.
    pub cpu: String,
    /// Number of processors.
    pub processors: u32,
    /// Usable memory in bytes.
    pub memory_bytes: u64,
    /// Seconds since start.
    pub uptime_seconds: u64,
}

impl Tool for Info {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "hw.info",
            "Shows host name, kernel, processors, memory and maker of the machine.",
        )
        .needing("hw", "read", "info")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let product = match &output.product {
            Some(product) => format!(" on {product}"),
            None => String::new(),
        };
        format!(
            "{}{product}: {} x {} ({}), {} of memory, Linux {}, up for {}",
            output.host_name,
            output.processors,
            output.cpu,
            output.architecture,
            bytes(output.memory_bytes),
            output.kernel,
            duration(output.uptime_seconds),
        )
    }
}

impl Look for Info {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let names = rustix::system::uname();
        let text = |name: &std::ffi::CStr| printable(&name.to_string_lossy());
        let cpu = machine::parse_cpu(&read("/proc/cpuinfo")?);
        let firmware = ["sys_vendor", "product_name"]
            .map(|name| line(&format!("/sys/class/dmi/id/{name}")).unwrap_or_default())
            .join(" ");
        Ok(Output {
            host_name: text(names.nodename()),
            kernel: text(names.release()),
            architecture: text(names.machine()),
            product: Some(firmware.trim().to_owned()).filter(|product| !product.is_empty()),
            cpu: cpu.model,
            processors: cpu.logical,
            memory_bytes: machine::memory()?.total,
            uptime_seconds: machine::uptime().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn name_and_kernel_are_the_running_ones() {
        let done = call::<Info>(json!({})).unwrap();
        let file = |path| std::fs::read_to_string(path).unwrap().trim().to_owned();
        assert_eq!(done.output["host_name"], file("/proc/sys/kernel/hostname"));
        assert_eq!(done.output["kernel"], file("/proc/sys/kernel/osrelease"));
        assert!(
            done.summary.contains(&file("/proc/sys/kernel/osrelease")),
            "{}",
            done.summary
        );
    }
}
