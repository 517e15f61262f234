//! `hw.gpu`: the graphics processors.

use super::graphics::{self, Card};
use aios_tool::argument::Nothing;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `hw.gpu`.
pub struct Gpu;

/// A graphics processor.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct One {
    /// Where it is on its bus: `0000:01:00.0`.
    pub address: String,
    /// Its maker, by name where it is known, else by its PCI id.
    pub maker: Option<String>,
    /// Its PCI id, maker and device: `10de:2330`.
    pub id: Option<String>,
    /// Its driver; without one, nothing can use it.
    pub driver: Option<String>,
    /// Its own memory in bytes, where the driver tells.
    pub memory_bytes: Option<u64>,
}

/// The graphics processors.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// By their place on the bus; none when the machine has none, or a container does not show them.
    pub gpus: Vec<One>,
}

impl Tool for Gpu {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "hw.gpu",
            "Lists the graphics processors with their drivers.",
        )
        .needing("hw", "read", "gpu")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |gpu: &One| {
            let words = [
                gpu.maker.as_deref(),
                gpu.id.as_deref(),
                Some(&gpu.address[..]),
            ];
            let name = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
            let driver = match &gpu.driver {
                Some(driver) => format!("driver {driver}"),
                None => "without a driver".to_owned(),
            };
            let memory = gpu
                .memory_bytes
                .map(|memory| format!(", {}", bytes(memory)));
            format!("{name}: {driver}{}", memory.unwrap_or_default())
        };
        match output.gpus.is_empty() {
            true => "no graphics processor can be seen".to_owned(),
            false => output.gpus.iter().map(one).collect::<Vec<_>>().join("\n"),
        }
    }
}

impl Look for Gpu {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let gpus = graphics::cards("/sys").into_iter().map(One::from).collect();
        Ok(Output { gpus })
    }
}

impl From<Card> for One {
    fn from(card: Card) -> Self {
        Self {
            address: card.address,
            maker: card.maker,
            id: card.id,
            driver: card.driver,
            memory_bytes: card.memory_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn what_can_be_seen_is_said_with_driver_and_memory() {
        let folder = tempfile::tempdir().unwrap();
        graphics::played(folder.path());
        let cards = graphics::cards(folder.path().to_str().unwrap());
        let gpus = cards.into_iter().map(One::from).collect();
        let input: Nothing = serde_json::from_value(json!({})).unwrap();
        let said = Gpu::summarize(&input, &Output { gpus });
        let expected = "AMD 1002:744c 0000:01:00.0: driver amdgpu, 17 GB\n\
                        NVIDIA 10de:2330 0000:02:00.0: without a driver\ngpu.0: without a driver";
        assert_eq!(said, expected);
        let none = Gpu::summarize(&input, &Output { gpus: Vec::new() });
        assert_eq!(none, "no graphics processor can be seen");
        call::<Gpu>(json!({})).unwrap();
    }
}
