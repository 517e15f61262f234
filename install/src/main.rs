//! `aios-install`: from the medium that the machine was started from onto one of its disks.
//!
//! 1. It runs only when the boot loader says so (`aios.install=1`); then PID 1 starts nothing else
//!    but the logger and control, and mounts no disk at all (`init/service/src/installer.rs`).
//! 2. **Nothing is erased that was not named twice**, or named in an `install.toml` that came with
//!    the medium or from the hypervisor and allows it in so many words. What is shown to who types
//!    is what the disk is at that moment, or nothing happens.
//! 3. The medium itself is never offered and never written.
//! 4. What is decided is pure ([`dialog`], [`answers`], [`plan`], [`gpt`], [`disks::refusal`]); what is
//!    done is in [`write`].
//!
//! What must not live here: how a disk is laid out. That comes from the medium's own table.

mod answers;
mod contents;
mod dialog;
mod disks;
mod plan;
mod talk;
mod write;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use aios_disk::layout::{CONFIG, SECTOR};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use answers::Then;
use dialog::{Asked, Meant, Offer};
use disks::Machine;
use talk::Talk;
use write::Medium;

const FW_CFG: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/org.aios/install.toml/raw";
const FILE: &str = "/install.toml";

fn main() -> ExitCode {
    if std::process::id() == 1 {
        return ExitCode::FAILURE; // it would never end
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Err: nobody listens.
            let _ = rustix::io::write(std::io::stderr(), format!("<3>{error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// Installs, or does not, and ends the machine.
///
/// # Errors
/// There is nobody to ask.
fn run() -> io::Result<()> {
    let mut talk = Talk::open()?;
    // Err: nobody waits for it (started by hand).
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    let version = env!("CARGO_PKG_VERSION");
    talk.say(&format!("\n--- aiOS {version} installer ---\n"));
    let mut session = match Session::open() {
        Ok(session) => session,
        Err(why) => {
            talk.say(&format!(
                "This medium cannot be installed from: {why}.\nWrite it anew. Nothing was erased.\n"
            ));
            return by_hand(&mut talk, None);
        }
    };
    talk.say(&format!(
        "It runs from {}, which stays as it is.\n\n",
        session.medium_name
    ));
    match session.prepared() {
        None => by_hand(&mut talk, Some(&mut session)),
        Some((source, text)) => {
            let read = answers::parse(&text);
            let done = read.and_then(|answers| {
                let offers = session.offers();
                let offer = answers.choose(&offers)?;
                talk.say(&format!(
                    "{source} says: erase {}, install.\n",
                    offer.short()
                ));
                session.install(offer, &mut talk).map(|()| answers.then)
            });
            match done {
                Ok(then) => end(&mut talk, then),
                Err(why) => {
                    talk.say(&format!("NOT INSTALLED as {source} says: {why}.\n\n"));
                    by_hand(&mut talk, Some(&mut session))
                }
            }
        }
    }
}

/// Asks until it is done.
fn by_hand(talk: &mut Talk, mut session: Option<&mut Session>) -> io::Result<()> {
    let mut asked = Asked::Which;
    let offers =
        |session: &Option<&mut Session>| session.as_ref().map_or_else(Vec::new, |one| one.offers());
    talk.say(&dialog::list(&offers(&session)));
    loop {
        let line = talk.hear()?;
        let now = offers(&session);
        match dialog::understand(&asked, &line, &now) {
            Meant::List(said) => {
                asked = Asked::Which;
                talk.say(&format!("{said}{}", dialog::list(&now)));
            }
            Meant::Confirm(offer) => {
                talk.forget();
                talk.say(&dialog::warning(&offer));
                asked = Asked::Really(offer);
            }
            Meant::Off => return end(talk, Then::Off),
            Meant::Reboot => return end(talk, Then::Reboot),
            Meant::Install(offer) => {
                asked = Asked::Which;
                let Some(session) = &mut session else {
                    continue;
                };
                match session.install(&offer, talk) {
                    Ok(()) => talk.say(
                        "Take the medium out, or let the machine start from the disk.\n\
                         Type off or reboot.\n",
                    ),
                    Err(why) => talk.say(&format!("{why}.\n\n{}", dialog::list(&session.offers()))),
                }
            }
        }
    }
}

struct Session {
    machine: Machine,
    medium: Medium,
    /// The kernel's name of it.
    medium_name: String,
    /// The device of the verified root file system.
    root: String,
    needed: u64,
}

impl Session {
    fn open() -> Result<Self, String> {
        let command_line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
        let machine = Machine::default();
        let medium_name = machine.medium(&command_line)?;
        let medium = Medium::open(&machine.devices.join(&medium_name))?;
        let needed = plan::needed(&medium.table)?;
        let words = command_line.split_whitespace().rev();
        let mut roots = words.filter_map(|word| word.strip_prefix("root="));
        let root = roots.next().unwrap_or_default().to_owned();
        Ok(Self {
            machine,
            medium,
            medium_name,
            root,
            needed,
        })
    }

    /// The disks as they are now.
    fn offers(&self) -> Vec<Offer> {
        let offer = |disk: disks::Disk| Offer {
            contents: contents::look(&self.machine.devices.join(&disk.name), &disk),
            refusal: disks::refusal(&disk, &self.medium_name, self.needed),
            disk,
        };
        self.machine.disks().into_iter().map(offer).collect()
    }

    /// An `install.toml`: from the hypervisor, or from this medium; never from another disk.
    fn prepared(&self) -> Option<(&'static str, String)> {
        if let Ok(text) = std::fs::read_to_string(FW_CFG) {
            return Some(("fw_cfg's install.toml", text));
        }
        let config = self
            .medium
            .table
            .iter()
            .find(|entry| entry.name == CONFIG)?;
        let file = self.medium.file.try_clone().ok()?;
        let (at, length) = (config.first * SECTOR, config.sectors() * SECTOR);
        let text = contents::read_file(file, at, length, FILE)?;
        Some(("install.toml of this medium", text))
    }

    fn install(&mut self, offer: &Offer, talk: &mut Talk) -> Result<(), String> {
        let name = &offer.disk.name;
        let untouched = |why: String| format!("{why}. Nothing was erased");
        let mut progress = Progress::default();
        write::read_through(Path::new(&self.root), &mut |percent| {
            progress.tell(talk, "checking this medium", percent);
        })
        .map_err(|error| untouched(format!("this medium is damaged ({error}); write it anew")))?;
        if !self.offers().contains(offer) {
            return Err(untouched(format!(
                "{name} is not the disk that it was when it was shown"
            )));
        }
        let no_numbers = |error: io::Error| untouched(format!("no random numbers: {error}"));
        let disk = write::guid().map_err(no_numbers)?;
        let mut failed = None;
        let mut guid = || {
            write::guid().unwrap_or_else(|error| {
                failed = Some(error);
                [0; 16]
            })
        };
        let planned = plan::plan(&self.medium.table, offer.disk.sectors, &mut guid);
        let plan = planned.map_err(untouched)?;
        failed.map_or(Ok(()), |error| Err(no_numbers(error)))?;
        let target = self.machine.devices.join(name);
        write::install(&self.medium, &target, &plan, disk, &mut |what, percent| {
            progress.tell(talk, what, percent);
        })
        .map_err(|why| {
            format!("NOT INSTALLED: {why}. {name} does not boot now; nothing else was touched")
        })?;
        talk.say(&format!(
            "\nINSTALLED on {name}: written, read back, compared.\n"
        ));
        Ok(())
    }
}

/// Says each tenth once.
#[derive(Default)]
struct Progress {
    last: (String, u64),
}

impl Progress {
    fn tell(&mut self, talk: &mut Talk, what: &str, percent: u64) {
        let now = (what.to_owned(), percent / 10);
        if now != self.last {
            talk.say(&match percent {
                0 => format!("{what} ...\n"),
                percent => format!("{what}: {percent} %\n"),
            });
            self.last = now;
        }
    }
}

/// Ends the machine: PID 1 takes these signals for the switch and for ctrl-alt-del.
fn end(talk: &mut Talk, then: Then) -> io::Result<()> {
    let signal = match then {
        Then::Off => Signal::SIGTERM,
        Then::Reboot => Signal::SIGINT,
    };
    if let Err(error) = kill(Pid::from_raw(1), signal) {
        talk.say(&format!(
            "The machine does not end by itself ({error}): switch it off.\n"
        ));
    }
    loop {
        pause(60_000);
    }
}

/// There is one thread, and nothing else to do meanwhile.
pub(crate) fn pause(milliseconds: u64) {
    #[allow(clippy::disallowed_methods, reason = "there is no executor here")]
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}
