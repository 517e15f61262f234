//! Where things are and what the operator configured, read once.

use std::path::PathBuf;
use std::sync::Arc;

use aios_config::{Approval, Tools, reader};
use aios_daemon::Places;
use aios_files::space::Space;

use crate::pipeline::Fullness;

/// The daemon's configuration.
#[derive(Clone)]
pub struct Config {
    /// `/run/aios`.
    pub run_dir: PathBuf,
    /// `/var/lib/aios`.
    pub state_dir: PathBuf,
    /// `/etc/aios`.
    pub etc_dir: PathBuf,
    /// The `[approval]` table.
    pub approval: Approval,
    /// The `[tools]` table.
    pub tools: Tools,
    /// Who owns new files: root, unless a test says otherwise.
    pub owner: (u32, u32),
    /// How full the data disk is, unless a test says otherwise.
    pub fullness: Fullness,
}

impl Config {
    /// The configuration that holds in these places.
    pub fn load(places: Places) -> Self {
        let config = places.config::<reader::Tools>();
        Self {
            fullness: Arc::new({
                let state = places.state.clone();
                move || Space::of(&state).ok().map(Space::percent)
            }),
            approval: config.table::<Approval>().clone(),
            tools: config.table::<Tools>().clone(),
            run_dir: places.run,
            state_dir: places.state,
            etc_dir: places.etc,
            owner: (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use aios_config::Risk;

    use super::*;

    /// A limit of zero once meant that every call was refused; and a daemon with a typing error
    /// anywhere in the file once did not start.
    #[test]
    fn a_file_that_is_wrong_leaves_the_tools_as_they_were() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::below(root.path());
        std::fs::create_dir(&places.etc).unwrap();
        let file = places.etc.join(aios_daemon::configuration::FILE);
        let check = |text: &str, expected: (u32, Risk)| {
            std::fs::write(&file, text).unwrap();
            aios_daemon::configuration::remember(&places.etc).unwrap();
            let config = Config::load(places.clone());
            let found = (
                config.tools.calls_per_caller_max,
                config.approval.auto_up_to,
            );
            assert_eq!(found, expected, "{text}");
        };
        check("[tools]\ncalls_per_caller_max = 0\n", (16, Risk::High));
        check("[approval]\nauto_up_to = \"low\"\n", (16, Risk::Low));
        check("[tools]\ncalls_per_caller_max = 0\n", (16, Risk::Low));
        check("[", (16, Risk::Low));
        check("[network]\ndns = 5\n", (16, Risk::Low));
        check("[tools]\ncalls_per_caller_max = 2\n", (2, Risk::High));
    }
}
