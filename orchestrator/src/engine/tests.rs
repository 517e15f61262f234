use super::*;
use proptest::prelude::*;
use std::time::Duration;

use crate::plan::Plan;
use aios_proto::v1::Level;

fn goal(state: GoalState, tasks: &[TaskState]) -> Goal {
    Goal {
        id: "g".into(),
        state: state.into(),
        tasks: tasks
            .iter()
            .enumerate()
            .map(|(index, state)| Task {
                index: index as u32,
                act: format!("act.{index}"),
                state: (*state).into(),
                summary: format!("value {index}"),
                ..Task::default()
            })
            .collect(),
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
        level: Level::Operational,
        confidence: 0.9,
        alternatives: vec![],
        reason: String::new(),
        cost: Duration::ZERO,
    })
}

fn act() -> Next {
    Next::Act {
        name: "fs.list".into(),
        arguments: Default::default(),
    }
}

fn kind(step: &Step) -> &'static str {
    match step {
        Step::Rest => "rest",
        Step::Plan => "plan",
        Step::Execute(_) => "execute",
        Step::Finish(End::Succeeded { .. }) => "succeeded",
        Step::Finish(End::Failed { .. }) => "failed",
        Step::Finish(End::Cancelled { .. }) => "cancelled",
    }
}

#[test]
fn the_next_step_follows_from_the_record() {
    use TaskState::*;
    let check = |tasks: &[TaskState], expected: Step| {
        assert_eq!(
            next(&goal(GoalState::Running, tasks), None),
            expected,
            "{tasks:?}"
        );
    };
    check(&[], Step::Plan);
    check(&[Pending], Step::Execute(0));
    check(&[Running], Step::Execute(0)); // after a restart: again, by the same call ids
    check(&[Succeeded], Step::Plan);
    check(&[Succeeded, Running], Step::Execute(1));
    check(&[Succeeded, Unspecified], Step::Execute(1));
    let failed = next(&goal(GoalState::Running, &[Succeeded, Failed]), None);
    assert_eq!(
        failed,
        Step::Finish(End::Failed {
            reason: "task 2: it failed without saying why (done before: value 0)".into()
        })
    );
}

#[test]
fn an_ended_goal_rests_whatever_comes() {
    let cancel = Interruption::Cancelled { by: "a".into() };
    for state in [
        GoalState::Succeeded,
        GoalState::Failed,
        GoalState::Cancelled,
    ] {
        assert_eq!(next(&goal(state, &[]), Some(&cancel)), Step::Rest);
    }
}

#[test]
fn an_interruption_ends_a_goal_but_a_failure_is_said_first() {
    use TaskState::*;
    let cancel = Interruption::Cancelled {
        by: "CN=alice 5".into(),
    };
    let expired = Interruption::Expired { after_s: 120 };
    let check = |tasks: &[TaskState], interruption, expected| {
        let step = next(&goal(GoalState::Running, tasks), Some(interruption));
        assert_eq!(kind(&step), expected, "{tasks:?}");
    };
    check(&[Running], &cancel, "cancelled");
    check(&[Failed], &cancel, "failed");
    check(&[Succeeded, Running], &expired, "failed");
    check(&[], &expired, "failed");
}

#[test]
fn the_answer_holds_what_the_tasks_returned() {
    let goal = goal(
        GoalState::Running,
        &[TaskState::Succeeded, TaskState::Succeeded],
    );
    assert_eq!(
        planned(&goal, &plan(done())),
        Err(End::Succeeded {
            answer: "value 0\nvalue 1".into()
        })
    );
}

#[test]
fn doing_nothing_is_no_success_and_acts_are_limited() {
    let nothing = planned(&goal(GoalState::Running, &[]), &plan(done()));
    assert!(matches!(nothing, Err(End::Failed { .. })));
    let full = goal(GoalState::Running, &[TaskState::Succeeded; ACTS_MAX]);
    assert!(matches!(
        planned(&full, &plan(act())),
        Err(End::Failed { .. })
    ));
    let refused = planned(
        &goal(GoalState::Running, &[TaskState::Succeeded]),
        &plan(Next::Refuse("no".into())),
    );
    assert_eq!(
        refused,
        Err(End::Failed {
            reason: "no (done before: value 0)".into()
        })
    );
}

#[test]
fn an_answer_fits_its_record() {
    let mut goal = goal(GoalState::Running, &[]);
    let answer = "ä".repeat(1 << 20);
    finish(&mut goal, End::Succeeded { answer });
    assert!(goal.answer.len() < 128 * 1024 && goal.answer.ends_with('…'));
}

fn any_task() -> impl Strategy<Value = TaskState> {
    prop::sample::select(vec![
        TaskState::Unspecified,
        TaskState::Pending,
        TaskState::Running,
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Cancelled,
    ])
}

/// What the world does to a goal at one step.
#[derive(Clone, Debug)]
enum World {
    Act,
    Done,
    Refuse,
    TaskFails,
    Crash,
    Cancel,
}

fn any_world() -> impl Strategy<Value = World> {
    use World::*;
    prop_oneof![4 => Just(Act), 2 => Just(Done), 1 => Just(Refuse), 1 => Just(TaskFails), 2 => Just(Crash), 1 => Just(Cancel)]
}

proptest! {
    /// From any record, however it came to be, a success is claimed only if every task succeeded.
    #[test]
    fn success_means_that_every_task_succeeded(tasks in prop::collection::vec(any_task(), 0..10)) {
        let goal = goal(GoalState::Running, &tasks);
        let step = next(&goal, None);
        prop_assert_ne!(kind(&step), "succeeded");
        if step == Step::Plan {
            prop_assert!(tasks.iter().all(|state| *state == TaskState::Succeeded));
        }
        if let Step::Execute(index) = step {
            prop_assert!(is_open(&goal.tasks[index]));
            prop_assert!(tasks[..index].iter().all(|state| *state == TaskState::Succeeded));
        }
    }

    /// Whatever happens, a goal ends within its acts, and leaves no task open.
    #[test]
    fn every_history_ends(worlds in prop::collection::vec(any_world(), 1..60)) {
        let mut goal = goal(GoalState::Running, &[]);
        let mut interruption = None;
        let mut steps = 0;
        for world in worlds.into_iter().chain(std::iter::repeat(World::Act)) {
            steps += 1;
            prop_assert!(steps < 60 + 2 * ACTS_MAX + 2, "it does not end");
            if matches!(world, World::Cancel) {
                interruption = Some(Interruption::Cancelled { by: "x".into() });
            }
            match next(&goal, interruption.as_ref()) {
                Step::Rest => break,
                Step::Finish(end) => finish(&mut goal, end),
                Step::Execute(index) => match world {
                    World::Crash => goal.tasks[index].state = TaskState::Running.into(),
                    World::TaskFails => goal.tasks[index].state = TaskState::Failed.into(),
                    _ => goal.tasks[index].state = TaskState::Succeeded.into(),
                },
                Step::Plan => {
                    let next = match world {
                        World::Done => done(),
                        World::Refuse => Next::Refuse("no".into()),
                        World::Crash => continue,
                        _ => act(),
                    };
                    match planned(&goal, &plan(next)) {
                        Ok(task) => goal.tasks.push(task),
                        Err(end) => finish(&mut goal, end),
                    }
                }
            }
        }
        prop_assert!(is_finished(&goal));
        prop_assert!(goal.tasks.len() <= ACTS_MAX);
        prop_assert!(!goal.tasks.iter().any(is_open));
        prop_assert!(goal.tasks.iter().enumerate().all(|(i, task)| task.index == i as u32));
    }
}
