//! `aiosctl logs`

use aios_contracts::v1::{LogLevel, LogLine, LogsRequest};
use clap::ValueEnum;

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, escape, format};

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Of this service alone; "kernel" is one too
    service: Option<String>,
    /// Go on with what is logged from now on
    #[arg(short, long)]
    follow: bool,
    /// The last so many lines
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    lines: u32,
    /// Lines of this level and worse
    #[arg(long)]
    level: Option<Level>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

pub(super) async fn run(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let at_least = match arguments.level {
        None => LogLevel::Unspecified,
        Some(Level::Debug) => LogLevel::Debug,
        Some(Level::Info) => LogLevel::Info,
        Some(Level::Warning) => LogLevel::Warning,
        Some(Level::Error) => LogLevel::Error,
    };
    let request = LogsRequest {
        service: arguments.service.unwrap_or_default(),
        lines: arguments.lines,
        follow: arguments.follow,
        at_least: at_least.into(),
    };
    let mut api = client.management();
    let mut stream = client.call(api.logs(request)).await?;
    while let Some(line) = stream
        .message()
        .await
        .map_err(|status| client.failure(&status))?
    {
        output.item(&json::log(&line), || text(&line))?;
    }
    Ok(Exit::Succeeded)
}

fn text(line: &LogLine) -> String {
    let level = match line.level() {
        LogLevel::Error => "ERROR ",
        LogLevel::Warning => "WARNING ",
        _ => "",
    };
    format!(
        "{} {}: {level}{}",
        format::time(line.time_ms),
        escape::line(&line.service),
        escape::line(&line.text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_forge_another_or_move_the_cursor() {
        let line = LogLine {
            time_ms: 1_700_000_000_000,
            service: "memory".into(),
            level: LogLevel::Error.into(),
            text: "bad\n2023 kernel: \x1b[1A".into(),
        };
        assert_eq!(
            text(&line),
            "2023-11-14 22:13:20Z memory: ERROR bad\\n2023 kernel: \\u{1b}[1A"
        );
    }
}
