//! `service.logs`: the last lines that services and the kernel wrote.

use aios_contracts::v1;
use tokio_stream::StreamExt;

use crate::procfs::printable;
use aios_tool::argument::{LOG_OF_ALL, LogSource, Whole};
use aios_tool::prelude::*;

/// The tool `service.logs`.
pub struct Logs;

/// So many lines when no number is given: what an operator looks at.
const LINES: Whole<1, 1000> = Whole::of(10);
/// A line is cut here, in characters, so that one service cannot fill the answer.
const TEXT_MAX: usize = 500;
/// So many lines are repeated in the summary.
const SHOWN: usize = 20;

choices! {
    /// The least severity that is shown.
    pub enum Level {
        /// Errors only.
        Error = "error",
        /// Warnings and errors.
        Warning = "warning",
        /// All but debugging.
        Info = "info",
    }
}

arguments! {
    /// Arguments of `service.logs`.
    pub struct Input {
        /// Name of the service, or `kernel`. Default: all, and the kernel.
        pub service: Option<LogSource>,
        /// How many lines, the newest. Default: 10.
        pub lines: Option<Whole<1, 1000>>,
        /// The least severity: `error`, `warning` or `info`. Default: everything.
        pub level: Option<Level>,
    }
}

/// One line.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Unix time in milliseconds.
    pub time_ms: i64,
    /// Who wrote it.
    pub service: String,
    /// `error`, `warning`, `info`, `debug`.
    pub level: String,
    /// What it says.
    pub text: String,
}

/// The lines, oldest first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The newest ones that fit.
    pub lines: Vec<Line>,
}

impl Tool for Logs {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "service.logs",
            "Shows the last lines of the log, of all services or of one, from a severity on.",
        )
        .example(json!({"service": "nginx", "lines": 50, "level": "error"}))
        .reading_the_machine()
    }

    fn complete(input: &mut Input) {
        input.lines.get_or_insert(LINES);
        input
            .service
            .get_or_insert_with(|| LogSource::of(LOG_OF_ALL));
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let kind = match input.level {
            Some(Level::Error) => "errors",
            Some(Level::Warning) => "warnings and errors",
            Some(Level::Info) | None => "lines",
        };
        let place = match input.service.as_ref().map(LogSource::as_str) {
            None | Some(LOG_OF_ALL) => "in the log".to_owned(),
            Some(name) => format!("in the log of {name}"),
        };
        let one = |line: &Line| {
            let Line {
                service,
                level,
                text,
                ..
            } = line;
            format!("{} {service} {level}: {text}", format::time(line.time_ms))
        };
        let left_out = output.lines.len().saturating_sub(SHOWN);
        let shown: Vec<String> = output.lines.iter().skip(left_out).map(one).collect();
        match shown.len() {
            0 => format!("no {kind} {place}"),
            1 if kind == "errors" => format!("one error {place}: {}", shown.concat()),
            1 => format!("one line {place}: {}", shown.concat()),
            count => format!("the last {count} {kind} {place}:\n{}", shown.join("\n")),
        }
    }
}

impl Look for Logs {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let limit = input.lines.unwrap_or(LINES).count();
        let request = v1::LogsRequest {
            service: match input.service.as_ref().map(LogSource::as_str) {
                None | Some(LOG_OF_ALL) => String::new(),
                Some(name) => name.to_owned(),
            },
            lines: u32::try_from(limit).unwrap_or(u32::MAX),
            follow: false,
            at_least: least(input.level).into(),
        };
        let mut init = context.init()?;
        let mut lines = context.block_on(async {
            let mut stream = init.logs(request).await?.into_inner();
            let mut lines = Vec::new();
            while let Some(line) = stream.next().await {
                lines.push(row(line?));
            }
            Ok::<_, tonic::Status>(lines)
        })?;
        let older = lines.len().saturating_sub(limit);
        lines.drain(..older);
        Ok(Output { lines })
    }
}

fn least(level: Option<Level>) -> v1::LogLevel {
    match level {
        None => v1::LogLevel::Unspecified,
        Some(Level::Info) => v1::LogLevel::Info,
        Some(Level::Warning) => v1::LogLevel::Warning,
        Some(Level::Error) => v1::LogLevel::Error,
    }
}

fn row(line: v1::LogLine) -> Line {
    let level = match line.level() {
        v1::LogLevel::Error => "error",
        v1::LogLevel::Warning => "warning",
        v1::LogLevel::Debug => "debug",
        v1::LogLevel::Info | v1::LogLevel::Unspecified => "info",
    };
    Line {
        time_ms: line.time_ms,
        service: printable(&line.service),
        level: level.to_owned(),
        text: printable(&line.text).chars().take(TEXT_MAX).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;
    use crate::trial::needs;
    use aios_tool::tool::look;
    use serde_json::json;

    #[test]
    fn the_last_errors_are_shown_or_said_to_be_none() {
        let init = Init::new();
        let none = init.look::<Logs>(json!({"level": "error"})).unwrap();
        assert_eq!(none.summary, "no errors in the log");
        init.log("memory", v1::LogLevel::Info, "ready");
        init.log(
            "memory",
            v1::LogLevel::Error,
            "disk full\n0 tools error: forged",
        );
        let one = init.look::<Logs>(json!({"level": "error"})).unwrap();
        assert_eq!(
            one.summary,
            "one error in the log: 1970-01-01 00:00:00 UTC memory error: disk full\u{fffd}0 tools \
             error: forged"
        );
        init.log("tools", v1::LogLevel::Error, "second");
        let two = init.look::<Logs>(json!({"level": "error"})).unwrap();
        assert!(
            two.summary.starts_with("the last 2 errors in the log:\n"),
            "{}",
            two.summary
        );
        assert_eq!(two.summary.lines().count(), 3);
        let tools = init
            .look::<Logs>(json!({"level": "error", "service": "tools"}))
            .unwrap();
        assert_eq!(tools.output["lines"].as_array().unwrap().len(), 1);
        let newest = init.look::<Logs>(json!({"lines": 1})).unwrap();
        assert_eq!(newest.output["lines"][0]["text"], "second");
    }

    #[test]
    fn the_capability_names_the_service_or_all() {
        let needs = |arguments| needs(look::<Logs>().as_ref(), arguments);
        assert_eq!(needs(json!({})).unwrap(), ["service:logs:*"]);
        assert_eq!(
            needs(json!({"service": "memory"})).unwrap(),
            ["service:logs:memory"]
        );
    }
}
