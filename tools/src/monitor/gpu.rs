//! `monitor.gpu`: how busy the graphics processors are.

use crate::hw::graphics::{self, Card};
use crate::procfs::{names, number};
use aios_tool::argument::Nothing;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `monitor.gpu`.
pub struct GpuUse;

/// What a graphics processor does now. What its driver does not tell is absent.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct One {
    /// Which: maker, PCI id and place on the bus.
    pub gpu: String,
    /// How much of the last moment it worked, in percent.
    pub busy_percent: Option<f64>,
    /// How much of its own memory is used, in bytes.
    pub memory_used_bytes: Option<u64>,
    /// Its own memory in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Temperature in degrees Celsius.
    pub celsius: Option<f64>,
}

/// All of them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// By their place on the bus; none when the machine has none, or a container does not show them.
    pub gpus: Vec<One>,
}

impl Tool for GpuUse {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "monitor.gpu",
            "Shows how busy the graphics processors are, their memory and temperature.",
        )
        .needing("monitor", "read", "gpu")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |gpu: &One| {
            let parts = [
                gpu.busy_percent.map(|busy| format!("{busy:.0} % busy")),
                gpu.memory_used_bytes
                    .zip(gpu.memory_total_bytes)
                    .map(|(used, total)| {
                        format!("{} of {} memory used", bytes(used), bytes(total))
                    }),
                gpu.celsius.map(|celsius| format!("{celsius:.0} °C")),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            match parts.is_empty() {
                true => format!("{}: its driver tells nothing", gpu.gpu),
                false => format!("{}: {}", gpu.gpu, parts.join(", ")),
            }
        };
        match output.gpus.is_empty() {
            true => "no graphics processor can be seen".to_owned(),
            false => output.gpus.iter().map(one).collect::<Vec<_>>().join("\n"),
        }
    }
}

impl Look for GpuUse {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let gpus = graphics::cards("/sys").iter().map(now).collect();
        Ok(Output { gpus })
    }
}

/// What the driver tells in sysfs: amdgpu nearly all, others less.
fn now(card: &Card) -> One {
    let folder = &card.folder;
    let monitors = format!("{folder}/hwmon");
    let temperature = names(&monitors).iter().find_map(|name| {
        number::<f64>(&format!("{monitors}/{name}/temp1_input")) // in thousandths of a degree
    });
    One {
        gpu: card.describe(),
        busy_percent: number(&format!("{folder}/gpu_busy_percent")),
        memory_used_bytes: number(&format!("{folder}/mem_info_vram_used")),
        memory_total_bytes: card.memory_bytes,
        celsius: temperature.map(|thousandths| thousandths / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn what_a_driver_tells_is_told_and_what_it_does_not_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        graphics::played(folder.path());
        let cards = graphics::cards(folder.path().to_str().unwrap());
        let output = Output {
            gpus: cards.iter().map(now).collect(),
        };
        let input: Nothing = serde_json::from_value(json!({})).unwrap();
        let said = GpuUse::summarize(&input, &output);
        let amd = "AMD 1002:744c at 0000:01:00.0: 42 % busy, 1.0 GB of 17 GB memory used, 51 °C";
        assert_eq!(said.lines().next(), Some(amd));
        let nvidia = "NVIDIA 10de:2330 at 0000:02:00.0: its driver tells nothing";
        assert_eq!(said.lines().nth(1), Some(nvidia));
        call::<GpuUse>(json!({})).unwrap();
    }
}
