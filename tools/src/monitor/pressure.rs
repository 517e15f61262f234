//! `monitor.pressure`: how much work waits for processor, memory or disk.

use crate::procfs::read;
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// Where the kernel tells it (Documentation/accounting/psi.rst).
const FOLDER: &str = "/proc/pressure";
/// What can be waited for.
const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];

/// The tool `monitor.pressure`.
pub struct PressureNow;

/// Shares of time in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shares {
    /// In the last 10 seconds.
    pub last_10_s: f64,
    /// In the last minute.
    pub last_60_s: f64,
    /// In the last five minutes.
    pub last_300_s: f64,
    /// All of it since the start, in microseconds.
    pub total_us: u64,
}

/// What waits for one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// `cpu`, `memory` or `io`.
    pub resource: String,
    /// The time in which at least one process waited for it.
    pub some: Shares,
    /// The time in which all processes that had something to do waited for it; absent for what the
    /// kernel does not tell.
    pub full: Option<Shares>,
}

/// The pressure.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// One for each thing; none when this kernel does not measure it.
    pub pressures: Vec<Pressure>,
}

impl Tool for PressureNow {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "monitor.pressure",
            "Shows how much time processes lose by waiting for processor, memory or disk.",
        )
        .needing("monitor", "read", "pressure")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |pressure: &Pressure| {
            let Shares {
                last_10_s,
                last_60_s,
                ..
            } = pressure.some;
            let full = pressure.full.filter(|full| full.last_10_s > 0.0);
            let full = full.map(|full| format!(", all at once {:.1} %", full.last_10_s));
            format!(
                "{}: waited for {last_10_s:.1} % of the last 10 s ({last_60_s:.1} % of the last minute){}",
                pressure.resource,
                full.unwrap_or_default()
            )
        };
        match output.pressures.is_empty() {
            true => format!("this kernel does not measure pressure ({FOLDER} is not there)"),
            false => output
                .pressures
                .iter()
                .map(one)
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }
}

impl Look for PressureNow {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let of = |resource: &&str| {
            let text = read(&format!("{FOLDER}/{resource}")).ok()?;
            parse(resource, &text)
        };
        Ok(Output {
            pressures: RESOURCES.iter().filter_map(of).collect(),
        })
    }
}

fn parse(resource: &str, text: &str) -> Option<Pressure> {
    let shares = |kind: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        let value = |name: &str| {
            line.split_ascii_whitespace()
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        Some(Shares {
            last_10_s: value("avg10")?.parse().ok()?,
            last_60_s: value("avg60")?.parse().ok()?,
            last_300_s: value("avg300")?.parse().ok()?,
            total_us: value("total")?.parse().ok()?,
        })
    };
    Some(Pressure {
        resource: resource.to_owned(),
        some: shares("some")?,
        full: shares("full"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn the_kernels_text_is_read() {
        let text = "some avg10=1.53 avg60=0.50 avg300=0.10 total=58761459\n\
                    full avg10=0.25 avg60=0.00 avg300=0.00 total=57811\n";
        let memory = parse("memory", text).unwrap();
        assert_eq!(memory.some.last_10_s, 1.53);
        assert_eq!(memory.full.unwrap().total_us, 57_811);
        let first = text.lines().next().unwrap();
        assert_eq!(parse("cpu", first).unwrap().full, None);
        assert_eq!(parse("cpu", "some avg10=x"), None);
        let input: Nothing = serde_json::from_value(json!({})).unwrap();
        let said = PressureNow::summarize(
            &input,
            &Output {
                pressures: vec![memory],
            },
        );
        let expected = "memory: waited for 1.5 % of the last 10 s (0.5 % of the last minute), \
                        all at once 0.2 %";
        assert_eq!(said, expected);
    }

    #[test]
    fn a_kernel_that_does_not_measure_it_is_said() {
        let done = call::<PressureNow>(json!({})).unwrap();
        let known = done.output["pressures"].as_array().unwrap().len();
        let there = RESOURCES
            .iter()
            .filter(|name| read(&format!("{FOLDER}/{name}")).is_ok());
        assert_eq!(known, there.count(), "{}", done.summary);
        let input: Nothing = serde_json::from_value(json!({})).unwrap();
        let none = PressureNow::summarize(
            &input,
            &Output {
                pressures: Vec::new(),
            },
        );
        assert!(none.starts_with("this kernel does not measure"), "{none}");
    }
}
