//! Orders in shadows of a real Debian root, with packages that the tests build.
//!
//! `AIOS_TEST_SERVICES` is that root (`cargo xtask test` makes it). Needs root: each test has mounts of
//! its own.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use aios_contracts::v1::PackageOrder;
use aios_packages::shadow::Site;
use aios_packages::transaction::{Plan, prepare};
use aios_testkit::needs;
use aios_tool::changes::{Planned, read};
use aios_tool::error::ToolError;
use aios_tool::file::state::State;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// A running system's root, a repository in it, and where shadows are.
struct Scene {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new() -> Option<Self> {
        if !needs::root() || !needs::programs(&["dpkg-deb", "unshare"]) {
            return None;
        }
        let root = needs::folder(needs::SERVICES, "usr/bin/apt-get")?;
        let none: Option<&str> = None;
        // Of this thread and what it starts.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none).unwrap();
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        for part in ["upper", "work", "live", "state", "lists"] {
            std::fs::create_dir(folder.path().join(part)).unwrap();
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            root.display(),
            folder.path().join("upper").display(),
            folder.path().join("work").display()
        );
        let kind = Some("overlay");
        let live = folder.path().join("live");
        mount(kind, &live, kind, MsFlags::empty(), Some(options.as_str())).unwrap();
        let scene = Self {
            folder,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        };
        scene.put("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755);
        scene.put("etc/aios/config.toml", "", 0o644);
        scene.put(
            "etc/apt/sources.list",
            "deb [trusted=yes] file:/srv/repository ./\n",
            0o644,
        );
        scene.put("srv/repository/Packages", "", 0o644);
        for name in ["etc/apt/apt.conf.d", "etc/apt/sources.list.d"] {
            drop(std::fs::remove_dir_all(scene.live().join(name)));
        }
        Some(scene)
    }

    fn live(&self) -> PathBuf {
        self.folder.path().join("live")
    }

    fn site(&self) -> Site {
        Site {
            root: self.live(),
            state: self.folder.path().join("state"),
            program: env!("CARGO_BIN_EXE_aios-packages").into(),
        }
    }

    fn put(&self, path: &str, text: &str, mode: u32) {
        let path = self.live().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Builds a package of these files, executable below `DEBIAN`, and offers it.
    fn offer(&self, name: &str, version: &str, fields: &str, files: &[(&str, &str)]) {
        let tree = self.folder.path().join(format!("build-{name}"));
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: t <t@example.org>\n\
             {fields}Description: made by a test\n"
        );
        for (path, text) in files.iter().chain([&("DEBIAN/control", control.as_str())]) {
            let path = tree.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let executable = path.parent().unwrap().ends_with("DEBIAN")
                && !path.ends_with("control")
                && !path.ends_with("conffiles");
            let mode = if executable { 0o755 } else { 0o644 };
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let repository = self.live().join("srv/repository");
        let file = format!("{name}_{version}.deb");
        let built = Command::new("dpkg-deb")
            .args(["--root-owner-group", "--build"])
            .args([&tree, &repository.join(&file)])
            .output()
            .unwrap();
        assert!(built.status.success(), "{built:?}");
        let size = repository.join(&file).metadata().unwrap().len();
        let hash = Command::new("sha256sum")
            .arg(repository.join(&file))
            .output()
            .unwrap();
        let hash = String::from_utf8(hash.stdout).unwrap();
        let hash = hash.split_whitespace().next().unwrap();
        let list = repository.join("Packages");
        let more = std::fs::read_to_string(&list).unwrap()
            + &control
            + &format!("Filename: ./{file}\nSize: {size}\nSHA256: {hash}\n\n");
        std::fs::write(list, more).unwrap();
    }

    fn prepare(&self, order: PackageOrder, names: &[&str]) -> Result<Plan, ToolError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let site = self.site();
        self.runtime.block_on(prepare(&site, "e-1", order, &names))
    }

    /// Nothing is left of a failed order.
    fn no_shadow_is_left(&self) {
        let shadow = self.folder.path().join("state/shadow/e-1");
        assert!(!shadow.exists(), "{}", shadow.display());
    }
}

fn find<'a>(planned: &'a [Planned], path: &str) -> Option<&'a Planned> {
    planned.iter().find(|one| one.path == path)
}

fn content(planned: &[Planned], path: &str) -> String {
    let one = find(planned, path).unwrap_or_else(|| panic!("{path} is not planned: {planned:#?}"));
    std::fs::read_to_string(one.content.as_deref().unwrap()).unwrap()
}

#[test]
fn what_an_installation_changes_is_planned_and_nothing_is_changed() {
    let Some(scene) = Scene::new() else { return };
    let script = "#!/bin/sh\nset -e\n\
        echo made > /etc/made-by-script\n\
        echo 'probe:x:777:777::/:/bin/false' >> /etc/passwd\n\
        rm /etc/issue\n\
        ln -s made-by-script /etc/link\n";
    scene.offer("probe-base", "1", "", &[("usr/share/probe/data", "data\n")]);
    scene.offer(
        "probe",
        "1.0-2",
        "Depends: probe-base\n",
        &[
            ("etc/probe.conf", "a = 1\n"),
            ("DEBIAN/conffiles", "/etc/probe.conf\n"),
            ("DEBIAN/postinst", script),
        ],
    );
    let before = std::fs::read_to_string(scene.live().join("var/lib/dpkg/status")).unwrap();
    let plan = scene.prepare(PackageOrder::Install, &["probe"]).unwrap();
    let told: Vec<_> = plan
        .packages
        .iter()
        .map(|one| (one.name.as_str(), one.after.as_str()))
        .collect();
    assert_eq!(told, [("probe", "1.0-2"), ("probe-base", "1")]);
    let planned = read(&plan.file).unwrap();
    assert_eq!(plan.changes, planned.len() as u64);
    assert_eq!(content(&planned, "/etc/probe.conf"), "a = 1\n");
    assert_eq!(content(&planned, "/etc/made-by-script"), "made\n");
    assert!(content(&planned, "/etc/passwd").contains("probe:x:777"));
    assert!(content(&planned, "/var/lib/dpkg/status").contains("Package: probe\n"));
    assert_eq!(find(&planned, "/etc/issue").unwrap().after, State::Absent);
    assert!(matches!(
        find(&planned, "/etc/link").unwrap().after,
        State::Link { .. }
    ));
    assert!(find(&planned, "/usr/share/probe/data").is_some());
    let folder = planned
        .iter()
        .position(|one| one.path == "/usr/share/probe");
    let data = planned
        .iter()
        .position(|one| one.path == "/usr/share/probe/data");
    assert!(folder < data, "parents come first");
    for one in planned.iter() {
        assert!(!one.path.starts_with("/var/log/"), "{}", one.path);
        assert!(!one.path.starts_with("/run"), "{}", one.path);
    }
    let now = std::fs::read_to_string(scene.live().join("var/lib/dpkg/status")).unwrap();
    assert_eq!(before, now, "the running system was changed");
    assert!(!scene.live().join("etc/probe.conf").exists());
    scene.site().discard("e-1").unwrap();
    scene.no_shadow_is_left();
}

#[test]
fn a_script_sees_no_process_no_network_and_may_not_mount() {
    let Some(scene) = Scene::new() else { return };
    let script = "#!/bin/sh\n\
        exec > /etc/seen\n\
        ls -d /proc/[0-9]* | wc -l | awk '{ print ($1 < 12) ? \"alone\" : \"sees others\" }'\n\
        grep -c : /proc/net/dev\n\
        test -e /run/systemd/system && echo systemd\n\
        mount -t tmpfs none /mnt 2>/dev/null && echo mounted\n\
        grep CapEff /proc/self/status\n\
        ls /var/lib/aios 2>/dev/null | head\n\
        invoke-rc.d probe start; echo $?\n\
        ls /dev | tr '\\n' ' '\n\
        exit 0\n";
    scene.offer("probe", "1", "", &[("DEBIAN/postinst", script)]);
    let plan = scene.prepare(PackageOrder::Install, &["probe"]).unwrap();
    let seen = content(&read(&plan.file).unwrap(), "/etc/seen");
    assert!(seen.starts_with("alone\n1\n"), "{seen}"); // loopback alone, down
    assert!(
        !seen.contains("systemd") && !seen.contains("mounted"),
        "{seen}"
    );
    let capabilities = seen
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap();
    let capabilities = u64::from_str_radix(capabilities.trim(), 16).unwrap();
    assert_eq!(
        capabilities & (1 << 21),
        0,
        "CAP_SYS_ADMIN: {capabilities:x}"
    );
    assert_eq!(
        capabilities & (1 << 12),
        0,
        "CAP_NET_ADMIN: {capabilities:x}"
    );
    assert!(
        seen.ends_with("full null random tty urandom zero "),
        "{seen}"
    );
}

#[test]
fn a_script_that_fails_leaves_nothing_and_says_why() {
    let Some(scene) = Scene::new() else { return };
    scene.offer(
        "probe",
        "1",
        "",
        &[
            ("usr/share/probe", "x"),
            ("DEBIAN/postinst", "#!/bin/sh\nexit 3\n"),
        ],
    );
    let failed = scene
        .prepare(PackageOrder::Install, &["probe"])
        .unwrap_err();
    let ToolError::Precondition(why) = &failed else {
        panic!("{failed:?}");
    };
    assert!(why.contains("nothing was changed"), "{why}");
    assert!(why.contains("exit status 3"), "{why}");
    scene.no_shadow_is_left();
}

#[test]
fn a_package_that_changes_aios_itself_is_refused() {
    let Some(scene) = Scene::new() else { return };
    let own = [("etc/aios/services/x.toml", "user = \"root\"\n")];
    scene.offer("probe", "1", "", &own);
    let refused = scene
        .prepare(PackageOrder::Install, &["probe"])
        .unwrap_err();
    assert!(matches!(refused, ToolError::Denied(_)), "{refused:?}");
    scene.no_shadow_is_left();
}

#[test]
fn names_that_nobody_offers_and_conflicts_are_told() {
    let Some(scene) = Scene::new() else { return };
    let unknown = scene
        .prepare(PackageOrder::Install, &["ngnix"])
        .unwrap_err();
    assert!(matches!(unknown, ToolError::NotFound(_)), "{unknown:?}");
    scene.offer("probe", "1", "Depends: not-there (>= 2)\n", &[]);
    // Fresh lists are asked for when a name is not known.
    let unmet = scene
        .prepare(PackageOrder::Install, &["probe"])
        .unwrap_err();
    assert!(
        matches!(&unmet, ToolError::Precondition(why) if why.contains("not-there")),
        "{unmet:?}"
    );
    scene.offer("rival", "1", "Conflicts: nginx\n", &[]);
    let removes = scene
        .prepare(PackageOrder::Install, &["rival"])
        .unwrap_err();
    assert!(matches!(removes, ToolError::Precondition(_)), "{removes:?}");
    scene.no_shadow_is_left();
}

#[test]
fn a_removal_takes_the_programs_and_leaves_the_configuration() {
    let Some(scene) = Scene::new() else { return };
    let is_there = |path: &str| scene.live().join(path).exists();
    assert!(is_there("usr/sbin/nginx") && is_there("etc/nginx/nginx.conf"));
    let names = ["nginx", "nginx-common"];
    let plan = scene.prepare(PackageOrder::Remove, &names).unwrap();
    let planned = read(&plan.file).unwrap();
    assert_eq!(
        find(&planned, "/usr/sbin/nginx").unwrap().after,
        State::Absent
    );
    assert!(find(&planned, "/etc/nginx/nginx.conf").is_none());
    assert!(plan.bytes < 0, "{}", plan.bytes);
    let plan = scene.prepare(PackageOrder::Purge, &names).unwrap();
    let planned = read(&plan.file).unwrap();
    for path in [
        "/etc/nginx",
        "/etc/nginx/nginx.conf",
        "/etc/nginx/sites-available/default",
    ] {
        assert_eq!(find(&planned, path).unwrap().after, State::Absent, "{path}");
    }
}

#[test]
fn a_program_that_hangs_is_ended_with_all_that_it_started() {
    let Some(scene) = Scene::new() else { return };
    let shadow = scene.site().shadow("e-1").unwrap();
    let marker = "sleep 987654";
    let script = ["sh", "-c", "sleep 987654 & sleep 987654"];
    let limit = std::time::Duration::from_secs(1);
    let run = shadow.run(aios_packages::shadow::Network::None, limit, &script);
    let ended = scene.runtime.block_on(run).unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::TimedOut);
    let runs = || {
        let ids = std::fs::read_dir("/proc").unwrap().flatten();
        ids.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
            .any(|line| String::from_utf8_lossy(&line).replace('\0', " ").trim() == marker)
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while runs() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(!runs(), "it outlived its shadow");
    assert!(Path::new("/proc").exists());
}
