//! Which changes are made on a disk that is almost full.

use aios_daemon::identity::Principal;
use aios_files::space::{AGENTS_PERCENT, GOALS_PERCENT};

use aios_tool::error::ToolError;
use aios_tool::spec::Spec;

/// Is there room for a change by this caller? `for_goal`: an operator asked for it. `percent` is how
/// full the data disk is.
///
/// # Errors
/// `Precondition`, saying how full the disk is and what to do.
pub fn room(tool: &Spec, caller: &Principal, for_goal: bool, percent: u8) -> Result<(), ToolError> {
    let (whose, most) = match for_goal {
        true => ("goals", GOALS_PERCENT),
        false => ("agents", AGENTS_PERCENT),
    };
    let asks = tool.changes() && !tool.makes_room && matches!(caller, Principal::Agent(_));
    if !asks || percent < most {
        return Ok(());
    }
    Err(ToolError::Precondition(format!(
        "the data disk is {percent} % full, and {whose} change nothing from {most} % on; \
         delete what is not needed, then free what is kept for undo: aiosctl storage reclaim"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_stops_agents_first_then_goals_and_never_a_person_or_what_makes_room() {
        let registry = crate::registry::Registry::complete();
        let agent = Principal::Agent("storage".into());
        let check = |tool: &str, caller: &Principal, for_goal, percent, expected| {
            let tool = registry.find(tool).unwrap();
            let found = room(tool.spec(), caller, for_goal, percent).is_ok();
            assert_eq!(
                found,
                expected,
                "{} {caller} {for_goal} {percent}",
                tool.spec().name
            );
        };
        check("fs.write", &agent, false, 89, true);
        check("fs.write", &agent, false, 90, false);
        check("fs.write", &agent, true, 96, true);
        check("fs.write", &agent, true, 97, false);
        check("fs.delete", &agent, false, 100, true);
        check("fs.read", &agent, false, 100, true);
        check("fs.write", &Principal::Root, false, 100, true);
    }
}
