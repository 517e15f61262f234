use super::*;
use proptest::prelude::*;

fn goal(state: State, tasks: &[TaskState]) -> Goal {
    Goal {
        id: "g".into(),
        state,
        tasks: tasks
            .iter()
            .enumerate()
            .map(|(index, state)| Task {
                index,
                act: format!("act.{index}"),
                state: *state,
                summary: format!("value {index}"),
                ..Task::default()
            })
            .collect(),
        ..Goal::default()
    }
}

fn kind(step: &Step) -> &'static str {
    match step {
        Step::Rest => "rest",
        Step::Plan => "plan",
        Step::Execute(_) => "execute",
        Step::Wait(_) => "wait",
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
            next(&goal(State::Running, tasks), None),
            expected,
            "{tasks:?}"
        );
    };
    check(&[], Step::Plan);
    check(&[Pending], Step::Execute(0));
    check(&[Running], Step::Execute(0)); // after a restart: again, by the same call ids
    check(&[Succeeded], Step::Plan);
    check(&[Succeeded, Running], Step::Execute(1));
    check(&[Succeeded, Pending], Step::Execute(1));
    check(&[Succeeded, Waiting], Step::Wait(1)); // after a restart too
    let failed = next(&goal(State::Running, &[Succeeded, Failed]), None);
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
    let reason = String::new;
    for end in [
        End::Succeeded { answer: reason() },
        End::Failed { reason: reason() },
        End::Cancelled { reason: reason() },
    ] {
        let ended = goal(State::Ended { end, at: 1 }, &[]);
        assert_eq!(next(&ended, Some(&cancel)), Step::Rest);
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
        let step = next(&goal(State::Running, tasks), Some(interruption));
        assert_eq!(kind(&step), expected, "{tasks:?}");
    };
    check(&[Running], &cancel, "cancelled");
    check(&[Failed], &cancel, "failed");
    check(&[Succeeded, Running], &expired, "failed");
    check(&[], &expired, "failed");
}

#[test]
fn an_answer_fits_its_record() {
    let mut goal = goal(State::Running, &[]);
    let answer = "ä".repeat(1 << 20);
    finish(&mut goal, End::Succeeded { answer }, 1);
    let Some(End::Succeeded { answer }) = goal.end() else {
        panic!("{goal:?}");
    };
    assert!(answer.len() < 128 * 1024 && answer.ends_with('…'));
}

fn any_task() -> impl Strategy<Value = TaskState> {
    prop::sample::select(vec![
        TaskState::Pending,
        TaskState::Running,
        TaskState::Waiting,
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Cancelled,
    ])
}

proptest! {
    /// From any record, however it came to be, a success is claimed only if every task succeeded.
    #[test]
    fn success_means_that_every_task_succeeded(tasks in prop::collection::vec(any_task(), 0..10)) {
        let goal = goal(State::Running, &tasks);
        let step = next(&goal, None);
        prop_assert_ne!(kind(&step), "succeeded");
        if step == Step::Plan {
            prop_assert!(tasks.iter().all(|state| *state == TaskState::Succeeded));
        }
        if let Step::Execute(index) = step {
            prop_assert!(goal.tasks[index].is_open());
            prop_assert!(tasks[..index].iter().all(|state| *state == TaskState::Succeeded));
        }
    }
}
