//! `aiosctl update`, `aiosctl rollback`, `aiosctl slots`

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aios_contracts::v1::{
    GetSlotsRequest, InstallProgress, InstallRequest, InstallStage, PowerAction, PowerRequest,
    RollbackRequest, Slots,
};
use aios_update::bundle::Head;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, escape, table};

/// Bytes of a bundle per message.
const PIECE: usize = 256 * 1024;

/// Pieces read ahead.
const PIECES: usize = 4;

/// How long an appliance may take to come back. One whose new slot fails three times
/// and falls back needs four boots.
const BACK: Duration = Duration::from_secs(600);

/// Between two looks whether it is back, and how long each may take.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// See [`LOOK_EVERY`].
const LOOK: Duration = Duration::from_secs(5);

/// Arguments of `update`.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// The bundle, as `cargo xtask bundle` makes it
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Do not restart the machine: the next restart is into the new release
    #[arg(long)]
    no_reboot: bool,
}

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// Do not restart the machine: the next restart is into the other slot
    #[arg(long)]
    no_reboot: bool,
}

pub(super) async fn update(
    client: &Client,
    output: Output,
    arguments: Update,
) -> Result<Exit, Failure> {
    let (file, head) = open(&arguments.image).await?;
    let manifest = &head.manifest;
    if !output.json {
        eprintln!(
            "release {} (version {}), {} bytes",
            manifest.release,
            manifest.version,
            head.bundle_size()
        );
    }
    let installed = install(client, output, file, head.bundle_size()).await?;
    if arguments.no_reboot {
        return said(
            output,
            &installed,
            "installed",
            "installed; the next restart is into it",
        );
    }
    let back = restart(
        client,
        output,
        &installed,
        &format!("update to release {}", manifest.release),
    )
    .await?;
    judge(output, &installed, &back)
}

pub(super) async fn rollback(
    client: &Client,
    output: Output,
    arguments: Rollback,
) -> Result<Exit, Failure> {
    let ordered = client
        .call(client.management().rollback(RollbackRequest {}))
        .await?;
    if arguments.no_reboot {
        return said(
            output,
            &ordered,
            "ordered",
            "the next restart is into the other slot",
        );
    }
    let back = restart(client, output, &ordered, "rollback").await?;
    judge(output, &ordered, &back)
}

pub(super) async fn slots(client: &Client, output: Output) -> Result<Exit, Failure> {
    let slots = client
        .call(client.management().get_slots(GetSlotsRequest {}))
        .await?;
    output.print(&json::slots(&slots), || text(&slots))?;
    Ok(Exit::Succeeded)
}

/// A look at the bundle before anything is sent.
async fn open(path: &Path) -> Result<(tokio::fs::File, Head), Failure> {
    let shown = path.display();
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("cannot read {shown}: {error}"));
    let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let size = file.metadata().await.map_err(unreadable)?.len();
    let mut beginning = Vec::new();
    (&mut file)
        .take(Head::MAX as u64)
        .read_to_end(&mut beginning)
        .await
        .map_err(unreadable)?;
    let refused = |why: String| {
        Failure::usage(format!("{shown} cannot be installed: {why}"))
            .hint("`cargo xtask bundle` makes update bundles")
    };
    let head = Head::parse(&beginning).map_err(|refusal| refused(refusal.to_string()))?;
    let head = head.ok_or_else(|| refused("it is cut short".to_owned()))?;
    if size != head.bundle_size() {
        return Err(refused(format!(
            "it has {size} bytes and should have {}",
            head.bundle_size()
        )));
    }
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?; // from its beginning
    Ok((file, head))
}

/// Sends the bundle and follows what becomes of it.
async fn install(
    client: &Client,
    output: Output,
    file: tokio::fs::File,
    size: u64,
) -> Result<Slots, Failure> {
    let (pieces, waiting) = mpsc::channel(PIECES);
    let reading = tokio::spawn(feed(file, size, pieces));
    let refused = |status: &tonic::Status| match status.code() {
        Code::InvalidArgument => Failure::failed(status.message()),
        _ => client.failure(status),
    };
    let begun = client
        .management()
        .install_update(ReceiverStream::new(waiting))
        .await;
    let mut progress = begun.map_err(|status| refused(&status))?.into_inner();
    let mut shown = Shown::default();
    loop {
        match progress.message().await {
            Ok(Some(message)) if message.stage() == InstallStage::Done => {
                shown.end();
                return message
                    .slots
                    .ok_or_else(|| Failure::failed("the appliance does not say what it did"));
            }
            Ok(Some(message)) if !output.json => shown.show(&message),
            Ok(Some(_)) => {}
            Ok(None) => {
                return Err(Failure::failed(
                    "the appliance ended the update without a word",
                ));
            }
            Err(status) => {
                shown.end();
                let read = if reading.is_finished() {
                    reading.await.ok()
                } else {
                    None
                };
                return Err(match read {
                    Some(Err(error)) => Failure::failed(format!("cannot read the bundle: {error}")),
                    _ => refused(&status),
                });
            }
        }
    }
}

async fn feed(
    mut file: tokio::fs::File,
    size: u64,
    pieces: mpsc::Sender<InstallRequest>,
) -> std::io::Result<()> {
    let mut first = size;
    loop {
        let mut data = Vec::with_capacity(PIECE);
        if (&mut file)
            .take(PIECE as u64)
            .read_to_end(&mut data)
            .await?
            == 0
        {
            return Ok(());
        }
        let request = InstallRequest {
            size: std::mem::take(&mut first),
            data,
        };
        if pieces.send(request).await.is_err() {
            return Ok(()); // refused; the answer says why
        }
    }
}

/// Restarts the machine and waits until it is back. Its slots then.
async fn restart(
    client: &Client,
    output: Output,
    before: &Slots,
    reason: &str,
) -> Result<Slots, Failure> {
    let request = PowerRequest {
        action: PowerAction::Reboot.into(),
        reason: reason.to_owned(),
    };
    client.call(client.management().power(request)).await?;
    if !output.json {
        eprintln!("restarting into slot {}", escape::line(&before.first));
    }
    let limit = client.timeout(BACK);
    let end = Instant::now() + limit;
    while Instant::now() < end {
        sleep(LOOK_EVERY).await;
        let look = async {
            let again = client.again(LOOK).await.ok()?;
            Some(
                again
                    .management()
                    .get_slots(GetSlotsRequest {})
                    .await
                    .ok()?
                    .into_inner(),
            )
        };
        match timeout(LOOK, look).await {
            Ok(Some(slots)) if slots.boot_id != before.boot_id => return Ok(slots),
            _ => {}
        }
    }
    Err(client
        .late(limit)
        .hint("look at its console; it falls back by itself after three failed starts"))
}

/// Did it come up in the slot that it was to?
fn judge(output: Output, ordered: &Slots, back: &Slots) -> Result<Exit, Failure> {
    if back.running == ordered.first {
        return said(
            output,
            back,
            "running",
            "it counts as good after a minute of health",
        );
    }
    said(
        output,
        back,
        "fell-back",
        "slot did not start three times; this one was taken instead. See aiosctl logs",
    )?;
    Ok(Exit::Failed)
}

fn said(output: Output, slots: &Slots, outcome: &str, what: &str) -> Result<Exit, Failure> {
    let name = if outcome == "running" || outcome == "fell-back" {
        &slots.running
    } else {
        &slots.first
    };
    let release = release(slots, name);
    let document: Value = json!({ "outcome": outcome, "slot": name, "release": release, "slots": json::slots(slots) });
    output.print(&document, || {
        let name = escape::line(name);
        match outcome {
            "running" => format!("slot {name}, release {release}, is running; {what}"),
            "fell-back" => format!("FELL BACK to slot {name}, release {release}: the other {what}"),
            _ => format!("slot {name}, release {release}: {what}"),
        }
    })?;
    Ok(Exit::Succeeded)
}

fn release(slots: &Slots, name: &str) -> u64 {
    slots
        .slots
        .iter()
        .find(|slot| slot.name == name)
        .map_or(0, |slot| slot.release)
}

fn text(slots: &Slots) -> String {
    let rows: Vec<[String; 6]> = slots
        .slots
        .iter()
        .map(|slot| {
            let mark = |yes: bool, word: &str| if yes { word.to_owned() } else { String::new() };
            [
                slot.name.clone(),
                if slot.release == 0 {
                    "-".to_owned()
                } else {
                    slot.release.to_string()
                },
                slot.version.clone(),
                if slot.good { "good" } else { "not proven" }.to_owned(),
                slot.tries.to_string(),
                mark(slot.name == slots.running, "running ")
                    + &mark(slot.name == slots.first, "boots next"),
            ]
        })
        .collect();
    let mut text = table::table(["SLOT", "RELEASE", "VERSION", "STATE", "TRIES", ""], &rows);
    text.push_str(&format!(
        "releases older than {} are refused\n",
        slots.floor
    ));
    text
}

/// Progress on standard error, a line per tenth.
#[derive(Default)]
struct Shown {
    last: Option<(InstallStage, u64)>,
}

impl Shown {
    fn show(&mut self, progress: &InstallProgress) {
        let tenth = (progress.done * 10)
            .checked_div(progress.total)
            .unwrap_or(0);
        if self.last == Some((progress.stage(), tenth)) {
            return;
        }
        self.last = Some((progress.stage(), tenth));
        let doing = match progress.stage() {
            InstallStage::Receiving => "sending and verifying",
            InstallStage::Writing => "writing the other slot",
            InstallStage::Checking => "reading it back",
            _ => "waiting",
        };
        eprint!("\r{doing}: {} %   ", tenth * 10);
        drop(std::io::stderr().flush()); // Err: nobody sees it.
    }

    fn end(&mut self) {
        if self.last.take().is_some() {
            eprintln!();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::Slot;

    #[test]
    fn the_table_says_what_runs_what_comes_next_and_what_is_proven() {
        let slot = |name: &str, release, good| Slot {
            name: name.into(),
            release,
            version: "0.1.0".into(),
            good,
            tries: 3,
        };
        let slots = Slots {
            running: "a".into(),
            first: "b".into(),
            slots: vec![slot("a", 100, true), slot("b", 101, false)],
            floor: 100,
            boot_id: String::new(),
        };
        let text = text(&slots);
        assert!(
            text.contains("a     100      0.1.0    good        3      running\n"),
            "{text}"
        );
        assert!(
            text.contains("b     101      0.1.0    not proven  3      boots next\n"),
            "{text}"
        );
    }
}
