//! A service's manifest: what runs, as whom, with which rights, and what the
//! system does without it.
//!
//! Read once, at start-up. A manifest that is wrong costs only its own service:
//! the others start, and what was wrong is said on the console.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::syscalls::is_deniable;

/// One service. The keys are documented in `init/README.md`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Unique; lower-case letters, digits and `-`. An agent's is `agent-<name>`.
    #[serde(default)]
    pub name: String,
    /// For people, in a sentence.
    #[serde(default)]
    pub description: String,
    /// What the system does without it.
    #[serde(default)]
    pub without: String,
    /// Boot phase that it belongs to, 1 to 4.
    pub phase: u8,
    /// When it is first started.
    #[serde(default)]
    pub start: Start,
    /// Absolute path and arguments; no shell.
    pub command: Vec<String>,
    /// Account, by `accounts::find`.
    pub user: String,
    /// Capabilities kept. Absent: all for root, none for others.
    pub capabilities: Option<Vec<String>>,
    /// Services that this one waits for when it starts, and that outlive it when all stop.
    #[serde(default)]
    pub after: Vec<String>,
    /// When it counts as ready.
    #[serde(default)]
    pub ready: Ready,
    /// Whether it is started again after it ended by itself.
    #[serde(default)]
    pub restart: Restart,
    /// Not started again sooner than this after a failure. Milliseconds.
    #[serde(default)]
    pub restart_after_ms: u64,
    /// It is run by `aios-init unit-run`, from a unit file.
    #[serde(skip)]
    pub unit: bool,
    /// What is left of it when its main process has ended is left alone.
    #[serde(skip)]
    pub spares_rest: bool,
    /// Not ready after this: stopped, and tried again. Milliseconds.
    #[serde(default = "default_start_timeout")]
    pub start_timeout_ms: u64,
    /// Killed when it still runs so long after it was asked to stop. Milliseconds.
    #[serde(default = "default_stop_timeout")]
    pub stop_timeout_ms: u64,
    /// Killed when it is silent for so long (`WATCHDOG=1`); 0: never. Milliseconds.
    #[serde(default)]
    pub watchdog_ms: u64,
    /// `EXTEND_TIMEOUT_USEC` moves its start and stop timeouts. Not for agents.
    #[serde(default)]
    pub extends_timeouts: bool,
    /// It is an agent: the emergency stop kills it.
    #[serde(skip)]
    pub agent: bool,
    /// Where its output goes.
    #[serde(default)]
    pub output: Output,
    /// Only started in this way of running.
    pub only_on: Option<Way>,
    /// Only started while this path exists; else it counts as done.
    pub condition_path: Option<PathBuf>,
    /// Added to its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Made before it starts, owned by `user`, mode 0700.
    #[serde(default)]
    pub state_dirs: Vec<PathBuf>,
    /// PID 1 makes `/run/aios/<socket>.sock` for it, where only root may make any. An agent has one
    /// without saying so.
    pub socket: Option<String>,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// What it cannot see.
    #[serde(default)]
    pub sandbox: Sandbox,
}

impl Manifest {
    /// Of a service that a unit file describes: run by this executable, as root,
    /// which gives up what the unit does not grant.
    pub fn unit(name: String, executable: &Path, files_max: Option<u64>) -> Self {
        let program = executable.to_string_lossy().into_owned();
        Self {
            command: vec![program, "unit-run".to_owned(), name.clone()],
            name,
            description: String::new(),
            without: String::new(),
            phase: 3,
            start: Start::Demand,
            user: "root".to_owned(),
            capabilities: None,
            after: Vec::new(),
            ready: Ready::Notify,
            restart: Restart::Never,
            restart_after_ms: 0,
            unit: true,
            spares_rest: false,
            start_timeout_ms: default_start_timeout(),
            stop_timeout_ms: default_stop_timeout(),
            watchdog_ms: 0,
            extends_timeouts: true, // as under systemd
            agent: false,
            output: Output::Log,
            only_on: None,
            condition_path: None,
            environment: BTreeMap::new(),
            state_dirs: Vec::new(),
            socket: None,
            limits: Limits {
                files_max,
                ..Limits::default()
            },
            sandbox: Sandbox::default(),
        }
    }
}

/// When a service is first started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At boot.
    #[default]
    Boot,
    /// When asked.
    Demand,
}

/// When a service counts as ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    /// When it says `READY=1` (sd_notify(3)).
    #[default]
    Notify,
    /// As soon as it is executed.
    Exec,
    /// When it ended with status 0.
    Oneshot,
}

/// Whether a service is started again after it ended by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// However it ended.
    #[default]
    Always,
    /// Unless it ended with status 0.
    OnFailure,
    /// Not.
    Never,
}

/// Where a service's output goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// To its file in the logger's folder.
    #[default]
    Log,
    /// To the console: for what an operator must see during boot, and the logger itself.
    Console,
}

/// Which of the ways of running the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// With a kernel of its own: PC, server, virtual machine.
    Machine,
    /// In namespaces of another system's kernel.
    Container,
}

impl Way {
    /// How this system runs: in a container when the environment variable `container` is set (as
    /// runc, crun, podman and systemd-nspawn do or can be told to).
    pub fn here() -> Self {
        match std::env::var_os("container") {
            Some(kind) if !kind.is_empty() => Self::Container,
            _ => Self::Machine,
        }
    }
}

/// What a service may use.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// `memory.max` of its cgroup, bytes.
    pub memory_max_bytes: Option<u64>,
    /// The same, of the machine's memory, in per cent: for what grows with the machine.
    pub memory_max_percent: Option<u8>,
    /// `pids.max` of its cgroup.
    pub tasks_max: Option<u64>,
    /// `RLIMIT_NOFILE`.
    pub files_max: Option<u64>,
}

impl Limits {
    /// Bytes of memory, on a machine with so many; none: as many as there are.
    pub fn memory_max(&self, machine: u64) -> Option<u64> {
        let part = |percent: u8| machine / 100 * u64::from(percent);
        self.memory_max_bytes
            .or_else(|| self.memory_max_percent.map(part))
    }
}

/// What a service cannot see.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// An empty network namespace of its own.
    #[serde(default)]
    pub private_network: bool,
    /// A root of its own that holds these paths alone, read-only; then `private_files` says nothing
    /// more. Not with `state_dirs`.
    pub root: Option<Vec<PathBuf>>,
    /// A mount namespace of its own: private folders hidden, the rest read-only.
    #[serde(default)]
    pub private_files: bool,
    /// Which system calls it may make. Absent: all.
    pub syscalls: Option<Syscalls>,
    /// Those that it may make though the set has them not.
    #[serde(default)]
    pub syscalls_allowed: Vec<String>,
    /// Which sockets it may make; only with `syscalls`.
    #[serde(default)]
    pub sockets: Sockets,
    /// Which files it may use. Absent: all.
    pub landlock: Option<Paths>,
}

/// A named set of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syscalls {
    /// What a daemon needs: all but what changes the machine, reaches into other
    /// processes or makes namespaces.
    Service,
    /// What an agent needs, and nothing else.
    Agent,
}

/// Kinds of sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sockets {
    /// All.
    #[default]
    Any,
    /// Those to processes on this machine (unix(7)).
    Unix,
}

/// Paths with all below them. Those that are not there are passed over.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paths {
    /// May be read.
    #[serde(default)]
    pub read: Vec<PathBuf>,
    /// May be read and changed.
    #[serde(default)]
    pub write: Vec<PathBuf>,
    /// May be read and executed.
    #[serde(default)]
    pub execute: Vec<PathBuf>,
}

fn default_start_timeout() -> u64 {
    30_000
}

fn default_stop_timeout() -> u64 {
    5_000
}

/// The longest timeout that a manifest may ask for: ten minutes.
pub const TIMEOUT_MAX_MS: u64 = 600_000;

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not a manifest.
    #[error("{path}: {source}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where in it, and why.
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{path}: {reason}")]
    Value {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What of an agent's manifest concerns PID 1 (the rest is `aios_daemon::manifest`'s).
#[derive(Deserialize)]
struct AgentFile {
    #[serde(default)]
    description: String,
    service: Manifest,
}

/// All manifests below `etc`, and what is wrong with those left out. Ordered by
/// folder and name, so that every boot is alike.
pub fn load(etc: &Path, way: Way) -> (Vec<Manifest>, Vec<ManifestError>) {
    let mut good: Vec<Manifest> = Vec::new();
    let mut bad = Vec::new();
    let services = files(&etc.join("services"))
        .into_iter()
        .map(|path| parse_service(&path));
    let agents = files(&etc.join("agents"))
        .into_iter()
        .map(|path| parse_agent(&path));
    for parsed in services.chain(agents) {
        match parsed {
            Ok(manifest) if manifest.only_on.is_some_and(|only| only != way) => {}
            Ok(manifest) => good.push(manifest),
            Err(error) => bad.push(error),
        }
    }
    (good, bad)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    paths
}

fn parse_service(path: &Path) -> Result<Manifest, ManifestError> {
    let manifest: Manifest = read(path)?;
    if path
        .file_stem()
        .is_none_or(|stem| stem != manifest.name.as_str())
    {
        return Err(wrong(
            path,
            format!("names {:?}; must be named as the file", manifest.name),
        ));
    }
    check(path, &manifest)?;
    Ok(manifest)
}

fn parse_agent(path: &Path) -> Result<Manifest, ManifestError> {
    let AgentFile {
        description,
        service,
    } = read(path)?;
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy())
        .unwrap_or_default();
    let mut manifest = Manifest {
        name: format!("agent-{stem}"),
        start: Start::Demand,
        agent: true,
        ..service
    };
    if manifest.description.is_empty() {
        manifest.description = description;
    }
    if manifest.phase != 4 {
        return Err(wrong(path, "an agent belongs to phase 4".to_owned()));
    }
    if manifest.extends_timeouts {
        return Err(wrong(path, "an agent's timeouts hold".to_owned()));
    }
    check(path, &manifest)?;
    Ok(manifest)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ManifestError> {
    let text = std::fs::read_to_string(path).map_err(|source| ManifestError::Read {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|source| ManifestError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn wrong(path: &Path, reason: String) -> ManifestError {
    ManifestError::Value {
        path: path.to_owned(),
        reason,
    }
}

/// Is every value one that PID 1 can act on?
fn check(path: &Path, manifest: &Manifest) -> Result<(), ManifestError> {
    let refuse = |reason: String| Err(wrong(path, reason));
    if !is_name(&manifest.name) {
        return refuse(format!(
            "{:?} is no service name (a-z, 0-9, -)",
            manifest.name
        ));
    }
    if !(1..=4).contains(&manifest.phase) {
        return refuse(format!("phase is {}, must be 1 to 4", manifest.phase));
    }
    if !manifest
        .command
        .first()
        .is_some_and(|program| program.starts_with('/'))
    {
        return refuse("command must begin with an absolute path".to_owned());
    }
    let environment = manifest
        .environment
        .iter()
        .flat_map(|(key, value)| [key, value]);
    if manifest
        .command
        .iter()
        .chain(environment)
        .any(|text| text.contains('\0'))
    {
        return refuse("command or environment holds a NUL".to_owned());
    }
    if manifest
        .environment
        .keys()
        .any(|key| key.is_empty() || key.contains('='))
    {
        return refuse("an environment variable's name is empty or holds =".to_owned());
    }
    let times = [
        manifest.start_timeout_ms,
        manifest.stop_timeout_ms,
        manifest.restart_after_ms.max(1),
        manifest.watchdog_ms.max(1),
    ];
    if times
        .iter()
        .any(|time| !(1..=TIMEOUT_MAX_MS).contains(time))
    {
        return refuse(format!("timeouts are 1 to {TIMEOUT_MAX_MS} ms"));
    }
    if manifest
        .socket
        .as_ref()
        .is_some_and(|name| !is_name(name) || manifest.agent)
    {
        return refuse("socket is a daemon's name (a-z, 0-9, -), and no agent's".to_owned());
    }
    let limits = &manifest.limits;
    if limits.memory_max_bytes.is_some() && limits.memory_max_percent.is_some() {
        return refuse("limits: one memory_max is enough".to_owned());
    }
    if limits
        .memory_max_percent
        .is_some_and(|percent| !(1..=100).contains(&percent))
    {
        return refuse("limits: memory_max_percent is 1 to 100".to_owned());
    }
    for name in manifest.capabilities.iter().flatten() {
        if caps::Capability::from_str(name).is_err() {
            return refuse(format!("{name:?} is no capability"));
        }
    }
    let allowed = &manifest.sandbox.syscalls_allowed;
    if let Some(name) = allowed.iter().find(|name| !is_deniable(name)) {
        return refuse(format!(
            "syscalls_allowed: {name:?} is not among those denied"
        ));
    }
    if manifest.sandbox.syscalls == Some(Syscalls::Agent) && !allowed.is_empty() {
        return refuse("syscalls_allowed: the set \"agent\" has no exceptions".to_owned());
    }
    if manifest.sandbox.sockets != Sockets::Any && manifest.sandbox.syscalls.is_none() {
        return refuse("sandbox.sockets needs sandbox.syscalls".to_owned());
    }
    let mut root = manifest.sandbox.root.iter().flatten();
    if root.any(|path| !is_plain_path(path)) {
        return refuse("sandbox.root: all must be plain absolute paths".to_owned());
    }
    if manifest.sandbox.root.is_some() && !manifest.state_dirs.is_empty() {
        return refuse("sandbox.root: state_dirs would not be in it".to_owned());
    }
    let landlock = manifest.sandbox.landlock.iter();
    let mut landlock = landlock.flat_map(|paths| [&paths.read, &paths.write, &paths.execute]);
    if landlock.any(|list| list.iter().any(|path| !path.is_absolute())) {
        return refuse("landlock: all paths must be absolute".to_owned());
    }
    let condition = manifest.condition_path.iter();
    let paths = condition
        .map(|path| ("condition_path", path))
        .chain(manifest.state_dirs.iter().map(|path| ("state_dirs", path)));
    for (key, path) in paths {
        if !is_plain_path(path) {
            let path = path.display();
            return refuse(format!("{key}: {path} is not a plain absolute path"));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.len() <= 48 && name.chars().all(allowed) && !name.starts_with('-')
}

/// Absolute, at least two folders deep, no `.` or `..`.
fn is_plain_path(path: &Path) -> bool {
    use std::path::Component::{Normal, RootDir};
    path.is_absolute()
        && path.components().count() > 2
        && path
            .components()
            .all(|part| matches!(part, Normal(_) | RootDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: &str = "name = \"memory\"\nphase = 3\nuser = \"root\"\n\
        command = [\"/bin/true\"]\nstate_dirs = [\"/var/lib/aios/memory\"]\n";

    fn load_one(folder: &str, file: &str, text: &str) -> (Vec<Manifest>, Vec<ManifestError>) {
        let etc = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(etc.path().join(folder)).unwrap();
        std::fs::write(etc.path().join(folder).join(file), text).unwrap();
        load(etc.path(), Way::Container)
    }

    #[test]
    fn a_manifest_with_a_mistake_is_refused_by_name_and_reason() {
        let check = |from: &str, to: &str, reason: &str| {
            let (good, bad) = load_one("services", "memory.toml", &MEMORY.replace(from, to));
            assert!(good.is_empty(), "{to} was accepted");
            assert!(
                bad[0].to_string().contains(reason),
                "{} lacks {reason}",
                bad[0]
            );
        };
        check("\"memory\"", "\"other\"", "named as the file");
        check("phase = 3", "phase = 7", "phase is 7");
        check("/bin/true", "true", "absolute path");
        check(
            "/var/lib/aios/memory",
            "/var/lib/../etc",
            "plain absolute path",
        );
        check("/var/lib/aios/memory", "/var", "plain absolute path");
        check("user", "capabilities = [\"CAP_FLY\"]\nuser", "CAP_FLY");
        check("user", "usr = \"x\"\nuser", "usr");
        check(
            "user",
            "sandbox = { syscalls_allowed = [\"fly\"] }\nuser",
            "not among those",
        );
        check(
            "user",
            "sandbox = { syscalls = \"agent\", syscalls_allowed = [\"mount\"] }\nuser",
            "no exceptions",
        );
        check(
            "user",
            "sandbox = { landlock = { read = [\"etc\"] } }\nuser",
            "absolute",
        );
        check("user", "start_timeout_ms = 0\nuser", "timeouts");
        check(
            "user",
            "limits = { memory_max_percent = 0 }\nuser",
            "1 to 100",
        );
        check(
            "user",
            "limits = { memory_max_percent = 9, memory_max_bytes = 9 }\nuser",
            "one memory_max",
        );
        check(
            "user",
            "sandbox = { root = [\"/usr/lib/aios\"] }\nuser",
            "state_dirs would not",
        );
        check(
            "user",
            "sandbox = { root = [\"/\"] }\nuser",
            "plain absolute",
        );
        check(
            "user",
            "sandbox = { sockets = \"unix\" }\nuser",
            "needs sandbox.syscalls",
        );
    }

    #[test]
    fn defaults_are_what_the_readme_says() {
        let (good, bad) = load_one("services", "memory.toml", MEMORY);
        assert!(bad.is_empty(), "{bad:?}");
        assert_eq!(good[0].start, Start::Boot);
        assert_eq!(good[0].ready, Ready::Notify);
        assert_eq!(good[0].restart, Restart::Always);
        assert_eq!(
            (good[0].start_timeout_ms, good[0].stop_timeout_ms),
            (30_000, 5_000)
        );
    }

    #[test]
    fn an_agent_is_a_demand_service_of_phase_4() {
        let text = "name = \"storage\"\ndescription = \"Files.\"\ntools = []\ncapabilities = []\n\
            [service]\nphase = 4\nuser = \"root\"\ncommand = [\"/bin/true\"]\n";
        let (good, bad) = load_one("agents", "storage.toml", text);
        assert!(bad.is_empty(), "{bad:?}");
        assert_eq!(good[0].name, "agent-storage");
        assert_eq!(good[0].start, Start::Demand);
        assert_eq!(good[0].description, "Files.");
        assert!(good[0].agent);
    }

    #[test]
    fn an_agent_cannot_ask_for_more_time() {
        let text = "description = \"Files.\"\n[service]\nphase = 4\nuser = \"root\"\n\
            command = [\"/bin/true\"]\nextends_timeouts = true\n";
        let (good, bad) = load_one("agents", "storage.toml", text);
        assert!(good.is_empty());
        assert!(bad[0].to_string().contains("timeouts hold"), "{}", bad[0]);
        let (good, _) = load_one("services", "memory.toml", MEMORY);
        assert!(!good[0].extends_timeouts && !good[0].agent);
    }

    #[test]
    fn what_is_only_for_a_machine_is_left_out_of_a_container() {
        let text = MEMORY.replace("user", "only_on = \"machine\"\nuser");
        let (good, bad) = load_one("services", "memory.toml", &text);
        assert!(good.is_empty() && bad.is_empty());
    }

    #[test]
    fn the_shipped_manifests_are_all_right() {
        let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/etc/aios");
        let (good, bad) = load(&etc, Way::Machine);
        assert!(bad.is_empty(), "{bad:?}");
        let names: Vec<&str> = good.iter().map(|manifest| manifest.name.as_str()).collect();
        for name in [
            "provision",
            "control",
            "logger",
            "network",
            "runtime",
            "memory",
        ] {
            assert!(names.contains(&name), "{name} is missing");
        }
        for manifest in &good {
            for other in &manifest.after {
                assert!(
                    names.contains(&other.as_str()),
                    "{} after {other}",
                    manifest.name
                );
            }
        }
    }

    #[test]
    fn no_shipped_service_and_no_agent_may_take_all_memory() {
        let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/etc/aios");
        const MACHINE: u64 = 1 << 30; // the smallest that is supported
        for way in [Way::Machine, Way::Container] {
            for manifest in load(&etc, way).0 {
                let limit = manifest.limits.memory_max(MACHINE);
                let name = &manifest.name;
                assert!(
                    limit.is_some_and(|limit| limit <= MACHINE / 4 * 3),
                    "{name}"
                );
                assert!(manifest.limits.tasks_max.is_some(), "{name}");
            }
        }
    }

    #[test]
    fn who_is_not_root_and_serves_has_its_socket_made() {
        let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/etc/aios");
        let all = load(&etc, Way::Machine).0;
        let own = all.iter().filter_map(|manifest| {
            let socket = manifest.socket.as_deref()?;
            Some((manifest.name.as_str(), socket))
        });
        let expected = [
            ("control", "init"),
            ("memory", "memory"),
            ("runtime", "runtime"),
            ("tools", "tools"),
        ];
        assert_eq!(own.collect::<Vec<_>>(), expected);
    }
}
