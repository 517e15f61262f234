use std::collections::BTreeMap;

use aios_contracts::v1::{Execution, TaskState};
use proptest::prelude::*;

use super::*;

fn working(folder: &tempfile::TempDir) -> Working {
    let opened = Working::open(&folder.path().join("working.db"), Arc::default()).unwrap();
    assert_eq!(opened.1, None);
    opened.0
}

fn goal(id: &str, created_ms: i64, state: GoalState) -> Goal {
    Goal {
        id: id.into(),
        text: "check disk usage".into(),
        created_ms,
        state: state.into(),
        ..Default::default()
    }
}

fn ids(goals: &[Goal]) -> Vec<&str> {
    goals.iter().map(|goal| goal.id.as_str()).collect()
}

#[tokio::test]
async fn a_goal_is_found_by_a_unique_prefix_and_by_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let working = working(&folder);
    for id in ["aaaaaa1", "aaaaaa2", "aaaaaa2-b", "bbbbbb-1"] {
        working
            .put_goal(goal(id, 0, GoalState::Pending))
            .await
            .unwrap();
    }
    let found = async |prefix: &str| working.goal(prefix.to_owned()).await.map(|goal| goal.id);
    assert_eq!(found("bbbbbb").await.unwrap(), "bbbbbb-1");
    assert_eq!(
        found("aaaaaa2").await.unwrap(),
        "aaaaaa2",
        "exact before longer ones"
    );
    assert!(matches!(found("aaaaaa").await, Err(Error::Invalid(_))));
    assert!(matches!(found("cccccc").await, Err(Error::NotFound(_))));
    assert!(matches!(found("bbbb").await, Err(Error::Invalid(_))));
    assert!(matches!(found("bbbbb_").await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn goals_are_listed_newest_first_by_state_with_their_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let working = working(&folder);
    for (id, time, state) in [
        ("old-failed", 1, GoalState::Failed),
        ("new-pending", 3, GoalState::Pending),
        ("mid-failed", 2, GoalState::Failed),
    ] {
        working.put_goal(goal(id, time, state)).await.unwrap();
    }
    let task = Task {
        goal_id: "mid-failed".into(),
        act: "fs.read".into(),
        ..Default::default()
    };
    working.put_task(task.clone()).await.unwrap();
    let all = working.goals(10, vec![]).await.unwrap();
    assert_eq!(ids(&all), ["new-pending", "mid-failed", "old-failed"]);
    assert_eq!(all[1].tasks, [task]);
    let failed = working
        .goals(1, vec![GoalState::Failed.into()])
        .await
        .unwrap();
    assert_eq!(ids(&failed), ["mid-failed"]);
    assert!(working.goals(10, vec![99, -1]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_task_needs_its_goal_and_all_tasks_fit_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let working = working(&folder);
    let task = |index, bytes: usize| Task {
        goal_id: "goal-1".into(),
        index,
        executions: vec![Execution {
            output_json: "x".repeat(bytes),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert!(matches!(
        working.put_task(task(0, 1)).await,
        Err(Error::NotFound(_))
    ));
    working
        .put_goal(goal("goal-1", 1, GoalState::Running))
        .await
        .unwrap();
    working.put_task(task(0, 3_000_000)).await.unwrap();
    working.put_task(task(0, 3_000_000)).await.unwrap();
    assert!(matches!(
        working.put_task(task(1, 1_000_000)).await,
        Err(Error::TooLarge(_))
    ));
    let whole = working.goal("goal-1".to_owned()).await.unwrap();
    assert_eq!(whole.tasks.len(), 1);
    assert!(whole.encoded_len() < aios_daemon::socket::MESSAGE_MAX);
}

#[tokio::test]
async fn a_list_that_would_not_fit_a_message_is_cut_at_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let working = working(&folder);
    for number in 0..20 {
        let big = Goal {
            answer: "x".repeat(250_000),
            ..goal(&format!("goal-{number:02}"), number, GoalState::Succeeded)
        };
        working.put_goal(big).await.unwrap();
    }
    let listed = working.goals(100, vec![]).await.unwrap();
    assert_eq!(listed[0].id, "goal-19");
    assert!((10..20).contains(&listed.len()), "{}", listed.len());
}

#[tokio::test]
async fn decisions_and_events_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = working(&folder);
    for number in 0..3 {
        let id = format!("decision-{number}");
        let decision = Decision {
            id,
            goal_id: "goal-1".into(),
            ..Default::default()
        };
        first.put_decision(decision).await.unwrap();
        first
            .put_event(Event {
                time_ms: number,
                ..Default::default()
            })
            .await
            .unwrap();
    }
    drop(first);
    let again = working(&folder);
    let decisions = again.decisions("goal-1".to_owned(), 2).await.unwrap();
    assert_eq!(
        [&*decisions[0].id, &*decisions[1].id],
        ["decision-2", "decision-1"]
    );
    assert!(
        again
            .decisions("goal-2".to_owned(), 2)
            .await
            .unwrap()
            .is_empty()
    );
    let times: Vec<i64> = again
        .newest_events()
        .await
        .unwrap()
        .iter()
        .map(|e| e.time_ms)
        .collect();
    assert_eq!(times, [0, 1, 2]);
}

#[tokio::test]
async fn only_the_oldest_finished_goals_are_forgotten_and_never_one_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let working = working(&folder);
    for (id, time, state) in [
        ("goal-a", 1, GoalState::Running),
        ("goal-b", 2, GoalState::Failed),
        ("goal-c", 3, GoalState::Succeeded),
        ("goal-d", 4, GoalState::Cancelled),
    ] {
        working.put_goal(goal(id, time, state)).await.unwrap();
        let goal_id = id.to_owned();
        let task = Task {
            goal_id,
            ..Default::default()
        };
        working.put_task(task).await.unwrap();
    }
    let forget = |connection: &Connection| prune(connection, 2, 10);
    working.database.write(forget).await.unwrap();
    let left = working.goals(10, vec![]).await.unwrap();
    assert_eq!(ids(&left), ["goal-d", "goal-c", "goal-a"]);
    let count = |connection: &Connection| {
        Ok(connection.query_row("SELECT count(*) FROM tasks", [], |row| row.get(0))?)
    };
    let tasks: u32 = working.database.read(count).await.unwrap();
    assert_eq!(tasks, 3, "its tasks go with it");
}

#[derive(Clone, Debug)]
enum Step {
    Goal(Goal),
    Task(Task),
}

fn step() -> impl Strategy<Value = Step> {
    let id = (0..3_u8).prop_map(|number| format!("goal-{number}"));
    let goal = (id.clone(), ".{0,20}", 0..4_i64, 1..6_i32).prop_map(|(id, text, time, state)| {
        let tasks = vec![Task::default()]; // never kept through PutGoal
        Step::Goal(Goal {
            id,
            text,
            created_ms: time,
            state,
            tasks,
            ..Default::default()
        })
    });
    let task =
        (id, 0..3_u32, ".{0,20}", 0..2_usize).prop_map(|(goal_id, index, summary, count)| {
            let execution = Execution {
                output_json: summary.clone(),
                ..Default::default()
            };
            let executions = vec![execution; count];
            let state = TaskState::Running.into();
            Step::Task(Task {
                goal_id,
                index,
                summary,
                executions,
                state,
                ..Default::default()
            })
        });
    prop_oneof![goal, task]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn upserts_equal_a_model_also_after_a_restart(steps in prop::collection::vec(step(), 0..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let first = working(&folder);
        let mut model: BTreeMap<String, (Goal, BTreeMap<u32, Task>)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Goal(goal) => {
                    runtime.block_on(first.put_goal(goal.clone())).unwrap();
                    let kept = Goal { tasks: vec![], ..goal };
                    let id = kept.id.clone();
                    model.entry(id).or_default().0 = kept;
                }
                Step::Task(task) => {
                    let outcome = runtime.block_on(first.put_task(task.clone()));
                    let known = model.get_mut(&task.goal_id);
                    prop_assert_eq!(outcome.is_ok(), known.is_some());
                    known.map(|(_, tasks)| tasks.insert(task.index, task));
                }
            }
        }
        let mut expected: Vec<Goal> = model
            .into_values()
            .map(|(goal, tasks)| Goal { tasks: tasks.into_values().collect(), ..goal })
            .collect();
        expected.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
        prop_assert_eq!(&runtime.block_on(first.goals(100, vec![])).unwrap(), &expected);
        drop(first);
        let again = working(&folder);
        prop_assert_eq!(&runtime.block_on(again.goals(100, vec![])).unwrap(), &expected);
    }
}
