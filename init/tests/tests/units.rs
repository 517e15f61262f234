//! Unit files as people write them, under aios-init: what comes of a start, what the
//! log says, and whether the service comes back.
//!
//! Needs root and `unshare` (util-linux); without them it says so and passes.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use aios_contracts::v1;
use aios_contracts::v1::init_client::InitClient;
use support::{Boot, LOOK_EVERY, read_log};
use tonic::{Code, Status};

/// Waited for at most so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A system with these units, in one of its folders of units.
fn system(units: &[(&str, &str)]) -> Option<System> {
    let boot = Boot::start(&[])?;
    boot.wait_for_line("aios: READY after");
    boot.wait_until(|| boot.socket().exists().then_some(()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let system = System { boot, runtime };
    for (name, text) in units {
        system.write(&format!("/run/systemd/system/{name}.service"), text);
    }
    Some(system)
}

struct System {
    boot: Boot,
    runtime: tokio::runtime::Runtime,
}

impl System {
    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.boot.seen(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn ask<Asked: Future<Output = Result<tonic::Response<v1::Service>, Status>>>(
        &self,
        name: &str,
        ask: impl FnOnce(InitClient<tonic::transport::Channel>, v1::ServiceRequest) -> Asked,
    ) -> Result<v1::Service, Status> {
        let request = v1::ServiceRequest {
            name: name.to_owned(),
        };
        self.runtime.block_on(async {
            let channel = aios_daemon::socket::channel(&self.boot.socket()).unwrap();
            let answer = ask(InitClient::new(channel), request).await;
            answer.map(tonic::Response::into_inner)
        })
    }

    fn start(&self, name: &str) -> Result<v1::Service, Status> {
        self.ask(name, |mut init, request| async move {
            init.start_service(request).await
        })
    }

    fn started(&self, name: &str) -> v1::Service {
        self.start(name)
            .unwrap_or_else(|why| panic!("{name}: {why}\n{}", read_log(&self.boot, name)))
    }

    fn stop(&self, name: &str) -> v1::Service {
        self.ask(name, |mut init, request| async move {
            init.stop_service(request).await
        })
        .unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    fn now(&self, name: &str) -> v1::Service {
        self.ask(name, |mut init, request| async move {
            init.get_service(request).await
        })
        .unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    /// Waits until the service is so.
    fn becomes(&self, name: &str, is_so: impl Fn(&v1::Service) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = self.now(name);
            if is_so(&now) {
                return;
            }
            let log = read_log(&self.boot, name);
            assert!(Instant::now() < end, "{name} stays {now:?}\n{log}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn said(&self, name: &str, text: &str) {
        self.boot.wait_for_log(name, text);
    }
}

/// A link among the wants of `multi-user.target`, as `systemctl enable` makes it, starts a service at
/// boot; what is not enabled does not start, and what was stopped does not come back with control.
#[test]
fn what_is_enabled_starts_at_boot_and_once() {
    let unit = "[Service]\nExecStart=/bin/sleep 1000\n";
    let booted = Boot::start_sealed(&[], |layer| {
        let units = layer.join("etc/systemd/system");
        let wants = units.join("multi-user.target.wants");
        std::fs::create_dir_all(&wants).unwrap();
        for name in ["on", "off"] {
            std::fs::write(units.join(format!("{name}.service")), unit).unwrap();
        }
        for name in ["on", "broken"] {
            let target = format!("/etc/systemd/system/{name}.service");
            std::os::unix::fs::symlink(target, wants.join(format!("{name}.service"))).unwrap();
        }
    });
    let Some(boot) = booted else { return };
    boot.wait_for_line("aios: READY after");
    boot.wait_until(|| boot.socket().exists().then_some(()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let system = System { boot, runtime };
    system.becomes("on", |now| now.state() == v1::ServiceState::Ready);
    assert_eq!(system.now("off").state(), v1::ServiceState::Inactive);
    system.stop("on");
    let control = system.now("control").pid;
    system.boot.kill_inside(control);
    system.becomes("control", |now| now.pid != control && now.pid != 0);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(system.now("on").state(), v1::ServiceState::Inactive);
}

#[test]
fn a_start_that_fails_is_a_failure_and_the_log_says_what_was_waited_for() {
    let notify = "[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 1000\n";
    let again = format!("{notify}Restart=on-failure\n");
    let cases = [
        (
            "never-ready",
            notify,
            "has not said READY=1 (Type=notify) within TimeoutStartSec=1s",
        ),
        (
            "pre-hangs",
            "[Service]\nTimeoutStartSec=1\nExecStartPre=/bin/sleep 1000\nExecStart=/bin/sleep 1000\n",
            "ExecStartPre: /bin/sleep 1000: has not ended within TimeoutStartSec=1s",
        ),
        (
            "post-hangs",
            "[Service]\nTimeoutStartSec=1\nExecStartPost=/bin/sleep 1000\nExecStart=/bin/sleep 1000\n",
            "ExecStartPost: /bin/sleep 1000: has not ended within",
        ),
        (
            "once-hangs",
            "[Service]\nType=oneshot\nTimeoutStartSec=1\nExecStart=/bin/sleep 1000\n",
            "ExecStart: /bin/sleep 1000: has not ended within",
        ),
        (
            "parent-stays",
            "[Service]\nType=forking\nTimeoutStartSec=1\nExecStart=/bin/sleep 1000\n",
            "ExecStart: /bin/sleep 1000: has not ended within",
        ),
        (
            "no-pid-file",
            "[Service]\nType=forking\nPIDFile=/run/none.pid\nTimeoutStartSec=1\n\
             ExecStart=/bin/sh -c \"sleep 1000 &\"\n",
            "PIDFile=/run/none.pid names no process of the service within",
        ),
        (
            "ends-early",
            "[Service]\nType=notify\nExecStart=/bin/true\n",
            "main process exited with 0 before it said READY=1",
        ),
    ];
    let mut units: Vec<(&str, &str)> = cases.iter().map(|case| (case.0, case.1)).collect();
    units.push(("tried-again", &again));
    let Some(system) = system(&units) else {
        return;
    };
    for (name, _, text) in cases {
        let began = Instant::now();
        let why = system.start(name).expect_err(name);
        assert_eq!(why.code(), Code::Aborted, "{name}: {why}");
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{name}: {:?}",
            began.elapsed()
        );
        system.said(name, text);
        let now = system.now(name);
        assert_eq!(now.state(), v1::ServiceState::Degraded, "{name}: {now:?}");
        assert!(now.last_exit.contains(text), "{name}: {now:?}");
        assert!(why.message().contains(text), "{name}: {why}");
    }
    let why = system.start("tried-again").unwrap_err();
    assert!(why.message().contains("it is tried again"), "{why}");
    system.becomes("tried-again", |now| now.restarts >= 2);
    assert_eq!(
        system.stop("tried-again").state(),
        v1::ServiceState::Inactive
    );
}

#[test]
fn a_service_comes_back_by_the_rule_of_its_unit() {
    let unit = |rule: &str, script: &str| {
        format!("[Service]\nRestart={rule}\nExecStart=/bin/sh -c '{script}'\n")
    };
    let ends = unit("on-success", "sleep 0.2");
    let fails = unit("on-success", "sleep 0.2; exit 1");
    let aborts = unit("on-abort", "sleep 0.2; kill -SEGV $$$$");
    let exits = unit("on-abort", "sleep 0.2; exit 1");
    let well = unit("on-failure", "sleep 0.2; exit 143") + "SuccessExitStatus=143\n";
    let Some(system) = system(&[
        ("ends", &ends),
        ("fails", &fails),
        ("aborts", &aborts),
        ("exits", &exits),
        ("well", &well),
    ]) else {
        return;
    };
    for name in ["ends", "fails", "aborts", "exits", "well"] {
        system.started(name);
    }
    for name in ["ends", "aborts"] {
        system.becomes(name, |now| now.restarts >= 2);
    }
    for (name, state) in [
        ("fails", v1::ServiceState::Degraded),
        ("exits", v1::ServiceState::Degraded),
        ("well", v1::ServiceState::Done),
    ] {
        system.becomes(name, |now| now.state() == state && now.restarts == 0);
    }
}

#[test]
fn what_remains_after_exit_is_active_until_it_is_stopped() {
    let stop = "ExecStop=/bin/touch /run/%N.stopped\n";
    let remains = format!("[Service]\nRemainAfterExit=yes\nExecStart=/bin/true\n{stop}");
    let forks = format!(
        "[Service]\nType=forking\nRemainAfterExit=yes\n{stop}\
                         ExecStart=/bin/sh -c \"sleep 0.3 &\"\n"
    );
    let fails =
        format!("[Service]\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'sleep 0.3; exit 1'\n{stop}");
    let ends = format!("[Service]\nExecStart=/bin/sleep 0.3\n{stop}");
    let units = [
        ("remains", &*remains),
        ("forks", &*forks),
        ("fails", &*fails),
        ("ends", &*ends),
    ];
    let Some(system) = system(&units) else {
        return;
    };
    for (name, _) in units {
        system.started(name);
    }
    for name in ["remains", "forks"] {
        system.said(name, "active until it is stopped");
        let file = system.boot.seen(&format!("/run/{name}.stopped"));
        let now = system.now(name);
        assert_eq!(now.state(), v1::ServiceState::Ready, "{name}: {now:?}");
        assert!(!file.exists(), "{name} was not stopped yet");
        system.stop(name);
        assert!(file.exists(), "{name} was not stopped by its own command");
    }
    system.becomes("fails", |now| now.state() == v1::ServiceState::Degraded);
    // One that ended by itself is stopped by its commands, too.
    system.becomes("ends", |now| now.state() == v1::ServiceState::Done);
    assert!(system.boot.seen("/run/ends.stopped").exists());
}

#[test]
fn the_last_words_of_a_service_have_a_line_of_their_own() {
    let native = "phase = 3\nready = \"exec\"\nrestart = \"never\"\n\
                  command = [\"/bin/sh\", \"-c\", \"printf '<3>no end'\"]\n";
    let Some(boot) = Boot::start(&[("native", native)]) else {
        return;
    };
    boot.wait_for_log("native", " error no end\n");
    drop(boot);
    let Some(system) = system(&[(
        "panics",
        "[Service]\nExecStart=/bin/sh -c 'printf \"panic: boom\" >&2; kill -SEGV $$$$'\n",
    )]) else {
        return;
    };
    drop(system.start("panics"));
    system.said("panics", " info panic: boom\n");
    system.said("panics", " error main process killed by SIGSEGV\n");
}

/// Prints each of its arguments in brackets.
const SHOW: &str = "/bin/sh -c 'for a; do printf \"[%%s]\" \"$a\"; done; echo' show";

#[test]
fn what_a_unit_says_reaches_its_program_as_systemd_would_hand_it_over() {
    let options = format!(
        "[Service]\nType=oneshot\nEnvironment=\"OPTS=-t 'hello world' -n\"\nExecStart={SHOW} $OPTS end\n"
    );
    let file = format!(
        "[Service]\nType=oneshot\nEnvironmentFile=/run/opts\nExecStart={SHOW} $DAEMON_OPTS ${{AFTER}} ${{Q}}\n"
    );
    let globbed = "[Service]\nType=oneshot\nEnvironmentFile=-/run/env.*\n\
                   EnvironmentFile=-/run/none.*\nExecStart=echo ${A}${B}\n";
    let escapes =
        format!("[Service]\nType=oneshot\nExecStart={SHOW} '^\\d+\\.conf$$' \\x41\\102\\u00e9\n");
    let several =
        "[Service]\nType=oneshot\nExecStart=echo one ; -false ; /bin/echo two \\; three\n";
    let number = "[Service]\nType=oneshot\nUser=65534\nGroup=65534\n\
                  ExecStart=/bin/sh -c 'echo \"$(id -u) $(id -g) $USER\"'\n";
    let Some(system) = system(&[
        ("options", &options),
        ("file", &file),
        ("globbed", globbed),
        ("escapes", &escapes),
        ("several", several),
        ("number", number),
        (
            "no-file",
            "[Service]\nEnvironmentFile=/run/none.*\nExecStart=/bin/true\n",
        ),
    ]) else {
        return;
    };
    system.write(
        "/run/opts",
        "DAEMON_OPTS=\"-g \\\"daemon off;\\\" -c /etc/x.conf\"\nAFTER=1 \\\n2\nQ=\"a\\\nb\"\n",
    );
    system.write("/run/env.a", "A=a\nB=x\n");
    system.write("/run/env.b", "B=b\n");
    for (name, text) in [
        ("options", "[-t][hello world][-n][end]"),
        ("file", "[-g][daemon off;][-c][/etc/x.conf][1 2][ab]"),
        ("globbed", "ab"),
        ("escapes", "[^\\d+\\.conf$][AB\u{e9}]"),
        ("several", "one"),
        ("several", "two ; three"),
        ("number", "65534 65534 nobody"),
    ] {
        assert_eq!(
            system.started(name).state(),
            v1::ServiceState::Done,
            "{name}"
        );
        system.said(name, &format!(" info {text}\n"));
    }
    system.said("escapes", "\\d is no escape and is kept as it is");
    let why = system.start("no-file").unwrap_err();
    assert_eq!(why.code(), Code::Aborted, "{why}");
    system.said("no-file", "there is no such file");
}

#[test]
fn a_line_that_means_nothing_costs_no_more_than_itself() {
    let sleep = "[Service]\nExecStart=/bin/sleep 1000\n";
    let marked = format!("\u{feff}{sleep}");
    let share = format!("{sleep}CPUQuota=50%\nMemoryHigh=80%\n");
    let linked = format!("[Unit]\nDocumentation=https://example.org/a%20b\n{sleep}");
    let choice =
        format!("[Unit]\nConditionPathExists=|/nothere\nConditionPathExists=|/etc/passwd\n{sleep}");
    let Some(system) = system(&[
        ("marked", &marked),
        ("share", &share),
        ("linked", &linked),
        ("choice", &choice),
        ("drop-ins", sleep),
        ("empty", ""),
        (
            "typo",
            "[Service]\nType=oneshot\nExecStrat=/bin/touch /run/typo\n",
        ),
    ]) else {
        return;
    };
    system.write("/usr/local/lib/systemd/system/local.service", sleep);
    let latin = b"# caf\xe9\n[Service]\nExecStart=/bin/sleep 1000\n";
    system.write("/run/systemd/system/latin.service", latin);
    system.write(
        "/usr/local/lib/systemd/system/drop-ins.service.d/vendor.conf",
        "[Service]\nUser=nobody\n",
    );
    let folder = system.boot.seen("/run/systemd/system/drop-ins.service.d");
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("/dev/null", folder.join("vendor.conf")).unwrap();
    for name in [
        "marked", "latin", "share", "linked", "choice", "drop-ins", "local",
    ] {
        assert_eq!(
            system.started(name).state(),
            v1::ServiceState::Ready,
            "{name}"
        );
    }
    system.said("share", "without effect: CPUQuota, MemoryHigh");
    system.said(
        "linked",
        "Documentation=https://example.org/a%20b is passed over",
    );
    for (name, text) in [("empty", "is empty"), ("typo", "lacks ExecStart=")] {
        let why = system.start(name).unwrap_err();
        assert_eq!(why.code(), Code::FailedPrecondition, "{name}: {why}");
        assert!(why.message().contains(text), "{name}: {why}");
    }
}
