//! `system.time`: the clock, its time zone, and the servers that it follows.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::procfs::{line, printable};
use crate::service;
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The service that keeps the clock right.
const SERVICE: &str = "time";
/// What its status begins with while it follows servers.
const FOLLOWS: &str = "follows ";
/// The zone of the clock that is shown to people: a link into the folder of zones.
const ZONE: &str = "/etc/localtime";
const ZONES: &str = "zoneinfo/";

/// The tool `system.time`.
pub struct Time;

/// The time.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Unix time in milliseconds.
    pub now_ms: i64,
    /// The same for people, in UTC.
    pub utc: String,
    /// The time zone: `Europe/Berlin`; `UTC` when none is set.
    pub zone: String,
    /// Is the clock kept by time servers? Absent when the time service does not answer.
    pub synchronised: Option<bool>,
    /// What the time service says: which servers it follows, or why none.
    pub time_service: String,
}

impl Tool for Time {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "system.time",
            "Shows the clock, its time zone and which time servers it follows.",
        )
        .needing("system", "read", "time")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let Output {
            utc,
            zone,
            time_service,
            ..
        } = output;
        let kept = match output.synchronised {
            Some(true) => format!("the clock {time_service}"),
            Some(false) => format!("the clock follows no server ({time_service})"),
            None => format!("whether the clock is kept right is not known ({time_service})"),
        };
        format!("it is {utc}, the time zone is {zone}; {kept}")
    }
}

impl Look for Time {
    fn look(_input: &Nothing, context: &Context) -> Result<Output, ToolError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let (synchronised, time_service) = match service::fetch(SERVICE, context) {
            Ok(service) => kept(&service),
            Err(error) => (None, printable(&error.to_string())),
        };
        Ok(Output {
            now_ms,
            utc: format::time(now_ms),
            zone: zone(),
            synchronised,
            time_service,
        })
    }
}

/// Is the clock kept right by servers, as its service says?
fn kept(service: &service::Service) -> (Option<bool>, String) {
    let follows = service.is_up() && service.status.starts_with(FOLLOWS);
    let said = match service.status.is_empty() || !service.is_up() {
        true => service.describe(),
        false => service.status.clone(),
    };
    (Some(follows), said)
}

fn zone() -> String {
    let linked = std::fs::read_link(ZONE).ok();
    let named = linked.and_then(|target| zone_of(&target.to_string_lossy()));
    named
        .or_else(|| line("/etc/timezone"))
        .unwrap_or_else(|| "UTC".to_owned())
}

/// The zone that a link points to.
fn zone_of(target: &str) -> Option<String> {
    let (_, name) = target.rsplit_once(ZONES)?;
    Some(printable(name)).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;

    #[test]
    fn the_clock_is_shown_and_that_nobody_knows_whom_it_follows() {
        let init = Init::new();
        let done = init.look::<Time>(json!({})).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let shown = done.output["now_ms"].as_u64().unwrap();
        assert!((now.as_millis() as u64).abs_diff(shown) < 60_000);
        assert_eq!(done.output["synchronised"], serde_json::Value::Null);
        assert!(
            done.summary.contains("kept right is not known"),
            "{}",
            done.summary
        );
    }

    #[test]
    fn the_clock_is_kept_while_its_service_follows_servers() {
        let check = |state: &str, status: &str, expected| {
            let service = service::Service {
                name: SERVICE.into(),
                description: String::new(),
                state: state.into(),
                pid: 7,
                restarts: 0,
                since_boot_ms: 0,
                last_exit: String::new(),
                without: String::new(),
                memory_bytes: 0,
                status: status.into(),
            };
            assert_eq!(kept(&service).0, Some(expected), "{state} {status}");
        };
        check("ready", "follows ntp.example", true);
        check("ready", "no time server is configured", false);
        check("backoff", "follows ntp.example", false);
        check("ready", "", false);
    }

    #[test]
    fn zones_are_named_by_the_link() {
        let check = |target, expected: Option<&str>| {
            assert_eq!(zone_of(target).as_deref(), expected, "{target}");
        };
        check("/usr/share/zoneinfo/Europe/Berlin", Some("Europe/Berlin"));
        check("../usr/share/zoneinfo/Etc/UTC", Some("Etc/UTC"));
        check("/usr/share/zoneinfo/", None);
        check("/elsewhere", None);
    }
}
