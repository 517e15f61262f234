//! One executable that is many programs, by the name it is called by: what they have in common
//! (gRPC, TLS, the async runtime) is in the image, in memory and read from the disk once.
//!
//! On the appliance each name is a symbolic link. By its own name it lists the links: that is how
//! the image gets them.
//!
//! What must not live here: PID 1, which stays small, and the model server, whose C++ is in no
//! other process.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

type Program = (&'static str, fn() -> ExitCode);

/// Every program: where its link is, and its entry.
const PROGRAMS: [Program; 16] = [
    ("/usr/bin/aiosctl", aiosctl::main),
    ("/usr/lib/aios/aios-agent", aios_agents::main),
    ("/usr/lib/aios/aios-config", aios_configd::main),
    ("/usr/lib/aios/aios-console", || {
        aios_roles::role("aios-console")
    }),
    ("/usr/lib/aios/aios-control", || {
        aios_roles::role("aios-control")
    }),
    ("/usr/lib/aios/aios-keeper", || {
        aios_roles::role("aios-keeper")
    }),
    ("/usr/lib/aios/aios-logger", || {
        aios_roles::role("aios-logger")
    }),
    ("/usr/lib/aios/aios-maintenance", aios_maintenance::main),
    ("/usr/lib/aios/aios-memory", aios_memory::main),
    ("/usr/lib/aios/aios-network", aios_network::main),
    ("/usr/lib/aios/aios-orchestrator", aios_orchestrator::main),
    ("/usr/lib/aios/aios-packages", aios_packages::main),
    ("/usr/lib/aios/aios-provision", || {
        aios_roles::role("aios-provision")
    }),
    ("/usr/lib/aios/aios-tools", aios_tools::main),
    ("/usr/lib/aios/aios-update", aios_update::main),
    ("/usr/lib/aios/aios-work", aios_work::main),
];

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    match program(&called) {
        Some(run) => run(),
        None if Path::new(&called).file_name() == Some("aios".as_ref()) => list(),
        None => {
            eprintln!("<3>{} is no program of aios", called.display());
            ExitCode::from(64)
        }
    }
}

/// What a name stands for; its folder does not matter.
fn program(called: &OsStr) -> Option<fn() -> ExitCode> {
    let name = Path::new(called).file_name()?;
    if name == "hook" {
        return Some(aios_network::main); // dhcpcd's script
    }
    let named = |(link, _): &&Program| Path::new(link).file_name() == Some(name);
    PROGRAMS.iter().find(named).map(|(_, run)| *run)
}

fn list() -> ExitCode {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    for (link, _) in PROGRAMS {
        if writeln!(out, "{link}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the manifests of services and agents run is there, or is an executable of its own.
    #[test]
    fn every_program_of_a_manifest_is_known() {
        let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("../image/etc/aios");
        let own = ["aios-init", "aios-install", "aios-runtime"];
        let mut seen = 0;
        for folder in ["services", "agents"] {
            for entry in std::fs::read_dir(etc.join(folder)).unwrap() {
                let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
                let words = text.split('"');
                for called in words.filter(|word| word.starts_with("/usr/lib/aios/aios-")) {
                    let name = Path::new(called).file_name().unwrap();
                    let known = program(called.as_ref()).is_some();
                    assert!(known || own.map(OsStr::new).contains(&name), "{called}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 15, "{seen} are all that was found");
    }

    #[test]
    fn a_program_is_known_by_its_name_wherever_it_lies() {
        let cases = [
            ("/usr/bin/aiosctl", true),
            ("aiosctl", true),
            ("/lower/usr/lib/aios/aios-agent", true),
            ("/run/aios/network/hook", true),
            ("/usr/lib/aios/aios", false),
            ("/usr/lib/aios/", false),
            ("", false),
        ];
        for (called, known) in cases {
            assert_eq!(program(called.as_ref()).is_some(), known, "{called}");
        }
    }
}
