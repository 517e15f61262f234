//! Real programs in real sandboxes. Needs root: a sandbox is made of namespaces and mounts.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aios_testkit::needs;
use aios_tool::changes::layer::Layer;
use aios_work::sandbox::{Ended, Keep, Order, Site, Writing};

/// A folder with a workspace that belongs to an ordinary account, and sandboxes.
struct Scene(tempfile::TempDir);

/// An account that this machine gives to nobody.
const ACCOUNT: u32 = 4711;

impl Scene {
    fn new() -> Option<Self> {
        if !needs::root() {
            return None;
        }
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let workspace = folder.path().join("workspace");
        std::fs::create_dir(&workspace).unwrap();
        std::fs::write(workspace.join("old"), "1\n").unwrap();
        for path in [workspace.clone(), workspace.join("old")] {
            std::os::unix::fs::chown(path, Some(ACCOUNT), Some(ACCOUNT)).unwrap();
        }
        Some(Self(folder))
    }

    fn workspace(&self) -> PathBuf {
        self.0.path().join("workspace")
    }

    fn site(&self) -> Site {
        Site {
            state: self.0.path().join("state"),
            program: env!("CARGO_BIN_EXE_aios-work").into(),
        }
    }

    /// A script of the test's own, run by a shell that it names as its program.
    fn script(&self, writing: Writing, script: &str) -> Order {
        Order {
            id: "a".into(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: Vec::new(),
            folder: self.workspace(),
            writing,
            reads: Vec::new(),
            executes: Vec::new(),
            network: false,
            limit: Duration::from_secs(20),
            keep: Keep::Begin(10_000),
            input: Vec::new(),
        }
    }

    fn run(&self, order: &Order) -> Ended {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(self.site().run(order)).unwrap()
    }

    /// Code, output and errors of a script.
    fn said(&self, writing: Writing, script: &str) -> (i32, String, String) {
        let ended = self.run(&self.script(writing, script));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            ended.code,
            text(ended.output.into_parts().0),
            text(ended.errors.into_parts().0),
        )
    }
}

#[test]
fn a_program_is_its_folders_owner_with_no_capability_and_can_get_none() {
    let Some(scene) = Scene::new() else { return };
    let script =
        "id -u; id -G; grep -E '^(Cap(Eff|Prm|Bnd|Amb)|NoNewPrivs)' /proc/self/status; pwd; env";
    let (code, said, errors) = scene.said(Writing::Folder, script);
    assert_eq!(code, 0, "{said} {errors}");
    assert!(
        said.starts_with(&format!("{ACCOUNT}\n{ACCOUNT}\n")),
        "{said}"
    );
    assert_eq!(said.matches("\t0000000000000000").count(), 4, "{said}");
    assert!(said.contains("NoNewPrivs:\t1"), "{said}");
    assert!(said.contains(scene.workspace().to_str().unwrap()), "{said}");
    for name in ["PATH=", "HOME=/tmp", "LC_ALL=C.UTF-8"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(!said.contains("CARGO"), "{said}");
    // Where the folder is root's, it is root without anything that root may.
    std::os::unix::fs::chown(scene.workspace(), Some(0), Some(0)).unwrap();
    let script = "id -u; mount -t tmpfs x /tmp; echo core > /proc/sys/kernel/core_pattern; \
                  unshare -n true; mknod x c 1 3; chown 1 old; cat /etc/shadow; \
                  grep CapEff /proc/self/status";
    let (_, said, errors) = scene.said(Writing::Shadow, script);
    assert_eq!(said, "0\nCapEff:\t0000000000000000\n", "{errors}");
    assert!(errors.lines().count() >= 6, "{errors}");
    // And it writes nothing there: a set-user-ID file of its would be root's.
    let order = scene.script(Writing::Folder, "cp /bin/sh x; chmod 6755 x");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(scene.site().run(&order)).unwrap_err();
    assert!(refused.to_string().contains("is root's"), "{refused}");
    assert!(!scene.workspace().join("x").exists());
}

#[test]
fn a_program_sees_its_folder_and_nothing_else_of_the_machine() {
    let Some(scene) = Scene::new() else { return };
    let beside = scene.0.path().join("beside");
    std::fs::write(&beside, "2\n").unwrap();
    let script = format!(
        "cat old; ls {0}; cat {0}/beside; ls /var /root /home /etc/aios; ls /proc | grep -c '^[0-9]'; \
         touch /usr/x /etc/x /x {0}/x",
        scene.0.path().display()
    );
    let (_, said, errors) = scene.said(Writing::Folder, &script);
    assert!(said.starts_with("1\nworkspace\n"), "{said} {errors}");
    assert!(said.contains("/var:\ntmp\n"), "{said}");
    assert!(!scene.0.path().join("x").exists() && !Path::new("/usr/x").exists());
    // The first process, the shell, and what counts them.
    let processes = said.lines().last().unwrap();
    assert!(processes.parse::<u32>().unwrap() <= 4, "{said}");
    let mut order = scene.script(Writing::Nothing, &format!("cat {}", beside.display()));
    order.reads = vec![beside];
    assert_eq!(scene.run(&order).output.into_parts().0, b"2\n");
}

#[test]
fn there_is_no_network_unless_it_is_granted() {
    let Some(scene) = Scene::new() else { return };
    let devices = "tail -n +3 /proc/net/dev | grep -vc '^ *lo:'";
    let (_, alone, _) = scene.said(Writing::Nothing, devices);
    assert_eq!(alone, "0\n");
    let mut order = scene.script(Writing::Nothing, "readlink /proc/self/ns/net");
    let alone = scene.run(&order).output.into_parts().0;
    order.network = true;
    let granted = scene.run(&order).output.into_parts().0;
    let machine = std::fs::read_link("/proc/self/ns/net").unwrap();
    let machine = format!("{}\n", machine.display()).into_bytes();
    assert_ne!(alone, machine);
    assert_eq!(granted, machine);
}

#[test]
fn a_folder_is_read_only_or_its_own_or_a_shadow() {
    let Some(scene) = Scene::new() else { return };
    let script = "echo 2 > new; echo 3 > old; mkdir -p d/e; ln -s old link; cat old new";
    let (code, said, _) = scene.said(Writing::Nothing, script);
    assert_eq!((code, said.as_str()), (1, "1\n"));
    let (code, said, errors) = scene.said(Writing::Shadow, script);
    assert_eq!((code, said.as_str()), (0, "3\n2\n"), "{errors}");
    let old = scene.workspace().join("old");
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "1\n");
    assert!(!scene.workspace().join("new").exists());
    let (upper, folder) = (scene.site().upper("a"), scene.workspace());
    let layer = Layer {
        upper: &upper,
        lower: &folder,
        at: &folder,
        passing: |_| false,
    };
    let planned = layer.changes().unwrap();
    let names = planned.iter().map(|one| {
        let path = Path::new(&one.path).strip_prefix(&folder).unwrap();
        path.to_str().unwrap()
    });
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["d", "d/e", "link", "new", "old"]
    );
    let (code, _, _) = scene.said(Writing::Folder, script);
    assert_eq!(code, 0);
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "3\n");
    assert_eq!(old.metadata().unwrap().uid(), ACCOUNT);
}

#[test]
fn when_its_time_is_over_it_is_killed_with_all_that_it_started() {
    let Some(scene) = Scene::new() else { return };
    // Children that leave their session and close what they inherited.
    let script = "for i in 1 2 3; do setsid sh -c 'while :; do echo x >> alive; sleep 0.05; done' \
                  >/dev/null 2>&1 & done; echo begun; sleep 60";
    let mut order = scene.script(Writing::Folder, script);
    order.limit = Duration::from_secs(1);
    let begun = Instant::now();
    let ended = scene.run(&order);
    assert!(ended.late && begun.elapsed() < Duration::from_secs(10));
    assert_eq!(ended.output.into_parts().0, b"begun\n");
    let size = || std::fs::metadata(scene.workspace().join("alive")).map(|data| data.len());
    std::thread::sleep(Duration::from_millis(200));
    let then = size().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(size().unwrap(), then, "something still runs");
    // Nor does anything stay when the program ends by itself.
    let script = "setsid sh -c 'sleep 0.5; touch later' >/dev/null 2>&1 & exit 3";
    assert_eq!(scene.said(Writing::Folder, script).0, 3);
    std::thread::sleep(Duration::from_millis(900));
    assert!(!scene.workspace().join("later").exists());
}

#[test]
fn output_and_errors_are_read_at_once_and_bounded() {
    let Some(scene) = Scene::new() else { return };
    let script = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; echo end";
    let mut order = scene.script(Writing::Nothing, script);
    let ended = scene.run(&order);
    assert_eq!(ended.code, 0);
    let ((output, output_cut), (errors, errors_cut)) =
        (ended.output.into_parts(), ended.errors.into_parts());
    assert_eq!((output.len(), errors.len()), (10_000, 10_000));
    assert!(output_cut && errors_cut);
    order.keep = Keep::End(6);
    assert_eq!(scene.run(&order).output.into_parts().0, b"\0\0end\n");
    order.arguments = vec!["-c".into(), "cat".into()];
    order.keep = Keep::Begin(10);
    order.input = b"given".to_vec();
    assert_eq!(scene.run(&order).output.into_parts().0, b"given");
    order.input.clear();
    assert_eq!(scene.run(&order).output.into_parts().0, b"");
}

#[test]
fn a_program_executes_nothing_but_what_it_may() {
    let Some(scene) = Scene::new() else { return };
    if !needs::kernel("Landlock", has_landlock(), "qemu/tests/tools.rs") {
        return;
    }
    let mut order = scene.script(Writing::Folder, "echo $(id -u)");
    order.executes = vec![
        "/usr/bin/dash".into(),
        "/usr/lib64".into(),
        "/usr/lib/x86_64-linux-gnu".into(),
        "/usr/lib/aarch64-linux-gnu".into(),
    ];
    order.program = "/usr/bin/dash".into();
    let ended = scene.run(&order);
    let errors = String::from_utf8(ended.errors.into_parts().0).unwrap();
    assert_eq!(ended.output.into_parts().0, b"\n");
    assert!(errors.contains("Permission denied"), "{errors}");
}

#[test]
fn how_it_ended_is_told() {
    let Some(scene) = Scene::new() else { return };
    assert_eq!(scene.said(Writing::Nothing, "exit 7").0, 7);
    assert_eq!(scene.said(Writing::Nothing, "kill -9 $$").0, 137);
    let ended = |script: &str| {
        let ended = scene.run(&scene.script(Writing::Nothing, script));
        (ended.code, ended.signal)
    };
    // A program's own codes are its own, whatever shells mean by them.
    for code in [125, 126, 127, 137, 255] {
        assert_eq!(ended(&format!("exit {code}")), (code, None));
    }
    assert_eq!(ended("kill -9 $$"), (137, Some(9)));
    assert_eq!(ended("kill -TERM $$"), (143, Some(15)));
    let mut order = scene.script(Writing::Nothing, "");
    order.program = "/etc/passwd".into();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = |order: &Order| runtime.block_on(scene.site().run(order)).unwrap_err();
    let why = refused(&order).to_string();
    assert!(why.contains("/etc/passwd: Permission denied"), "{why}");
    std::fs::remove_dir_all(scene.workspace()).unwrap();
    refused(&order);
}

/// In a thread of its own, which is restricted for good.
fn has_landlock() -> bool {
    use landlock::{ABI, Access as _, AccessFs, Ruleset, RulesetAttr as _, RulesetStatus};
    let tried = std::thread::spawn(|| {
        let ruleset = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1));
        let restricted = ruleset.unwrap().create().unwrap().restrict_self();
        restricted.unwrap().ruleset != RulesetStatus::NotEnforced
    });
    tried.join().unwrap()
}
