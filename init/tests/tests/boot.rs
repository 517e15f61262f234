//! The real executable as PID 1 in namespaces of its own: services start, come
//! back when killed, speak through control, and stop cleanly.
//!
//! Needs root and util-linux's `unshare`.

#![allow(clippy::disallowed_methods)] // the tests sleep; there is no executor to block

mod support;

use std::time::{Duration, Instant};

use aios_testkit::needs;
use support::{Boot, LOOK_EVERY, read_log, resident_kib};

/// PID 1 must stay below this, in KiB: it is on every node, and never leaves memory.
const RESIDENT_MAX_KIB: u64 = 3 * 1024;

#[test]
fn services_come_back_after_a_kill_and_the_end_is_clean() {
    let Some(boot) = Boot::start(&[
        (
            "sleeper",
            "phase = 2\nready = \"exec\"\ncommand = [\"/bin/sleep\", \"1000\"]\n",
        ),
        (
            "talker",
            "phase = 3\nready = \"exec\"\nafter = [\"sleeper\"]\nstop_timeout_ms = 300\n\
             command = [\"/bin/sh\", \"-c\", \"trap '' TERM; echo '<3>talker is up'; while :; do sleep 1; done\"]\n",
        ),
        (
            "once",
            "phase = 1\nready = \"oneshot\"\nrestart = \"never\"\ncommand = [\"/bin/true\"]\n",
        ),
        (
            "orphans",
            "phase = 3\nready = \"oneshot\"\nrestart = \"never\"\n\
             command = [\"/bin/sh\", \"-c\", \"(sh -c 'kill -40 $$' &) ; sleep 0.2\"]\n",
        ),
    ]) else {
        return;
    };
    let ready = boot.wait_for_line("aios: READY after");
    // There is no orchestrator here, which PID 1 must say.
    assert!(ready.contains("(degraded: autonomy loop)"), "{ready}");
    for phase in [
        "1 hardware and mounts",
        "2 model runtime",
        "5 autonomy loop",
    ] {
        boot.wait_for_line(&format!("aios: phase {phase} done at"));
    }
    boot.wait_for_log("talker", " error talker is up");

    let before = boot.pid_of("/bin/sleep 1000").expect("the sleeper runs");
    std::thread::sleep(Duration::from_millis(2_100)); // stable from here on
    let killed = Instant::now();
    boot.kill(before);
    let after = boot.wait_until(|| boot.pid_of("/bin/sleep 1000").filter(|pid| *pid != before));
    println!(
        "killed to running again: {} ms",
        killed.elapsed().as_millis()
    );
    assert_ne!(before, after);

    for role in ["control", "logger"] {
        let words = format!("aios-{role}");
        let before = boot.pid_of(&words).expect("the role runs");
        boot.kill(before);
        boot.wait_until(|| boot.pid_of(&words).filter(|pid| *pid != before));
    }
    assert_eq!(boot.zombies(), Vec::<String>::new(), "all are reaped");

    let resident = resident_kib(boot.pid());
    println!("PID 1 resident set: {resident} KiB");
    assert!(resident <= RESIDENT_MAX_KIB, "PID 1 uses {resident} KiB");

    let (status, console) = boot.terminate();
    assert_eq!(status, Some(0), "{console}");
    assert!(
        console.contains("aios: shutting down (SIGTERM)"),
        "{console}"
    );
    assert!(
        console.trim_end().ends_with("aios: powered off cleanly"),
        "{console}"
    );
}

#[test]
fn a_daemon_that_stands_still_is_replaced_and_one_that_serves_is_left_alone() {
    let Some(boot) = Boot::start(&[]) else {
        return;
    };
    boot.wait_for_line("aios: READY after");
    let control = boot.wait_until(|| boot.pid_of("aios-control"));
    std::thread::sleep(Duration::from_secs(5)); // longer than its manifest lets it be silent
    assert_eq!(
        boot.pid_of("aios-control"),
        Some(control),
        "it gives signs of life"
    );
    boot.stop(control);
    boot.wait_until(|| boot.pid_of("aios-control").filter(|pid| *pid != control));
}

#[test]
fn control_orders_services_and_reads_their_logs() {
    let Some(boot) = Boot::start(&[
        (
            "talker",
            "phase = 3\nready = \"exec\"\nstart = \"demand\"\n\
             command = [\"/bin/sh\", \"-c\", \"echo '<4>hello'; exec sleep 1000\"]\n",
        ),
        (
            "broken",
            "phase = 3\nready = \"oneshot\"\nrestart = \"never\"\nstart = \"demand\"\n\
             command = [\"/bin/false\"]\n",
        ),
    ]) else {
        return;
    };
    boot.wait_for_line("aios: READY after");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(support::orders(&boot));
    let text = read_log(&boot, "talker");
    assert!(text.contains(" warning hello"), "{text}");
}

#[test]
fn a_service_in_a_container_does_without_what_the_container_lacks_and_nobody_is_bothered() {
    let asks =
        "phase = 2\nready = \"oneshot\"\nrestart = \"never\"\ncapabilities = [\"CAP_SYS_TIME\"]\n";
    let shown = format!("{asks}output = \"console\"\ncommand = [\"/bin/echo\", \"shown ran\"]\n");
    let logged = format!("{asks}command = [\"/bin/echo\", \"logged ran\"]\n");
    let bad = format!("{asks}output = \"console\"\ncommand = [\"/nowhere\"]\n");
    let services = [("shown", &*shown), ("logged", &*logged), ("bad", &*bad)];
    let Some(boot) = Boot::start(&services) else {
        return;
    };
    boot.wait_for_line("shown ran");
    boot.wait_for_log("logged", "logged ran");
    let log = read_log(&boot, "logged");
    assert!(
        log.contains(" debug logged runs without CAP_SYS_TIME"),
        "{log}"
    );
    boot.wait_for_line("aios: bad cannot be started: cannot execute its program");
    let console = boot.console();
    assert!(!console.contains("CAP_SYS_TIME"), "{console}");
    assert!(!console.contains("<3>"), "levels are for logs: {console}");
}

#[test]
fn a_confined_service_is_refused_calls_and_files_even_as_root() {
    let Some(boot) = Boot::start(&[(
        "confined",
        "phase = 3\nready = \"oneshot\"\nrestart = \"never\"\n\
         command = [\"/bin/sh\", \"-c\", \"mount -t tmpfs x /mnt || echo mount refused; \
         unshare --user true || echo namespace refused; cat /etc/passwd > /dev/null && echo may read; \
         ls /root > /dev/null || echo hidden; touch /etc/x || echo may not write; echo over\"]\n\
         [sandbox]\nsyscalls = \"service\"\n\
         landlock = { read = [\"/etc\"], write = [\"/dev/null\"], \
         execute = [\"/bin\", \"/usr\", \"/lib\", \"/lib64\"] }\n",
    )]) else {
        return;
    };
    boot.wait_for_log("confined", "over");
    let log = read_log(&boot, "confined");
    let mut expected = vec!["mount refused", "namespace refused", "may read"];
    let has_landlock = !log.contains("runs without Landlock");
    if needs::that(has_landlock, "it needs a kernel with Landlock") {
        expected.extend(["hidden", "may not write"]);
    }
    for text in expected {
        assert!(log.contains(text), "{text} is not in:\n{log}");
    }
}

#[test]
fn a_service_gets_what_its_manifest_says_and_no_more() {
    let Some(boot) = Boot::start(&[(
        "jailed",
        "phase = 3\nready = \"oneshot\"\nrestart = \"never\"\nuser = \"nobody\"\n\
         capabilities = [\"CAP_NET_RAW\"]\nstate_dirs = [\"/var/lib/aios/jailed\"]\n\
         environment = { COLOUR = \"blue\" }\n\
         command = [\"/bin/sh\", \"-c\", \"id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; \
         echo colour $COLOUR; ls /root /srv | wc -l; touch /etc/x /usr/x || echo read-only; \
         touch /var/lib/aios/jailed/mine && echo own; cat /proc/net/dev; echo descriptors $(ls /proc/self/fd)\"]\n\
         [sandbox]\nprivate_network = true\nprivate_files = true\n",
    )]) else {
        return;
    };
    boot.wait_for_line("aios: READY after");
    boot.wait_for_log("jailed", "own");
    std::thread::sleep(LOOK_EVERY);
    let log = read_log(&boot, "jailed");
    for expected in [
        "65534",
        "CapEff:\t0000000000002000",
        "CapBnd:\t0000000000002000",
        "NoNewPrivs:\t1",
        "colour blue",
        "read-only",
        "own",
    ] {
        assert!(log.contains(expected), "{expected} is not in:\n{log}");
    }
    assert!(
        log.contains(" lo:") && !log.contains("eth0:"),
        "not a private network:\n{log}"
    );
    let open = log
        .lines()
        .find(|line| line.contains("descriptors"))
        .unwrap_or_default();
    assert!(
        open.split(' ')
            .filter(|word| word.parse::<u32>().is_ok_and(|fd| fd < 1000))
            .count()
            <= 5,
        "{open}"
    );
}
