//! The appliance in a container: the same PID 1 and root file system, at
//! native speed, with an OCI runtime instead of a machine.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Resource;
use serde_json::{Value, json};

use crate::artefacts::Artefacts;
use crate::forward;
use crate::machine::Options;

/// The OCI runtime. crun refuses to run where the host has hybrid cgroups.
const RUNTIME: &str = "runc";

/// How long the runtime may take to make the container, and to remove it.
const RUNTIME_LIMIT: Duration = Duration::from_secs(20);

/// What PID 1 and the services under it need of root's powers, with their
/// numbers (capabilities(7)); not what only hardware needs (modules, raw I/O,
/// the clock).
const CAPABILITIES: [(&str, u32); 20] = [
    ("CAP_AUDIT_WRITE", 29),
    ("CAP_CHOWN", 0),
    ("CAP_DAC_OVERRIDE", 1),
    ("CAP_DAC_READ_SEARCH", 2),
    ("CAP_FOWNER", 3),
    ("CAP_FSETID", 4),
    ("CAP_IPC_LOCK", 14),
    ("CAP_KILL", 5),
    ("CAP_MKNOD", 27),
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_BIND_SERVICE", 10),
    ("CAP_NET_RAW", 13),
    ("CAP_SETFCAP", 31),
    ("CAP_SETGID", 6),
    ("CAP_SETPCAP", 8),
    ("CAP_SETUID", 7),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYS_PTRACE", 19),
    ("CAP_SYS_RESOURCE", 24),
    ("CAP_SYSLOG", 34),
];

/// Open files that PID 1 and its services may have, where the host allows it.
const FILES_MAX: u64 = 65_536;

/// Not to be seen in the container: what tells of the host, or reaches into it (as runc and Podman have it
/// by default).
const MASKED: [&str; 9] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/firmware",
];

/// Not to be changed there: settings of the host's kernel, `core_pattern` among them.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// A running container; killed when dropped.
pub struct Container {
    id: String,
    bundle: PathBuf,
    runtime: Option<Child>,
    pid: u32,
    port: u16,
    /// Holds the port until the container has ended or a process of its own has it.
    listener: Option<TcpListener>,
}

impl Container {
    /// Makes the bundle and starts it; PID 1's output goes to `console`.
    ///
    /// # Errors
    /// When the bundle cannot be written, the port is taken, or the runtime
    /// does not get the container to run.
    pub fn start(
        artefacts: &Artefacts,
        options: &Options,
        node: &Path,
        console: &Path,
    ) -> Result<Self> {
        let bundle = options.folder.join("bundle");
        let data = options.folder.join("data");
        std::fs::create_dir_all(&bundle)?;
        std::fs::create_dir_all(&data)?;
        let config = config(&artefacts.rootfs, &data, options, node)?;
        std::fs::write(
            bundle.join("config.json"),
            serde_json::to_vec_pretty(&config)?,
        )?;
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .with_context(|| format!("port {} is taken", options.port))?;
        let id = format!("aios-{}-{}", std::process::id(), options.port);
        let log = File::create(options.folder.join("runc.log"))?;
        let runtime = Command::new(RUNTIME)
            .args(["run", "--bundle"])
            .arg(&bundle)
            .arg(&id)
            .stdin(Stdio::null())
            .stdout(File::options().append(true).open(console)?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("cannot start runc; `cargo xtask run` installs it")?;
        let mut container = Self {
            id,
            bundle,
            runtime: Some(runtime),
            pid: 0,
            port: options.port,
            listener: Some(listener.try_clone()?),
        };
        container.pid = container.wait_for_pid(&options.folder)?;
        let pid = container.pid;
        thread::spawn(move || forward::serve(&listener, pid));
        Ok(container)
    }

    /// Its name, for the runtime.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The container's PID 1, as the host numbers it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Is PID 1 gone?
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        if let Some(runtime) = &mut self.runtime
            && runtime.try_wait()?.is_none()
        {
            return Ok(false);
        }
        self.kill()?; // tidies up: its name and its port may be used again
        Ok(true)
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        self.listener = None;
        let Some(mut runtime) = self.runtime.take() else {
            return Ok(());
        };
        if runtime.try_wait()?.is_none() {
            drop(self.runc(&["kill", &self.id, "KILL"])); // gone already: nothing to kill
            runtime.wait()?;
        }
        drop(self.runc(&["delete", "--force", &self.id])); // removed itself: nothing to delete
        Ok(())
    }

    /// Leaves the container running, its port kept by a process of its own
    /// (`xtask forward`, which is the current executable).
    pub(crate) fn leave_running(mut self) -> Result<()> {
        let inherited = self.listener.take().context("the container has ended")?;
        let log = File::create(self.bundle.join("forward.log"))?;
        // The child gets the listening socket itself, as its standard input:
        // there is no moment at which the port is not open.
        Command::new(std::env::current_exe()?)
            .args(["forward", "--pid", &self.pid.to_string()])
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(inherited)))
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot keep port {} open", self.port))?;
        self.runtime = None;
        Ok(())
    }

    fn wait_for_pid(&mut self, folder: &Path) -> Result<u32> {
        let end = Instant::now() + RUNTIME_LIMIT;
        while Instant::now() < end {
            if self.has_ended()? {
                break;
            }
            if let Ok(state) = self.runc(&["state", &self.id])
                && state["status"] == "running"
            {
                let pid = state["pid"].as_u64().context("runc tells no pid")?;
                return Ok(u32::try_from(pid)?);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(folder.join("runc.log")).unwrap_or_default();
        bail!("the container does not start; runc says: {log}")
    }

    fn runc(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(RUNTIME).args(arguments).output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{error:#}");
        }
    }
}

/// The bundle's `config.json` (OCI runtime specification 1.0).
fn config(rootfs: &Path, data: &Path, options: &Options, node: &Path) -> Result<Value> {
    let capabilities = capabilities_here()?;
    let files = rustix::process::getrlimit(Resource::Nofile)
        .maximum
        .unwrap_or(FILES_MAX);
    let files = files.min(FILES_MAX);
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": source, "options": options });
    let bind = |destination: &str, source: &Path, mode: &str| {
        mount(
            destination,
            "bind",
            &source.display().to_string(),
            &["rbind", mode],
        )
    };
    let namespaces = ["pid", "mount", "ipc", "uts", "network"].map(|kind| json!({ "type": kind }));
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "nodev", "noexec"]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "mode=755", "size=64k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666"],
        ),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "nodev", "noexec", "mode=1777"],
        ),
        mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "nodev", "noexec", "ro"],
        ),
        mount("/run", "tmpfs", "tmpfs", &["nosuid", "nodev", "mode=755"]),
        bind("/data", data, "rw"),
    ];
    if options.provisioned {
        mounts.push(bind("/run/provision/node.toml", node, "ro"));
    }
    if options.config.is_some() {
        let config = options.folder.join("config.toml");
        mounts.push(bind("/run/provision/config.toml", &config, "ro"));
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "hostname": "aios",
        "root": { "path": rootfs, "readonly": true },
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": ["/usr/lib/aios/aios-init"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "container=runc"],
            "cwd": "/",
            "noNewPrivileges": false,
            "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": files, "hard": files }],
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities
            }
        },
        "mounts": mounts,
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] }
        }
    }))
}

/// Those of [`CAPABILITIES`] that this machine lets anybody have: the runtime
/// refuses to give more.
fn capabilities_here() -> Result<Vec<&'static str>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let mask = line.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    let mask = mask.context("/proc/self/status has no CapBnd")?;
    Ok(CAPABILITIES
        .iter()
        .filter(|(_, bit)| mask >> bit & 1 == 1)
        .map(|(name, _)| *name)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Way;

    #[test]
    fn settings_of_the_hosts_kernel_are_read_only_inside() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(Way::Container, folder.path()).unwrap();
        let config = config(folder.path(), folder.path(), &options, folder.path()).unwrap();
        let has = |key: &str, path: &str| {
            let paths = config["linux"][key].as_array().unwrap();
            assert!(paths.iter().any(|one| one == path), "{key} lacks {path}");
        };
        has("readonlyPaths", "/proc/sys");
        has("readonlyPaths", "/proc/sysrq-trigger");
        has("maskedPaths", "/proc/kcore");
        has("maskedPaths", "/sys/firmware");
    }
}
