//! `hw.sensors`: temperatures and fans.

use crate::procfs::{line, names, number};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// So many sensors of one sort a chip is asked for (Documentation/hwmon/sysfs-interface.rst sets no
/// bound; the largest known have some dozens).
const NUMBERS: std::ops::RangeInclusive<u32> = 1..=64;

/// The tool `hw.sensors`.
pub struct Sensors;

/// A temperature.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Temperature {
    /// The chip or zone, and what of it where that is known: `coretemp Package id 0`.
    pub sensor: String,
    /// In degrees Celsius.
    pub celsius: f64,
    /// From here on it is critical, in degrees Celsius, where the chip tells.
    pub critical_celsius: Option<f64>,
}

/// A fan.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fan {
    /// The chip, and which fan of it.
    pub sensor: String,
    /// Turns in a minute; 0: it stands still.
    pub turns_per_minute: u64,
}

/// What was measured.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Temperatures; none when the machine has no sensor, as most virtual machines.
    pub temperatures: Vec<Temperature>,
    /// Fans.
    pub fans: Vec<Fan>,
}

impl Tool for Sensors {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("hw.sensors", "Measures temperatures and the speed of fans.")
            .needing("hw", "read", "sensors")
            .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let temperature = |one: &Temperature| {
            let critical = match one.critical_celsius {
                Some(critical) if one.celsius >= critical => {
                    format!(" (CRITICAL: the limit is {critical:.0} °C)")
                }
                Some(critical) => format!(" (critical from {critical:.0} °C)"),
                None => String::new(),
            };
            format!("{}: {:.1} °C{critical}", one.sensor, one.celsius)
        };
        let fan = |one: &Fan| format!("{}: {} turns a minute", one.sensor, one.turns_per_minute);
        let mut lines: Vec<String> = output.temperatures.iter().map(temperature).collect();
        lines.extend(output.fans.iter().map(fan));
        match lines.is_empty() {
            true => "this machine shows no sensors".to_owned(),
            false => lines.join("\n"),
        }
    }
}

impl Look for Sensors {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        Ok(sensors("/sys"))
    }
}

fn sensors(sys: &str) -> Output {
    let mut output = Output {
        temperatures: Vec::new(),
        fans: Vec::new(),
    };
    let chips = format!("{sys}/class/hwmon");
    for chip in names(&chips) {
        let folder = format!("{chips}/{chip}");
        let name = line(&format!("{folder}/name")).unwrap_or(chip);
        let label = |sort: &str, number: u32| {
            let label = line(&format!("{folder}/{sort}{number}_label"));
            let label = label.unwrap_or_else(|| format!("{sort}{number}"));
            format!("{name} {label}")
        };
        for at in NUMBERS {
            if let Some(celsius) = degrees(&format!("{folder}/temp{at}_input")) {
                output.temperatures.push(Temperature {
                    sensor: label("temp", at),
                    celsius,
                    critical_celsius: degrees(&format!("{folder}/temp{at}_crit")),
                });
            }
            if let Some(turns_per_minute) = number(&format!("{folder}/fan{at}_input")) {
                output.fans.push(Fan {
                    sensor: label("fan", at),
                    turns_per_minute,
                });
            }
        }
    }
    output
        .temperatures
        .extend(zones(&format!("{sys}/class/thermal")));
    output
}

fn zones(folder: &str) -> Vec<Temperature> {
    let zone = |name: &String| {
        name.strip_prefix("thermal_zone")?;
        let kind = line(&format!("{folder}/{name}/type")).unwrap_or_else(|| name.clone());
        Some(Temperature {
            sensor: kind,
            celsius: degrees(&format!("{folder}/{name}/temp"))?,
            critical_celsius: None,
        })
    };
    names(folder).iter().filter_map(zone).collect()
}

/// Degrees from a file that has thousandths of them.
fn degrees(path: &str) -> Option<f64> {
    number::<f64>(path).map(|thousandths| thousandths / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn chips_and_zones_are_read_and_absence_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join("class").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("hwmon/hwmon0/name", "coretemp\n");
        write("hwmon/hwmon0/temp1_input", "45000\n");
        write("hwmon/hwmon0/temp1_label", "Package id 0\n");
        write("hwmon/hwmon0/temp1_crit", "100000\n");
        write("hwmon/hwmon0/temp2_input", "101500\n");
        write("hwmon/hwmon0/temp2_crit", "100000\n");
        write("hwmon/hwmon1/fan1_input", "0\n");
        write("thermal/thermal_zone0/type", "acpitz\n");
        write("thermal/thermal_zone0/temp", "27800\n");
        write("thermal/cooling_device0/type", "Processor\n");
        let output = sensors(folder.path().to_str().unwrap());
        let input: Nothing = serde_json::from_value(json!({})).unwrap();
        let expected = "coretemp Package id 0: 45.0 °C (critical from 100 °C)\n\
                        coretemp temp2: 101.5 °C (CRITICAL: the limit is 100 °C)\n\
                        acpitz: 27.8 °C\nhwmon1 fan1: 0 turns a minute";
        assert_eq!(Sensors::summarize(&input, &output), expected);
        let none = sensors("/nonexistent");
        assert_eq!(
            Sensors::summarize(&input, &none),
            "this machine shows no sensors"
        );
        call::<Sensors>(json!({})).unwrap();
    }
}
