//! `schedule.*`: orders that are carried out later, once or again and again.
//!
//! 1. **A schedule is one file** ([`file`]), written once. What became of it is kept apart ([`book`]).
//! 2. **It is carried out as a goal** of whoever ordered it, with the role that they had: the orchestrator
//!    asks what is due ([`crate::pipeline::Pipeline::take_schedules`]) and gives itself the goal.
//! 3. **Its grant is for exactly what was ordered** ([`grant`]). A call that would do something else now,
//!    or about which policy has a person asked now, is not made: the schedule is suspended, and says why.
//! 4. **When it is due is decided purely** ([`when`], [`due`]). No time is run twice, whatever the clock
//!    does; of times that were missed, one is made up for; a run that overlaps the one before is skipped.
//! 5. **While the emergency stop holds nothing is run**, and what was due then is not made up for.

pub mod book;
pub mod create;
pub mod cron;
pub mod delete;
pub mod due;
pub mod file;
pub mod grant;
pub mod list;
pub mod order;
pub mod run_now;
pub mod when;
pub mod zone;

use std::sync::Arc;

use aios_tool::argument::{Kind, Named, Object};
use aios_tool::tool::{ErasedTool, change, edit, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        edit::<create::Create>(),
        look::<list::List>(),
        edit::<delete::Delete>(),
        change::<run_now::RunNow>(),
    ]
}

/// Schedules of this node.
#[derive(Clone, Copy, Debug)]
pub enum Id {}

/// A schedule, and what is done with it.
pub type ScheduleId<A> = Named<Id, A>;

impl Object for Id {
    const KIND: Kind = Kind::Text;
    const NAMESPACE: &'static str = "schedule";

    fn resolve(mut id: String) -> Result<String, String> {
        id.make_ascii_lowercase();
        match file::is_id(&id) {
            true => Ok(id),
            false => Err("must be the id of a schedule: eight hexadecimal digits".to_owned()),
        }
    }
}
