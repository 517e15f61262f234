//! SSH sessions go on record: dropbear's log lines, as init streams them, become
//! `ssh.session_opened`, `ssh.session_closed` and `ssh.refused`.
//!
//! How far the log was read is kept in a file, written after each record: what
//! happened while the orchestrator was away is recorded when it is back. After a
//! crash between both, one line may be on record twice; none is lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::{LogLine, LogsRequest};
use tonic::transport::Channel;

use crate::record::{Kind, Recorder};

/// The service whose log is read.
const SERVICE: &str = "ssh";

/// Lines that are looked back at: sessions that came and went while we were away.
const LOOK_BACK: u32 = 2000;

/// Between two tries to read the log.
const AGAIN: Duration = Duration::from_secs(2);

/// Sessions that are remembered; more strangers than that make us forget the oldest.
const SESSIONS_MAX: usize = 256;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Opened {
        user: &'a str,
        key: &'a str,
        from: &'a str,
    },
    Closed {
        user: &'a str,
        from: &'a str,
        why: &'a str,
    },
    Refused {
        from: &'a str,
        why: &'a str,
    },
}

/// Reads one of dropbear's lines: `[pid] Mon DD HH:MM:SS text`. Returns the pid, which is
/// the session's, and what it says.
fn understand(line: &str) -> Option<(u32, Said<'_>)> {
    let (pid, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let pid = pid.parse().ok()?;
    let text = rest.splitn(4, ' ').nth(3).unwrap_or(rest).trim_start();
    // Days before the tenth are written with two spaces.
    let text = text
        .split_once(' ')
        .filter(|(time, _)| is_time(time))
        .map_or(text, |(_, rest)| rest);
    if let Some(rest) = text.strip_prefix("Pubkey auth succeeded for '") {
        let (user, rest) = rest.split_once("' with ")?;
        let (key, from) = rest.rsplit_once(" from ")?;
        return Some((pid, Said::Opened { user, key, from }));
    }
    if let Some(rest) = text.strip_prefix("Exit before auth from <") {
        let (from, why) = rest.split_once(">: ")?;
        return Some((pid, Said::Refused { from, why }));
    }
    let rest = text.strip_prefix("Exit (")?;
    let (user, rest) = rest.split_once(") from <")?;
    let (from, why) = rest.split_once(">: ")?;
    Some((pid, Said::Closed { user, from, why }))
}

fn is_time(text: &str) -> bool {
    text.len() == 8 && text.split(':').count() == 3
}

/// How far the log was put on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    /// Unix time of the last line, ms.
    time: i64,
    /// So many lines of that very moment.
    lines: u32,
}

impl Mark {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut words = text.split_whitespace().map(str::parse::<i64>);
        match (words.next(), words.next()) {
            (Some(Ok(time)), Some(Ok(lines))) => Self {
                time,
                lines: u32::try_from(lines).unwrap_or(0),
            },
            _ => Self::default(),
        }
    }

    fn write(self, path: &Path) -> std::io::Result<()> {
        let text = format!("{} {}\n", self.time, self.lines);
        aios_files::durable::replace(path, text.as_bytes())
    }

    /// Is this line new? `same` counts the lines of one moment in this reading.
    fn is_new(self, time: i64, same: u32) -> bool {
        time > self.time || (time == self.time && same > self.lines)
    }
}

/// Runs for ever.
pub async fn watch(init: InitClient<Channel>, recorder: Recorder, mark: PathBuf) {
    loop {
        if let Err(status) = read(init.clone(), &recorder, &mark).await {
            tracing::debug!("the log of {SERVICE} cannot be read: {}", status.message());
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn read(
    mut init: InitClient<Channel>,
    recorder: &Recorder,
    path: &Path,
) -> Result<(), tonic::Status> {
    let request = LogsRequest {
        service: SERVICE.to_owned(),
        lines: LOOK_BACK,
        follow: true,
        at_least: 0,
    };
    let mut lines = init.logs(request).await?.into_inner();
    let known = Mark::read(path);
    let mut now = Mark::default();
    let mut keys = BTreeMap::new();
    while let Some(line) = lines.message().await? {
        now.lines = if line.time_ms == now.time {
            now.lines + 1
        } else {
            1
        };
        now.time = line.time_ms;
        let new = known.is_new(now.time, now.lines);
        if !note(&line, new, &mut keys, recorder).await? {
            continue;
        }
        if let Err(error) = now.write(path) {
            tracing::error!("cannot write {}: {error}", path.display());
        }
    }
    Ok(())
}

/// Puts a line on record if it says something and is new. Returns whether it did.
async fn note(
    line: &LogLine,
    new: bool,
    keys: &mut BTreeMap<u32, String>,
    recorder: &Recorder,
) -> Result<bool, tonic::Status> {
    let Some((pid, said)) = understand(&line.text) else {
        return Ok(false);
    };
    if keys.len() >= SESSIONS_MAX {
        keys.pop_first();
    }
    let (kind, subject, detail) = match said {
        Said::Opened { user, key, from } => {
            keys.insert(pid, key.to_owned());
            (
                Kind::SshOpened,
                key.to_owned(),
                format!("{user} from {from}"),
            )
        }
        Said::Closed { user, from, why } => {
            let key = keys
                .remove(&pid)
                .unwrap_or_else(|| "unknown key".to_owned());
            (Kind::SshClosed, key, format!("{user} from {from}: {why}"))
        }
        Said::Refused { from, why } => {
            if new {
                recorder.refusal(Kind::SshRefused, from, why);
            }
            return Ok(new);
        }
    };
    if new {
        recorder.order(kind, &subject, &detail).await?;
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropbears_lines_are_understood() {
        let key = "ssh-ed25519 key SHA256:kpD7yv5hIzm4f8vhg4xrbPffClYaUY31tLktQPz1XNM";
        let opened = format!(
            "[7] Nov 21 15:22:46 Pubkey auth succeeded for 'root' with {key} from 10.0.2.2:5"
        );
        let cases = [
            (
                opened.as_str(),
                Some((
                    7,
                    Said::Opened {
                        user: "root",
                        key,
                        from: "10.0.2.2:5",
                    },
                )),
            ),
            (
                "[7] Nov  1 15:22:47 Exit (root) from <10.0.2.2:5>: Disconnect received",
                Some((
                    7,
                    Said::Closed {
                        user: "root",
                        from: "10.0.2.2:5",
                        why: "Disconnect received",
                    },
                )),
            ),
            (
                "[8] Nov 21 15:22:47 Exit before auth from <[::1]:4>: (user 'root', 0 fails): Exited normally",
                Some((
                    8,
                    Said::Refused {
                        from: "[::1]:4",
                        why: "(user 'root', 0 fails): Exited normally",
                    },
                )),
            ),
            ("[8] Nov 21 15:22:47 Child connection from 10.0.2.2:5", None),
            ("Exit (root) from <x>: said by no dropbear", None),
            ("[", None),
        ];
        for (line, expected) in cases {
            assert_eq!(understand(line), expected, "{line}");
        }
    }

    #[test]
    fn what_was_on_record_before_a_restart_is_not_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ssh-log");
        assert_eq!(Mark::read(&path), Mark::default());
        let mark = Mark { time: 5, lines: 2 };
        mark.write(&path).unwrap();
        assert_eq!(Mark::read(&path), mark);
        let cases = [
            (4, 9, false),
            (5, 1, false),
            (5, 2, false),
            (5, 3, true),
            (6, 1, true),
        ];
        for (time, same, new) in cases {
            assert_eq!(mark.is_new(time, same), new, "{time} {same}");
        }
    }
}
