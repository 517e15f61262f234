//! What all orders about packages have in common: a plan is captured, made, checked, taken back.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aios_contracts::v1::packages_client::PackagesClient;
use aios_contracts::v1::{self, PackageOrder};
use aios_daemon::demand::Demand;
use aios_packages::{database, transaction};
use aios_tool::changes::{self, Planned};
use aios_tool::error::ToolError;
use aios_tool::file::state::State;
use aios_tool::format::{bytes, printable};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::{ChangeSet, InverseCall, Step};
use serde_json::json;
use tonic::transport::Channel;

/// The daemon's name in init, and of its socket.
const DAEMON: &str = "packages";

/// How long an order may take: fetching over a slow line, and all scripts.
pub const TIMEOUT_MS: u32 = 2_400_000;

/// A unit file that a package brings: the service's name is the file's.
const UNITS: [&str; 2] = ["/usr/lib/systemd/system/", "/lib/systemd/system/"];
const SERVICE: &str = ".service";

/// So many names a summary has.
const NAMED: usize = 8;

/// A package that came, went, or changed its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// Its name.
    pub package: String,
    /// The version before; absent when it was not installed.
    pub before: Option<String>,
    /// The version now; absent when it is not installed any more.
    pub after: Option<String>,
}

/// What an order changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Packages that came, went, or changed their version; none when all was as ordered before.
    pub packages: Vec<Changed>,
    /// Files, folders and links that were changed.
    pub changes: u64,
    /// What they take on the disk more than before, in bytes; below 0: less.
    pub bytes: i64,
    /// Services that came with them; none of them is started.
    pub services: Vec<String>,
}

/// What every tool that changes packages declares.
pub fn declaration(name: &str, description: &str) -> Declaration {
    Declaration::of(name, description)
        .risk(Risk::High)
        .timeout_ms(TIMEOUT_MS)
        .kernel(aios_tool::file::MOVING)
        // All orders come one after the other: each changes the package database.
        .needing("pkg", "change", "database")
        .changing_the_system()
}

/// Has the order worked out in a shadow, and captures what it changes.
///
/// # Errors
/// What stands in the way, in the daemon's words; then nothing was changed.
pub fn capture(
    order: PackageOrder,
    packages: &[&str],
    capture: &mut Capture,
    context: &Context,
) -> Result<(), ToolError> {
    prepare(order, packages, context)?;
    let captured = captured(capture, context);
    if captured.is_err() {
        discard(context);
    }
    captured
}

/// Has the order worked out in a shadow, and says what it would change.
///
/// # Errors
/// What stands in the way, in the daemon's words.
pub fn preview(
    order: PackageOrder,
    packages: &[&str],
    context: &Context,
) -> Result<Preview, ToolError> {
    prepare(order, packages, context)?;
    let foreseen = changes::read(&plan(context)).and_then(|planned| foreseen(&planned));
    discard(context);
    foreseen
}

fn prepare(order: PackageOrder, packages: &[&str], context: &Context) -> Result<(), ToolError> {
    let request = v1::PrepareRequest {
        id: context.execution().to_owned(),
        order: order.into(),
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
    };
    let limit = Duration::from_millis(TIMEOUT_MS.into());
    let (demand, client) = daemon(context)?;
    context.block_on(demand.ask(limit, || {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.prepare(request).await }
    }))?;
    Ok(())
}

/// The packages first, then the files in which they come, without those of the package database.
fn foreseen(planned: &[Planned]) -> Result<Preview, ToolError> {
    let status = planned.iter().find(|one| one.path == database::STATUS);
    let packages = match status.and_then(|one| one.content.as_deref()) {
        None => Vec::new(),
        Some(after) => transaction::compare(&text(Path::new(database::STATUS))?, &text(after)?),
    };
    let named = packages.into_iter().map(|change| {
        let version = |version: &str| match version {
            "" => "not installed".to_owned(),
            version => printable(version),
        };
        let object = format!("package {}", printable(&change.name));
        Foreseen::of(object, &version(&change.before), &version(&change.after))
    });
    let files = planned
        .iter()
        .filter(|one| !changes::is_within(&one.path, changes::DATABASE));
    let files = files.filter_map(|one| match State::at(&one.path) {
        Ok(now) if now.is_as(&one.after) => None,
        Ok(now) => Some(Ok(Foreseen::at(&one.path, &now, &one.after))),
        Err(error) => Some(Err(error)),
    });
    named.map(Ok).chain(files).collect()
}

fn text(path: &Path) -> Result<Vec<database::Package>, ToolError> {
    let read = std::fs::read(path).map_err(|error| ToolError::io(path.display(), error))?;
    Ok(database::parse(&String::from_utf8_lossy(&read)))
}

fn captured(capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
    let planned = changes::read(&plan(context))?;
    capture.changes(&planned, context)?;
    for service in services(&planned, &|before, after| {
        before == &State::Absent && after != &State::Absent
    })? {
        // It may run when this is taken back; its files go then.
        capture.call(InverseCall {
            tool: "service.stop".to_owned(),
            arguments: json!({ "service": service }),
            undone: format!("{service} is stopped"),
        });
    }
    Ok(())
}

/// Makes what was captured. When a part cannot be made, all of it is taken back.
///
/// # Errors
/// What could not be made; `Unverified` when a part of it is left.
pub fn act(context: &Context) -> Result<Output, ToolError> {
    let made = made(context);
    discard(context);
    made
}

fn made(context: &Context) -> Result<Output, ToolError> {
    let planned = changes::read(&plan(context))?;
    for service in losing(&planned, Path::new("/")) {
        stop(&service, context)?;
    }
    let set = ChangeSet::of(context)?;
    changes::made(&set, &planned, context.execution())?;
    output(&set)
}

/// Is the package installed, as it is meant to be or not to be?
///
/// # Errors
/// `Unverified` when it is otherwise.
pub fn is_installed(name: &str, meant: bool) -> Result<(), ToolError> {
    let packages = database::installed()?;
    let is_there = packages.iter().any(|package| package.name == name);
    if is_there == meant {
        return Ok(());
    }
    let now = if is_there { "is" } else { "is not" };
    Err(ToolError::Unverified(format!("{name} {now} installed")))
}

/// Is everything as it was planned?
///
/// # Errors
/// `Unverified` when it is not.
pub fn verify(context: &Context) -> Result<(), ToolError> {
    match ChangeSet::of(context)?.is_made()? {
        true => Ok(()),
        false => Err(ToolError::Unverified(
            "the files are not as they were planned".into(),
        )),
    }
}

/// The process died in the act: it was made, or whatever was made of it is taken back.
///
/// # Errors
/// When it cannot be taken back.
pub fn found_done(
    interrupted: &Interrupted<'_>,
    context: &Context,
) -> Result<Option<Output>, ToolError> {
    let Some(Step::ChangeSet(set)) = interrupted.steps.first() else {
        return Ok(None);
    };
    if set.is_made()? {
        discard(context);
        return output(set).map(Some);
    }
    set.end_interrupted(interrupted.execution)?;
    Ok(None)
}

/// One line of what became of it.
pub fn summarize(done: &str, output: &Output) -> String {
    if output.packages.is_empty() {
        return format!("{done}: it was so already");
    }
    let one = |change: &Changed| match (&change.before, &change.after) {
        (None, Some(after)) => format!("{} {after}", change.package),
        (Some(before), Some(after)) => format!("{} {before} to {after}", change.package),
        (_, None) => change.package.clone(),
    };
    let mut named: Vec<String> = output.packages.iter().take(NAMED).map(one).collect();
    if output.packages.len() > NAMED {
        named.push(format!("{} more", output.packages.len() - NAMED));
    }
    let size = bytes(output.bytes.unsigned_abs());
    let room = match output.bytes < 0 {
        true => format!("{size} freed"),
        false => format!("{size} more"),
    };
    let services = match output.services.as_slice() {
        [] => String::new(),
        services => format!("; not started: {}", services.join(", ")),
    };
    format!(
        "{done}: {} ({} changes, {room}){services}",
        named.join(", "),
        output.changes
    )
}

fn plan(context: &Context) -> PathBuf {
    let shadows = context.state_dir().join("packages/shadow");
    shadows.join(context.execution()).join("plan.jsonl")
}

/// The names of services whose unit files change in this way.
fn services(
    planned: &[Planned],
    which: &dyn Fn(&State, &State) -> bool,
) -> Result<Vec<String>, ToolError> {
    let mut names = Vec::new();
    for one in planned {
        if let Some(name) = service(&one.path)
            && which(&State::at(&one.path)?, &one.after)
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The services that lose their unit file or the program that it starts: another package may have
/// brought the one than the other.
fn losing(planned: &[Planned], root: &Path) -> Vec<String> {
    let gone: HashSet<&str> = planned
        .iter()
        .filter(|one| one.after == State::Absent)
        .map(|one| one.path.as_str())
        .collect();
    let mut names: Vec<String> = Vec::new();
    for folder in UNITS {
        let files = std::fs::read_dir(root.join(folder.trim_matches('/')));
        for entry in files.into_iter().flatten().flatten() {
            let path = format!("{folder}{}", entry.file_name().to_string_lossy());
            let Some(name) = service(&path).filter(|name| !names.iter().any(|one| one == name))
            else {
                continue;
            };
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            if gone.contains(path.as_str()) || programs(&text).any(|program| gone.contains(program))
            {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// The programs that a unit file starts; systemd.service(5), "ExecStart=": what stands before the path
/// changes how.
fn programs(unit: &str) -> impl Iterator<Item = &str> {
    let commands = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ExecStart="));
    commands.filter_map(|command| {
        let word = command.split_whitespace().next()?;
        Some(word.trim_start_matches(['-', '@', ':', '+', '!']))
    })
}

/// The service of a unit file. A template (`postgresql@.service`) is none by itself.
fn service(path: &str) -> Option<&str> {
    let file = UNITS.iter().find_map(|folder| path.strip_prefix(folder))?;
    let name = file.strip_suffix(SERVICE)?;
    (!name.contains('/') && !name.ends_with('@')).then_some(name)
}

/// What the change set did: the package database before and now, and the sizes of its files.
fn output(set: &ChangeSet) -> Result<Output, ToolError> {
    let entries = set.entries()?;
    let status = entries.iter().find(|entry| entry.path == database::STATUS);
    let packages = match status.and_then(|entry| entry.content.as_deref()) {
        None => Vec::new(),
        Some(before) => transaction::compare(&text(before)?, &text(Path::new(database::STATUS))?),
    };
    let size = |state: &State| match state {
        State::File { size, .. } => i64::try_from(*size).unwrap_or(i64::MAX),
        _ => 0,
    };
    let some = |version: String| (!version.is_empty()).then(|| printable(&version));
    let come = |entry: &&aios_tool::undo::Entry| entry.before == State::Absent;
    Ok(Output {
        packages: packages
            .into_iter()
            .map(|change| Changed {
                package: printable(&change.name),
                before: some(change.before),
                after: some(change.after),
            })
            .collect(),
        changes: set.changes,
        bytes: entries
            .iter()
            .map(|entry| size(&entry.after).saturating_sub(size(&entry.before)))
            .fold(0, i64::saturating_add),
        services: entries
            .iter()
            .filter(come)
            .filter_map(|entry| service(&entry.path))
            .map(printable)
            .collect(),
    })
}

/// Has PID 1 stop a service whose files go. One that it does not know does not run.
fn stop(name: &str, context: &Context) -> Result<(), ToolError> {
    let mut init = context.init()?;
    let request = v1::ServiceRequest {
        name: name.to_owned(),
    };
    let stopped = context.block_on(async { init.stop_service(request).await });
    match stopped {
        Ok(_) | Err(ToolError::Precondition(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Has the shadow thrown away. The daemon forgets old ones by itself.
fn discard(context: &Context) {
    let request = v1::DiscardRequest {
        id: context.execution().to_owned(),
    };
    let limit = Duration::from_secs(60);
    let discarded = daemon(context).and_then(|(demand, client)| {
        context.block_on(demand.ask(limit, || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.discard(request).await }
        }))
    });
    if let Err(error) = discarded {
        tracing::warn!("a shadow of the root is still there: {error}");
    }
}

/// The daemon, which is started when it is asked.
pub(super) fn daemon(context: &Context) -> Result<(Demand, PackagesClient<Channel>), ToolError> {
    let demand = Demand::new(context.init()?, DAEMON);
    Ok((demand, PackagesClient::new(context.daemon(DAEMON)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_as_its_unit_file() {
        let check = |path: &str, name: Option<&str>| assert_eq!(service(path), name, "{path}");
        check("/usr/lib/systemd/system/nginx.service", Some("nginx"));
        check("/lib/systemd/system/ssh.service", Some("ssh"));
        check("/usr/lib/systemd/system/postgresql@.service", None);
        check("/usr/lib/systemd/system/ssh.socket", None);
        check("/usr/lib/systemd/system/a.d/b.service", None);
        check("/etc/systemd/system/x.service", None);
    }

    #[test]
    fn a_service_whose_program_goes_is_stopped() {
        let root = tempfile::tempdir().unwrap();
        let units = root.path().join("usr/lib/systemd/system");
        std::fs::create_dir_all(&units).unwrap();
        let unit = |name: &str, start: &str| {
            std::fs::write(units.join(name), format!("[Service]\nExecStart={start}\n")).unwrap();
        };
        unit("nginx.service", "-/usr/sbin/nginx -g 'daemon on;'");
        unit("other.service", "/usr/bin/other /usr/sbin/nginx");
        unit("own.service", "/usr/bin/own");
        unit("nginx@.service", "/usr/sbin/nginx");
        let gone = |path: &str| Planned {
            path: path.to_owned(),
            after: State::Absent,
            content: None,
        };
        let planned = [
            gone("/usr/sbin/nginx"),
            gone("/usr/lib/systemd/system/own.service"),
        ];
        let mut names = losing(&planned, root.path());
        names.sort();
        assert_eq!(names, ["nginx", "own"]);
        assert!(losing(&[], root.path()).is_empty());
    }

    #[test]
    fn a_summary_says_what_came_and_what_is_not_started() {
        let change = |package: &str, before: Option<&str>, after: Option<&str>| Changed {
            package: package.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let output = |packages: &[Changed]| Output {
            packages: packages.to_vec(),
            changes: 137,
            bytes: 1_900_000,
            services: vec!["nginx".to_owned()],
        };
        assert_eq!(
            summarize(
                "nginx is installed",
                &output(&[change("nginx", None, Some("1.26"))])
            ),
            "nginx is installed: nginx 1.26 (137 changes, 1.9 MB more); not started: nginx"
        );
        assert_eq!(
            summarize("x is installed", &output(&[])),
            "x is installed: it was so already"
        );
    }
}
