//! The `provision` role: installs who this node is.
//!
//! `aiosctl pki node` makes a `node.toml`; this puts its certificates, key and
//! name where they belong. **It never fails the boot**, and it is exactly old or
//! exactly new at any instant: each file is written beside its place, synced
//! and renamed; the key before the certificate that belongs to it.
//!
//! **A node that has an identity is taken over by nobody**: from then on it takes only what a node of its
//! own authority brings ([`admission`]). A factory reset takes the identity away.

mod admission;
mod install;

use aios_config::{node, reader};
use aios_daemon::{InForce, configuration};
use aios_disk::sources::{self, offered};
use aios_files::unrecorded::{self, Happened};
use aios_service::host;

/// No issue date after the year 2200 is believed, in Unix seconds.
const ISSUED_MAX: u64 = 7_258_118_400;

/// Finds a `node.toml` and installs it. Always 0: a node without one boots, and
/// says what to do.
pub fn run() -> std::process::ExitCode {
    let places = install::Places::default();
    let authority = places.is_provisioned().then(|| places.authority());
    let seeker = match authority {
        Some(_) => sources::For::Node,
        None => sources::For::NewNode,
    };
    let found = sources::find(seeker);
    let node = found.node.as_ref().map(|(source, text)| {
        let read = node::parse(text);
        let admitted = read.and_then(|node| admission::of_node(node, authority.as_deref()));
        (*source, admitted)
    });
    match &node {
        None if authority.is_some() => {}
        None => say(
            "this node has no certificate, so nobody can manage it yet. On the operator's \
             machine: aiosctl pki node; then give the node.toml by fw_cfg (opt/org.aios/node.toml), \
             as /run/provision/node.toml, or on a partition named AIOS-CONFIG, and boot again; or \
             over the network, as the lines about maintenance mode say",
        ),
        Some((source, Ok(node))) => provision(&places, node, source),
        Some((source, Err(why))) if authority.is_some() => refuse(why, source),
        Some((source, Err(why))) => say(&format!("NOT PROVISIONED: {source}: {why}")),
    }
    configure(&found.config, |source| {
        admission::of_config(source, authority.is_some(), &node)
    });
    if let Err(error) = configuration::remember(&aios_service::places::etc_dir()) {
        say(&format!(
            "services have no configuration to fall back to, should this one be made wrong: {error}"
        ));
    }
    match set_name() {
        // A container's runtime may forbid it; the file is there.
        Ok(()) | Err(nix::errno::Errno::EPERM) => {}
        Err(error) => say(&format!("cannot set the host name: {error}")),
    }
    offered::forget();
    std::process::ExitCode::SUCCESS
}

fn provision(places: &install::Places, node: &node::Node, source: &str) {
    // Before anything is written: whoever is killed while a slow disk syncs must not
    // leave a node whose clock is behind every certificate of its operators.
    catch_up(node.node.issued);
    let name = &node.node.name;
    if !places.has(node) {
        record("node.provisioned", name, &given_by(source));
    }
    match install::install(places, node) {
        Ok(()) => say(&format!("provisioned as {name} from {source}")),
        Err(error) => say(&format!("NOT PROVISIONED: {source}: {error}")),
    }
}

/// Somebody tried to make this node another one's.
fn refuse(why: &str, source: &str) {
    record("node.refused", source, why);
    say(&format!(
        "NOT TAKEN OVER: node.toml from {source}: {why}. This node stays what it is; if it is to \
         belong to another authority, an admin erases it first: aiosctl factory-reset"
    ));
}

/// Puts a configuration in place that came with the node, unless it did so before: what an operator
/// changed since is not undone by a stick that is still there. `admit` says why it may not.
fn configure(given: &sources::Source, admit: impl Fn(&str) -> Result<(), String>) {
    let Some((source, text)) = given else { return };
    let config = aios_service::places::etc_dir().join("config.toml");
    let known = config.with_file_name("config.toml.provided");
    if std::fs::read_to_string(&known).is_ok_and(|known| known == *text) {
        return;
    }
    if let Err(why) = admit(source) {
        record("config.refused", source, &why);
        return say(&format!("CONFIGURATION REFUSED: {source}: {why}"));
    }
    if let Err(problems) = aios_config::parse(text) {
        for problem in problems {
            say(&format!(
                "CONFIGURATION REFUSED: {source}: config.toml: {problem}"
            ));
        }
        return;
    }
    record("config.apply", source, "came with the node's identity");
    // Noted last: a power cut between the two installs the same again.
    match install::put_config(&config, text).and_then(|()| install::put_config(&known, text)) {
        Ok(()) => say(&format!("configured from {source}")),
        Err(error) => say(&format!("NOT CONFIGURED: {source}: {error}")),
    }
}

/// From where, and for what came over the network, from whom.
fn given_by(source: &str) -> String {
    let by = (source == sources::NETWORK).then(offered::by).flatten();
    let by = by.map(|address| format!(", {address}")).unwrap_or_default();
    format!("from {source}{by}")
}

/// Keeps it for the audit log, before it has an effect; that opens later in the boot.
fn record(kind: &str, subject: &str, detail: &str) {
    let happened = Happened::now("init", kind, subject, detail);
    if let Err(error) = unrecorded::keep(&aios_service::places::state_dir(), &happened) {
        say(&format!(
            "not on record: {kind} {subject} {detail}: {error}"
        ));
    }
}

/// The host name: the one that the configuration says, else the certificate's.
fn set_name() -> nix::Result<()> {
    let config = InForce::<reader::Provision>::read(&aios_service::places::etc_dir());
    match &config.table::<aios_config::Node>().name {
        Some(name) => nix::unistd::sethostname(name),
        None => host::set_name(),
    }
}

/// Moves the clock up to when the node was issued, if it is behind that: a machine whose
/// battery is empty must serve TLS before it has asked a time server.
fn catch_up(issued: u64) {
    let floor = std::time::Duration::from_secs(issued.min(ISSUED_MAX));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    if now.is_ok_and(|now| now >= floor) {
        return;
    }
    let time = nix::sys::time::TimeSpec::from_duration(floor);
    match nix::time::clock_settime(nix::time::ClockId::CLOCK_REALTIME, time) {
        Ok(()) => {
            say("the clock was behind this node's certificate; moved up");
            // The next boot may find no node.toml, and its battery is still empty.
            if let Err(error) = host::save_time() {
                say(&format!("cannot save the time: {error}"));
            }
        }
        // A container's clock is its host's.
        Err(nix::errno::Errno::EPERM) => {}
        Err(error) => say(&format!("cannot move the clock up: {error}")),
    }
}

fn say(text: &str) {
    // Err: nobody watches.
    let _ = rustix::io::write(std::io::stdout(), format!("aios: {text}\n").as_bytes());
}
