//! Boots aios-init as PID 1 of new pid, mount, host name, ipc and network namespaces.

// Helpers of tests are not in a `#[test]` themselves, and fail by panicking.
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aios_contracts::v1;
use aios_contracts::v1::init_client::InitClient;
use aios_testkit::needs;
use tokio_stream::StreamExt;

pub const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(20);
const EXECUTABLE: &str = env!("CARGO_BIN_EXE_pid1-under-test");
const ROLES: &str = env!("CARGO_BIN_EXE_roles-under-test");
const ROGUE: &str = env!("CARGO_BIN_EXE_rogue-under-test");
const AGENT: &str = env!("CARGO_BIN_EXE_agent-under-test");

pub struct Boot {
    folder: tempfile::TempDir,
    unshare: Child,
    pid: u32,
    root: Option<PathBuf>,
}

impl Boot {
    /// With control, logger and these services. None when [`can_run`] says no.
    pub fn start(services: &[(&str, &str)]) -> Option<Self> {
        if !can_run() {
            return None;
        }
        // All that is run and read, the executable too, is not below /tmp, over
        // which PID 1 mounts its own: the checkout may well be there.
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let executable = folder.path().join("aios-init");
        install(folder.path());
        let searchable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), searchable).unwrap();
        write_manifests(folder.path(), services);
        // A state folder of the namespaces' own: the host's stays as it is.
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        // Folders of units of the namespaces' own, too: what is enabled on the host is not started here. And as a container's runtime does: its
        // clock is its host's.
        let script = format!(
            "mkdir -p /var/lib/aios && mount --bind {}/state /var/lib/aios; \
             mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /usr/local/lib; \
             mkdir -p /run/systemd/system /usr/local/lib/systemd/system; \
             test ! -d /etc/systemd/system || mount -t tmpfs tmpfs /etc/systemd/system; \
             exec setpriv --bounding-set -sys_time {}",
            folder.path().display(),
            executable.display()
        );
        let variables = [
            ("AIOS_ETC_DIR", "etc"),
            ("AIOS_RUN_DIR", "run"),
            ("AIOS_LOG_DIR", "log"),
        ]
        .map(|(name, below)| (name, folder.path().join(below)));
        Some(Self::launch(folder, &script, &variables))
    }

    /// In a root of its own: `root`, with an upper layer that ends with the test.
    pub fn start_in_root(root: &Path, services: &[(&str, &str)]) -> Option<Self> {
        if !can_run() {
            return None;
        }
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let upper = folder.path().join("upper");
        let own = upper.join("usr/lib/aios");
        std::fs::create_dir_all(&own).unwrap();
        install(&own);
        write_manifests_for(
            &upper.join("etc/aios"),
            Path::new("/usr/lib/aios"),
            services,
        );
        for below in ["work", "root"] {
            std::fs::create_dir(folder.path().join(below)).unwrap();
        }
        let script = format!(
            "cd {} && mount -t overlay -o lowerdir={},upperdir=upper,workdir=work overlay root && \
             mount --rbind /dev root/dev && exec chroot root /usr/lib/aios/aios-init",
            folder.path().display(),
            root.display()
        );
        let mut boot = Self::launch(folder, &script, &[]);
        // Seen through PID 1's eyes: what it mounts, we do not see.
        boot.root = Some(PathBuf::from(format!("/proc/{}/root", boot.pid)));
        Some(boot)
    }

    /// In a root that is read-only, as the verified one is, with this writable layer from an earlier
    /// boot. Services that `/bin/sh` can run.
    pub fn start_sealed(services: &[(&str, &str)], layer: impl Fn(&Path)) -> Option<Self> {
        Self::sealed(services, false, layer)
    }

    /// The same with the image's agents: their manifests as they ship, and the program that they name.
    pub fn start_with_real_agents() -> Option<Self> {
        Self::sealed(&[], true, |_| {})
    }

    fn sealed(services: &[(&str, &str)], real_agents: bool, layer: impl Fn(&Path)) -> Option<Self> {
        if !can_run() {
            return None;
        }
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let root = folder.path().join("root");
        let own = root.join("usr/lib/aios");
        for below in [
            "data",
            "dev",
            "mnt",
            "proc",
            "run",
            "tmp",
            "var/lib/aios",
            "var/log/aios",
        ] {
            std::fs::create_dir_all(root.join(below)).unwrap();
        }
        std::fs::create_dir_all(&own).unwrap();
        install(&own);
        let programs = Path::new("/usr/lib/aios");
        write_manifests_for(&root.join("etc/aios"), programs, services);
        let agents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/etc/aios/agents");
        for manifest in std::fs::read_dir(agents)
            .unwrap()
            .flatten()
            .filter(|_| real_agents)
        {
            let target = root.join("etc/aios/agents").join(manifest.file_name());
            std::fs::copy(manifest.path(), target).unwrap();
        }
        let passwd = "root:x:0:0::/root:/bin/sh\naios-tools:x:904:900:::\n";
        std::fs::write(root.join("etc/passwd"), passwd).unwrap();
        std::fs::write(root.join("etc/group"), "aios:x:900:\n").unwrap();
        let programs = [
            EXECUTABLE,
            ROLES,
            "/bin/sh",
            "/bin/sleep",
            "/bin/id",
            "/bin/cp",
        ];
        for program in programs {
            copy_with_libraries(Path::new(program), &root);
        }
        let upper = folder.path().join("data/overlay/upper");
        std::fs::create_dir_all(&upper).unwrap();
        layer(&upper);
        let script = format!(
            "cd {} && mount --bind root root && mount -o remount,bind,ro root && \
             mount --bind data root/data && mount --rbind /dev root/dev && \
             exec chroot root /usr/lib/aios/aios-init",
            folder.path().display(),
        );
        let mut boot = Self::launch(folder, &script, &[]);
        boot.root = Some(PathBuf::from(format!("/proc/{}/root", boot.pid)));
        Some(boot)
    }

    fn launch(folder: tempfile::TempDir, script: &str, variables: &[(&str, PathBuf)]) -> Self {
        let console = File::create(folder.path().join("console")).unwrap();
        let unshare = Command::new("unshare")
            .args([
                "--fork",
                "--kill-child",
                "--pid",
                "--mount-proc",
                "--mount",
                "--uts",
            ])
            .args(["--ipc", "--net", "/bin/sh", "-c", script])
            .env("container", "test")
            .envs(variables.iter().map(|(name, path)| (name, path)))
            .stdin(Stdio::null())
            .stdout(console.try_clone().unwrap())
            .stderr(console)
            .spawn()
            .unwrap();
        let mut boot = Self {
            folder,
            unshare,
            pid: 0,
            root: None,
        };
        boot.pid = boot.wait_until(|| children(boot.unshare.id()).first().copied());
        boot
    }

    /// PID 1, as the host numbers it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where control listens.
    pub fn socket(&self) -> PathBuf {
        match &self.root {
            Some(root) => root.join("run/aios/init.sock"),
            None => self.path().join("run/init.sock"),
        }
    }

    pub fn console(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("console")).unwrap_or_default()
    }

    pub fn wait_until<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                Instant::now() < end,
                "waited in vain; console:\n{}",
                self.console()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn wait_for_line(&self, start: &str) -> String {
        let find = || {
            self.console()
                .lines()
                .find(|line| line.starts_with(start))
                .map(str::to_owned)
        };
        self.wait_until(find)
    }

    pub fn wait_for_log(&self, service: &str, text: &str) {
        self.wait_until(|| read_log(self, service).contains(text).then_some(()));
    }

    /// A child of PID 1 whose command line ends so.
    pub fn pid_of(&self, command: &str) -> Option<u32> {
        children(self.pid)
            .into_iter()
            .find(|pid| command_line(*pid).ends_with(command))
    }

    /// PID 1's own children: the services' main processes, and orphans.
    pub fn children(&self) -> Vec<u32> {
        children(self.pid)
    }

    /// As [`Self::kill`], for one that may have ended meanwhile.
    pub fn kill_if_there(&self, pid: u32) {
        if self.children().contains(&pid) {
            self.kill(pid);
        }
    }

    /// A path as PID 1 sees it, with what was mounted for it alone.
    pub fn seen(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    /// A path of PID 1's root.
    pub fn inside(&self, path: &str) -> PathBuf {
        let root = self.root.as_deref().unwrap_or(Path::new("/"));
        root.join(path.trim_start_matches('/'))
    }

    /// SIGKILL to a process by its number in the namespace.
    pub fn kill_inside(&self, pid: u32) {
        let status = Command::new("nsenter")
            .args([
                "--target",
                &self.pid.to_string(),
                "--pid",
                "--mount",
                "--root",
            ])
            .args(["/bin/sh", "-c", &format!("kill -9 {pid}")])
            .current_dir("/")
            .status();
        assert!(status.unwrap().success(), "cannot kill {pid}");
    }

    pub fn kill(&self, pid: u32) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    /// SIGSTOP: it stands still, and does not end.
    pub fn stop(&self, pid: u32) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }

    /// The `/proc/PID/stat` of children that ended and were not reaped.
    pub fn zombies(&self) -> Vec<String> {
        std::thread::sleep(LOOK_EVERY * 5);
        let stat = |pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let all = children(self.pid).into_iter().map(stat);
        all.filter(|stat| stat.contains(") Z ")).collect()
    }

    /// SIGTERM, as a container runtime stops it: exit status and console.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.unshare.wait().unwrap();
        (status.code(), self.console())
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        // Its child, PID 1, dies with it, and with PID 1 the namespace.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

/// Namespaces need root, and programs of util-linux.
fn can_run() -> bool {
    needs::root() && needs::programs(&["mount", "nsenter", "setpriv", "unshare"])
}

/// PID 1 and the roles that every test has.
fn install(folder: &Path) {
    std::fs::copy(EXECUTABLE, folder.join("aios-init")).unwrap();
    for role in ["aios-control", "aios-logger", "aios-provision"] {
        std::fs::copy(ROLES, folder.join(role)).unwrap();
    }
    std::fs::copy(ROGUE, folder.join("rogue")).unwrap();
    std::fs::copy(AGENT, folder.join("aios-agent")).unwrap();
}

/// A program of the host's and what it is linked with, at the same places below `root`.
fn copy_with_libraries(program: &Path, root: &Path) {
    let linked = Command::new("ldd").arg(program).output().unwrap();
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    let libraries = linked
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    for file in libraries.map(Path::new).chain([program]) {
        let target = root.join(file.strip_prefix("/").unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

fn write_manifests(folder: &Path, services: &[(&str, &str)]) {
    write_manifests_for(&folder.join("etc"), folder, services);
}

/// `programs`: where the executable is, for the services. One named `agent-NAME` is an agent, and
/// the program `ROGUE` is one that does what agents must not. `FOLDER` is where the programs are.
fn write_manifests_for(etc: &Path, programs: &Path, services: &[(&str, &str)]) {
    for folder in ["services", "agents"] {
        std::fs::create_dir_all(etc.join(folder)).unwrap();
    }
    let rogue = programs.join("rogue").display().to_string();
    let role = |name: &str, more: &str| {
        let executable = programs.join(format!("aios-{name}"));
        let executable = executable.display();
        format!("phase = 1\ncommand = [\"{executable}\"]\n{more}")
    };
    let own = [
        (
            "control",
            role("control", "watchdog_ms = 4000\nsocket = \"init\"\n"),
        ),
        ("logger", role("logger", "output = \"console\"\n")),
    ];
    let others = services
        .iter()
        .map(|(name, text)| (*name, (*text).to_owned()));
    for (name, text) in own.into_iter().chain(others) {
        let user = if text.contains("user =") {
            ""
        } else {
            "user = \"root\"\n"
        };
        let folder = programs.display().to_string();
        let text = text.replace("ROGUE", &rogue).replace("FOLDER", &folder);
        let (file, text) = match name.strip_prefix("agent-") {
            Some(agent) => (
                format!("agents/{agent}.toml"),
                format!("[service]\n{user}{}", text.replace("\n[", "\n[service.")),
            ),
            None => (
                format!("services/{name}.toml"),
                format!("name = \"{name}\"\n{user}{text}"),
            ),
        };
        std::fs::write(etc.join(file), text).unwrap();
    }
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    text.unwrap_or_default()
        .split(' ')
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .replace('\0', " ")
        .trim_end()
        .to_owned()
}

pub fn resident_kib(pid: u32) -> u64 {
    memory_kib(pid, "VmRSS:")
}

/// A line of `/proc/PID/status` that is about memory, in KiB.
pub fn memory_kib(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

pub fn read_log(boot: &Boot, service: &str) -> String {
    let folder = match &boot.root {
        Some(root) => root.join("var/log/aios"),
        None => boot.path().join("log"),
    };
    let path = folder.join(format!("{service}.log"));
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Everything that control can be asked, from the outside.
pub async fn orders(boot: &Boot) {
    let channel = aios_daemon::socket::channel(&boot.path().join("run/init.sock")).unwrap();
    let mut init = InitClient::new(channel);
    let name = |name: &str| v1::ServiceRequest {
        name: name.to_owned(),
    };

    let services = init
        .list_services(v1::ListServicesRequest {})
        .await
        .unwrap()
        .into_inner()
        .services;
    let names: Vec<&str> = services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(names, ["broken", "control", "logger", "talker"]);
    let control = &services[1];
    assert_eq!(control.state(), v1::ServiceState::Ready);
    println!("control resident set: {} KiB", control.memory_bytes / 1024);

    let talker = init
        .start_service(name("talker"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(talker.state(), v1::ServiceState::Ready);
    assert_ne!(talker.pid, 0);
    let again = init
        .restart_service(name("talker"))
        .await
        .unwrap()
        .into_inner();
    assert_ne!(again.pid, talker.pid);
    assert_eq!(again.restarts, 1);
    let stopped = init
        .stop_service(name("talker"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (stopped.state(), stopped.pid),
        (v1::ServiceState::Inactive, 0)
    );
    assert_eq!(stopped.last_exit, "killed by SIGTERM");

    let error = init.start_service(name("broken")).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Aborted, "{error}");
    let error = init.get_service(name("nobody")).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
    let error = init.stop_service(name("control")).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::FailedPrecondition);

    let boot_timeline = init
        .get_boot(v1::GetBootRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(boot_timeline.way, "container");
    assert_eq!(boot_timeline.phases.len(), 5);
    assert!(
        boot_timeline.degraded && boot_timeline.ready_ms > 0,
        "{boot_timeline:?}"
    );

    let request = v1::LogsRequest {
        service: "talker".to_owned(),
        ..Default::default()
    };
    let lines: Vec<v1::LogLine> = init
        .logs(request)
        .await
        .unwrap()
        .into_inner()
        .map(Result::unwrap)
        .collect()
        .await;
    assert!(lines.iter().any(|line| line.text == "hello"), "{lines:?}");
    assert_eq!(lines[0].level(), v1::LogLevel::Warning);

    // Control restarts itself: the answer is lost with it, the order is not.
    let _ = init.restart_service(name("control")).await;
    let end = Instant::now() + PATIENCE;
    loop {
        match init.get_service(name("control")).await {
            Ok(control) if control.get_ref().restarts == 1 => break,
            _ => assert!(Instant::now() < end, "control does not come back"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }

    let off = v1::PowerRequest {
        action: v1::PowerAction::Off.into(),
        reason: "test".to_owned(),
    };
    init.power(off).await.unwrap();
    boot.wait_for_line("aios: shutting down (test)");
    boot.wait_for_line("aios: powered off cleanly");
}
