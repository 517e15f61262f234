//! The boot: everything that PID 1 does before its event loop. Here it may wait.

mod check;
mod data;
mod pins;
mod prepare;
mod reset;
mod sysctl;
mod system_accounts;
mod trial;
mod unlock;

use aios_service::conditions::{self, Condition};
use aios_service::console::{Console, Severity};
use aios_service::manifest::{self, Manifest, Way};
use aios_service::time::Millis;
use aios_service::{boots, installer, places};

use crate::run::Line;
use crate::{crash, mounts, readahead};

/// What the boot leads to.
pub struct Booted {
    /// Where PID 1 speaks.
    pub console: Console,
    /// The services of this boot.
    pub manifests: Vec<Manifest>,
    /// What this boot lacks, as the READY line names it.
    pub missing: Vec<String>,
}

/// Mounts, prepares the host and reads the manifests. `begun`: when PID 1 was started.
pub fn boot(way: Way, begun: Millis) -> Booted {
    crash::prepare(way);
    let failures = mounts::mount_all(way == Way::Container);
    crash::open_log();
    let console = Console::open(way);
    console.announce(&Line::Started(1, begun).to_string());
    for failure in failures {
        console.log(Severity::Error, &failure);
    }
    if way == Way::Machine
        && let Err(error) = readahead::begin()
    {
        console.log(Severity::Warning, &format!("cannot read ahead: {error}"));
    }
    let mut conditions = prepare::system(way, &console);
    let mut manifests = read_manifests(way, &console, &mut conditions);
    if conditions.iter().any(Condition::is_safe_mode) {
        manifests.retain(|manifest| !boots::is_left_out(&manifest.name));
    }
    let installer = conditions.iter().any(Condition::is_installer);
    manifests.retain(|manifest| !installer::leaves_out(&manifest.name, installer));
    if let Err(error) = conditions::publish(&conditions) {
        let text = format!("cannot say what this boot lacks: {error}");
        console.log(Severity::Error, &text);
    }
    Booted {
        console,
        manifests,
        missing: conditions.iter().map(Condition::name).collect(),
    }
}

/// All manifests that can be used; each of the others becomes a condition.
fn read_manifests(way: Way, console: &Console, conditions: &mut Vec<Condition>) -> Vec<Manifest> {
    let (manifests, mistakes) = manifest::load(&places::etc_dir(), way);
    if manifests.is_empty() {
        let folder = places::etc_dir();
        console.announce(&format!(
            "there is no service manifest in {}",
            folder.display()
        ));
    }
    for mistake in &mistakes {
        let text = format!("manifest refused: {mistake}");
        console.log(Severity::Error, &text);
        console.announce(&text);
        conditions.push(Condition::new("manifest", &mistake.to_string()));
    }
    manifests
}
