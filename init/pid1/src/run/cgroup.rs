//! One cgroup (v2) per service, where the hierarchy is unified and ours.

use std::io;
use std::path::{Path, PathBuf};

use aios_service::manifest::Manifest;

const ROOT: &str = "/sys/fs/cgroup";
const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// The folder that holds the services' cgroups.
pub struct Cgroups {
    base: PathBuf,
}

impl Cgroups {
    /// Prepares the hierarchy.
    ///
    /// # Errors
    /// Why there are no cgroups here: an older hierarchy, or not writable.
    pub fn prepare() -> Result<Self, String> {
        let root = Path::new(ROOT);
        if !root.join("cgroup.controllers").exists() {
            return Err("the cgroup hierarchy is not the unified one".to_owned());
        }
        let base = root.join("aios");
        std::fs::create_dir_all(&base).map_err(|error| format!("{}: {error}", base.display()))?;
        // A group with processes of its own cannot give controllers to its
        // children: PID 1 moves out of the way. The real root is exempt.
        let own = root.join("init");
        let moved = std::fs::create_dir_all(&own).and_then(|()| join(&own));
        for controller in CONTROLLERS {
            for folder in [root, &base] {
                let enabled = std::fs::write(
                    folder.join("cgroup.subtree_control"),
                    format!("+{controller}"),
                );
                if let Err(error) = enabled {
                    let why = format!("{controller} cannot be limited: {error} ({moved:?})");
                    return Err(why);
                }
            }
        }
        Ok(Self { base })
    }

    /// Makes a service's cgroup with its limits; its path.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make(&self, manifest: &Manifest) -> io::Result<PathBuf> {
        let path = self.base.join(&manifest.name);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let limits = &manifest.limits;
        for (file, limit) in [
            ("memory.max", limits.memory_max(machine_memory())),
            ("pids.max", limits.tasks_max),
        ] {
            let value = limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
            std::fs::write(path.join(file), value)?;
        }
        // One process out of memory: all of the service goes, and is started anew.
        std::fs::write(path.join("memory.oom.group"), "1")?;
        Ok(path)
    }

    /// Kills all that is left of a service.
    pub fn kill(&self, name: &str) {
        // Err: the group was never made; then the process group was all there is.
        let _ = std::fs::write(self.base.join(name).join("cgroup.kill"), "1");
    }
}

/// Bytes of memory that this machine has.
fn machine_memory() -> u64 {
    let about = rustix::system::sysinfo();
    about.totalram.saturating_mul(u64::from(about.mem_unit))
}

/// Moves the calling process into a cgroup.
pub fn join(cgroup: &Path) -> io::Result<()> {
    std::fs::write(cgroup.join("cgroup.procs"), "0")
}
