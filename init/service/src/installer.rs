//! A boot from an installer: GRUB says `aios.install=1`. No disk is mounted and nothing runs but
//! what installs (`aios-install`, the crate `install/`). That program is none of our roles, so
//! that PID 1's executable stays small.

/// The service that installs.
pub const SERVICE: &str = "install";

/// Was the machine started from an installer?
pub fn is_asked(command_line: &str) -> bool {
    command_line
        .split_whitespace()
        .any(|word| word == "aios.install=1")
}

/// Is this service not for such a boot? The installer's own is for no other.
pub fn leaves_out(service: &str, is_installer: bool) -> bool {
    match is_installer {
        true => !["control", "logger", SERVICE].contains(&service),
        false => service == SERVICE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_boot_loaders_word_makes_an_installer() {
        assert!(is_asked("quiet aios.install=1 aios.slot=a"));
        for line in ["", "aios.install=0", "aios.install=10", "xaios.install=1"] {
            assert!(!is_asked(line), "{line}");
        }
    }

    #[test]
    fn an_installer_runs_nothing_else_and_no_other_boot_runs_it() {
        for (service, on_installer, otherwise) in [
            ("install", false, true),
            ("control", false, false),
            ("logger", false, false),
            ("orchestrator", true, false),
            ("console", true, false),
            ("keeper", true, false),
            ("provision", true, false),
            ("agent-system", true, false),
        ] {
            assert_eq!(leaves_out(service, true), on_installer, "{service}");
            assert_eq!(leaves_out(service, false), otherwise, "{service}");
        }
    }
}
