//! `monitor.network`: how much goes in and out.

use std::time::{Duration, Instant};

use crate::procfs::{pause, printable, read};
use aios_tool::argument::InterfaceName;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `monitor.network`.
pub struct NetworkUse;

/// The time over which rates are measured.
const SAMPLE: Duration = Duration::from_millis(500);

arguments! {
    /// Arguments of `monitor.network`.
    pub struct Input {
        /// Name of one interface. Default: all.
        pub interface: Option<InterfaceName>,
    }
}

/// The counters of one interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// Its name.
    pub interface: String,
    /// Bytes received since it is there.
    pub received_bytes: u64,
    /// Bytes sent since it is there.
    pub sent_bytes: u64,
    /// Packets that were lost or damaged, both ways.
    pub errors: u64,
    /// Bytes received per second now.
    pub received_per_second: u64,
    /// Bytes sent per second now.
    pub sent_per_second: u64,
}

/// The traffic.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// By interface.
    pub interfaces: Vec<Traffic>,
}

impl Tool for NetworkUse {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "monitor.network",
            "Measures the traffic of the network interfaces.",
        )
        .example(json!({"interface": "eth0"}))
        .needing("monitor", "read", "network")
        .reading_the_machine()
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let one = |traffic: &Traffic| {
            let errors = match traffic.errors {
                0 => String::new(),
                count => format!("; {count} errors"),
            };
            format!(
                "{}: {}/s in, {}/s out; {} received and {} sent in all{errors}",
                traffic.interface,
                bytes(traffic.received_per_second),
                bytes(traffic.sent_per_second),
                bytes(traffic.received_bytes),
                bytes(traffic.sent_bytes),
            )
        };
        let all: Vec<String> = output.interfaces.iter().map(one).collect();
        match all.is_empty() {
            true => "there is no network interface".to_owned(),
            false => all.join("\n"),
        }
    }
}

impl Look for NetworkUse {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let began = Instant::now();
        let before = parse(&read("/proc/net/dev")?);
        pause(context, SAMPLE)?;
        let after = parse(&read("/proc/net/dev")?);
        let mut interfaces = rates(&before, after, began.elapsed());
        if let Some(name) = &input.interface {
            interfaces.retain(|traffic| traffic.interface == name.as_str());
            if interfaces.is_empty() {
                let shown: String = name.as_str().chars().take(32).collect();
                let known: Vec<_> = before.iter().map(|t| t.interface.as_str()).collect();
                return Err(ToolError::Precondition(format!(
                    "there is no interface {shown:?}; there are {}",
                    known.join(", ")
                )));
            }
        }
        Ok(Output { interfaces })
    }
}

/// Parses `/proc/net/dev`: two lines of headings, then a line for each interface.
/// A name may hold a colon (an alias); the counters begin after the last one.
pub fn parse(text: &str) -> Vec<Traffic> {
    let traffic = |line: &str| {
        let (name, counters) = line.rsplit_once(':')?;
        let counters: Vec<u64> = counters
            .split_ascii_whitespace()
            .map_while(|field| field.parse().ok())
            .collect();
        let at = |index: usize| counters.get(index).copied();
        Some(Traffic {
            interface: printable(name.trim()),
            received_bytes: at(0)?,
            sent_bytes: at(8)?,
            errors: [2, 3, 10, 11]
                .into_iter()
                .filter_map(at)
                .fold(0, u64::saturating_add),
            received_per_second: 0,
            sent_per_second: 0,
        })
    };
    text.lines().skip(2).filter_map(traffic).collect()
}

fn rates(before: &[Traffic], after: Vec<Traffic>, time: Duration) -> Vec<Traffic> {
    let per_second =
        |now: u64, then: u64| (now.saturating_sub(then) as f64 / time.as_secs_f64()).round() as u64;
    let rate = |now: Traffic| match before.iter().find(|then| then.interface == now.interface) {
        Some(then) => Traffic {
            received_per_second: per_second(now.received_bytes, then.received_bytes),
            sent_per_second: per_second(now.sent_bytes, then.sent_bytes),
            ..now
        },
        None => now,
    };
    after.into_iter().map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    const TEXT: &str = "Inter-|   Receive\n face |bytes\n    lo: 100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0\n\
        eth0:1:3000 5 1 2 0 0 0 0 4000 6 3 4 0 0 0 0\nbroken: x\n";

    #[test]
    fn counters_and_rates_are_those_of_each_interface() {
        let before = parse(TEXT);
        assert_eq!(before.len(), 2);
        assert_eq!((before[0].received_bytes, before[0].sent_bytes), (100, 200));
        assert_eq!(
            (before[1].interface.as_str(), before[1].errors),
            ("eth0:1", 10)
        );
        let after = parse(&TEXT.replace("3000", "5000").replace("4000", "10"));
        let rates = rates(&before, after, Duration::from_secs(2));
        assert_eq!(
            (rates[1].received_per_second, rates[1].sent_per_second),
            (1000, 0)
        );
    }

    #[test]
    fn traffic_that_the_test_makes_is_counted() {
        let received = |output: &serde_json::Value| {
            output["interfaces"][0]["received_bytes"].as_u64().unwrap()
        };
        let arguments = json!({"interface": "lo"});
        let before = received(&call::<NetworkUse>(arguments.clone()).unwrap().output);
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        sender
            .send_to(&[0; 50_000], receiver.local_addr().unwrap())
            .unwrap();
        let after = received(&call::<NetworkUse>(arguments).unwrap().output);
        assert!(after >= before + 50_000, "{before} then {after}");
    }

    #[test]
    fn an_unknown_interface_is_named_with_the_known_ones() {
        let error = call::<NetworkUse>(json!({"interface": "wan9"}))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("there is no interface \"wan9\"; there are "),
            "{error}"
        );
    }
}
