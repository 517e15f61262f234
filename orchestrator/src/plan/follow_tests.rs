use super::*;
use aios_goals::engine::{finish, next};
use aios_goals::{Interruption, State, Step};
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

use crate::plan::Plan;
use crate::registry::{Act, Catalog, Tool};

fn goal(tasks: &[TaskState]) -> Goal {
    let task = |(index, state): (usize, &TaskState)| Task {
        index,
        act: format!("act.{index}"),
        state: *state,
        summary: format!("value {index}"),
        ..Task::default()
    };
    Goal {
        id: "g".into(),
        state: State::Running,
        tasks: tasks.iter().enumerate().map(task).collect(),
        ..Goal::default()
    }
}

fn done() -> Next {
    Next::Done {
        note: String::new(),
    }
}

fn plan(next: Next) -> Cleared {
    Cleared::unchecked(Plan {
        next,
        level: Some(aios_goals::Level::Operational),
        confidence: 0.9,
        alternatives: vec![],
        reason: String::new(),
        cost: Duration::ZERO,
    })
}

fn act() -> Next {
    let list = Tool::new("fs.list", json!({"type": "object"}), false);
    let act: Act = Catalog::new([list], &[])
        .act("fs.list", Default::default())
        .unwrap();
    Next::Act(act)
}

#[test]
fn the_answer_holds_what_the_tasks_returned() {
    let goal = goal(&[TaskState::Succeeded, TaskState::Succeeded]);
    assert_eq!(
        follow(&goal, &plan(done())),
        Err(End::Succeeded {
            answer: "value 0\nvalue 1".into()
        })
    );
}

#[test]
fn doing_nothing_is_no_success_and_acts_are_limited() {
    let nothing = follow(&goal(&[]), &plan(done()));
    assert!(matches!(nothing, Err(End::Failed { .. })));
    let full = goal(&[TaskState::Succeeded; ACTS_MAX]);
    assert!(matches!(
        follow(&full, &plan(act())),
        Err(End::Failed { .. })
    ));
    let refused = follow(
        &goal(&[TaskState::Succeeded]),
        &plan(Next::Refuse("no".into())),
    );
    assert_eq!(
        refused,
        Err(End::Failed {
            reason: "no (done before: value 0)".into()
        })
    );
}

/// What the world does to a goal at one step.
#[derive(Clone, Debug)]
enum World {
    Act,
    Done,
    Refuse,
    TaskFails,
    Asks,
    Crash,
    Cancel,
}

fn any_world() -> impl Strategy<Value = World> {
    use World::*;
    prop_oneof![4 => Just(Act), 2 => Just(Done), 1 => Just(Refuse), 1 => Just(TaskFails), 1 => Just(Asks), 2 => Just(Crash), 1 => Just(Cancel)]
}

proptest! {
    /// Whatever happens, a goal ends within its acts, and leaves no task open.
    #[test]
    fn every_history_ends(worlds in prop::collection::vec(any_world(), 1..60)) {
        let mut goal = goal(&[]);
        let mut interruption = None;
        let mut steps = 0;
        for world in worlds.into_iter().chain(std::iter::repeat(World::Act)) {
            steps += 1;
            prop_assert!(steps < 60 + 3 * ACTS_MAX + 2, "it does not end");
            if matches!(world, World::Cancel) {
                interruption = Some(Interruption::Cancelled { by: "x".into() });
            }
            match next(&goal, interruption.as_ref()) {
                Step::Rest => break,
                Step::Finish(end) => finish(&mut goal, end, 1),
                Step::Wait(index) => goal.tasks[index].state = TaskState::Pending,
                Step::Execute(index) => match world {
                    World::Asks => goal.tasks[index].state = TaskState::Waiting,
                    World::Crash => goal.tasks[index].state = TaskState::Running,
                    World::TaskFails => goal.tasks[index].state = TaskState::Failed,
                    _ => goal.tasks[index].state = TaskState::Succeeded,
                },
                Step::Plan => {
                    let next = match world {
                        World::Done => done(),
                        World::Refuse => Next::Refuse("no".into()),
                        World::Crash => continue,
                        _ => act(),
                    };
                    match follow(&goal, &plan(next)) {
                        Ok(task) => goal.tasks.push(task),
                        Err(end) => finish(&mut goal, end, 1),
                    }
                }
            }
        }
        prop_assert!(goal.is_finished());
        prop_assert!(goal.tasks.len() <= ACTS_MAX);
        prop_assert!(!goal.tasks.iter().any(Task::is_open));
        prop_assert!(goal.tasks.iter().enumerate().all(|(i, task)| task.index == i));
    }
}
