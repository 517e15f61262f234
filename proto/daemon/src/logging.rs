//! How every daemon logs: one line per event on stderr, with the severity in
//! front as `<N>` (syslog numbers, sd-daemon(3)); the logger adds the time.

use std::fmt::{self, Write as _};

use crate::InForce;
use aios_config::{System, reader};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::Places;

/// Starts logging. The filter is `AIOS_LOG` (syntax of `tracing_subscriber::EnvFilter`); without
/// it, what the configuration says (`[system] log_level`). A second call does nothing.
pub fn init() {
    let filter = EnvFilter::try_from_env("AIOS_LOG");
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(level(&Places::of_this_process())));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(SeverityLine)
        .try_init();
    drop(started); // Err: a subscriber is already there
}

fn level(places: &Places) -> String {
    // Not `Places::config`, which logs what is wrong: there is no log yet.
    let config = InForce::<reader::Everyone>::read(&places.etc);
    let level = config.table::<System>().log_level.clone();
    level.unwrap_or_else(|| "info".to_owned())
}

struct SeverityLine;

impl<S, N> FormatEvent<S, N> for SeverityLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = OneLine(String::new());
        event.record(&mut line);
        writeln!(
            writer,
            "<{}>{}",
            severity(*event.metadata().level()),
            line.0.trim_start()
        )
    }
}

/// Syslog's number for a level.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// The message and its fields on one line: what came from outside cannot forge a second one.
struct OneLine(String);

impl Visit for OneLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}").replace('\n', "\\n");
        let written = match field.name() {
            "message" => {
                self.0.insert_str(0, &text);
                Ok(())
            }
            name => write!(self.0, " {name}={text}"),
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_what_the_configuration_says() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::below(root.path());
        std::fs::create_dir(&places.etc).unwrap();
        assert_eq!(level(&places), "info");
        let file = places.etc.join(crate::configuration::FILE);
        std::fs::write(&file, "[system]\nlog_level = \"warn\"\n").unwrap();
        assert_eq!(level(&places), "warn");
    }
}
