//! What boots is what was verified: nothing that lies in the writable layer becomes a service, an
//! agent, a program or an account of aiOS's.

// The tests sleep; there is no executor to block. Helpers of tests fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;

use aios_contracts::v1;
use aios_contracts::v1::init_client::InitClient;
use support::{Boot, read_log};

const GOOD: &str = "phase = 2\nready = \"oneshot\"\nrestart = \"never\"\nuser = \"aios-tools\"\n\
    command = [\"/bin/sh\", \"-c\", \"/bin/id -u; echo the verified one\"]\n";
const AGENT: &str = "phase = 4\ncommand = [\"/bin/sleep\", \"1000\"]\nready = \"exec\"\n";

/// What a package that was root leaves for the next boot.
fn hostile(upper: &Path) {
    let evil = |name: &str| {
        format!(
            "name = \"{name}\"\nphase = 2\nready = \"oneshot\"\nrestart = \"never\"\nuser = \"root\"\n\
             command = [\"/bin/sh\", \"-c\", \"echo evil ran > /evil\"]\noutput = \"console\"\n"
        )
    };
    for folder in ["services", "agents"] {
        std::fs::create_dir_all(upper.join("etc/aios").join(folder)).unwrap();
    }
    for name in ["x", "good"] {
        let file = upper.join(format!("etc/aios/services/{name}.toml"));
        std::fs::write(file, evil(name)).unwrap();
    }
    let agent = "[service]\nphase = 4\nuser = \"root\"\ncommand = [\"/bin/sh\"]\n";
    std::fs::write(upper.join("etc/aios/agents/dev.toml"), agent).unwrap();
    let passwd = "root:x:0:0::/root:/bin/sh\naios-tools:x:0:0::/root:/bin/sh\n\
        redis:x:904:104:::\nwww:x:33:33:::\n";
    std::fs::write(upper.join("etc/passwd"), passwd).unwrap();
    std::fs::write(upper.join("etc/group"), "aios:x:900:www\nwww:x:33:\n").unwrap();
}

async fn services(boot: &Boot) -> Vec<String> {
    let mut init = InitClient::new(aios_daemon::socket::channel(&boot.socket()).unwrap());
    let all = init.list_services(v1::ListServicesRequest {}).await;
    let all = all.unwrap().into_inner().services;
    all.into_iter().map(|service| service.name).collect()
}

#[test]
fn a_layer_that_a_package_left_adds_no_service_no_agent_and_no_account() {
    let manifests = [("good", GOOD), ("agent-one", AGENT)];
    let Some(boot) = Boot::start_sealed(&manifests, hostile) else {
        return;
    };
    let ready = boot.wait_for_line("aios: READY after");
    assert!(ready.contains("changed system"), "{ready}");
    boot.wait_for_log("good", "the verified one");
    let log = read_log(&boot, "good");
    assert!(
        log.contains(" 904"),
        "aios-tools is whom the table says:\n{log}"
    );
    let console = boot.console();
    for ignored in [
        "etc/aios/services (good.toml, x.toml)",
        "etc/aios/agents (dev.toml)",
        "etc/passwd: \"aios-tools:x:0:0::/root:/bin/sh\"",
        "etc/passwd: \"redis:x:904:104:::\"",
        "etc/group: \"aios:x:900:www\"",
    ] {
        let line = format!("aios: IGNORED in the writable layer: {ignored}");
        assert!(console.contains(&line), "{line} is not in:\n{console}");
    }
    assert!(!boot.seen("/evil").exists(), "{console}");
    let passwd = std::fs::read_to_string(boot.seen("/etc/passwd")).unwrap();
    let right = "root:x:0:0::/root:/bin/sh\nwww:x:33:33:::\naios-tools:x:904:900:::\n";
    assert_eq!(passwd, right);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let names = runtime.block_on(services(&boot));
    assert_eq!(names, ["control", "good", "logger", "agent-one"]);
    // Not now either: the running system cannot leave anything there for the next boot.
    let etc = boot.seen("/etc/aios/services/x.toml");
    assert!(std::fs::write(etc, "x").is_err());
    let aside = boot
        .path()
        .join("data/overlay/ignored/etc-aios-agents.0/dev.toml");
    assert!(aside.exists(), "kept for whoever asks who did it");
}

#[test]
fn a_link_in_the_layer_leads_to_no_other_programs() {
    let layer = |upper: &Path| {
        // Where the verified root has a folder of this name, and the layer its own programs.
        std::fs::create_dir_all(upper.join("usr")).unwrap();
        symlink("/etc", upper.join("usr/lib")).unwrap();
        let programs = upper.join("etc/aios");
        std::fs::create_dir_all(&programs).unwrap();
        for name in ["aios-control", "aios-logger"] {
            std::fs::write(programs.join(name), "#!/bin/sh\necho evil ran > /evil\n").unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(programs.join(name), mode).unwrap();
        }
    };
    let Some(boot) = Boot::start_sealed(&[], layer) else {
        return;
    };
    boot.wait_for_line("aios: IGNORED in the writable layer: usr/lib");
    boot.wait_for_line("aios: READY after");
    boot.wait_until(|| boot.pid_of("aios-control"));
    assert!(!boot.seen("/evil").exists(), "{}", boot.console());
}
