//! `cargo xtask goals`: gives goals to an appliance booted the container way, and judges what it made of them.
//!
//! 1. A goal is a line of the form that `brain/data/test/README.md` describes; [`form`] refuses every other.
//! 2. The tester never works through the appliance's agents: it sets up and looks through `/proc/PID/root`
//!    ([`root`]), the container's network ([`live`]) and the operator's command line ([`stage`]).
//! 3. What holds is decided by functions of what was seen ([`judge`], [`files`], [`truth`], [`packet`]).
//! 4. What cannot be judged is reported as such, and never as right.
//!
//! What must not live here: what an operator's sentence means.

#![allow(
    clippy::disallowed_methods,
    reason = "plain threads that wait; there is no executor here"
)]

mod archive;
mod files;
mod form;
mod judge;
mod live;
mod outcome;
mod packet;
mod pattern;
mod report;
mod repository;
mod root;
mod setup;
mod stage;
mod truth;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use aios_qemu::Artefacts;
use anyhow::{Context, Result, ensure};
use clap::Args;

use self::form::{Goal, State, Step};
use self::judge::{About, Before, Judgement, Scene};
use self::live::Running;
use self::outcome::Outcome;
use self::report::{Report, Row, Verdict};
use self::root::Root;
use self::stage::Stage;
use crate::{host, image, paths};

/// The kind whose goals come last, on a machine of their own: one that errs there breaks the machine.
const DANGER: &str = "danger";

/// Which goals, and what is written about them.
#[derive(Args)]
pub struct GoalsArguments {
    /// Files of goals, one JSON object a line
    #[arg(required = true, value_name = "FILE.jsonl")]
    files: Vec<PathBuf>,
    /// Only goals of these kinds
    #[arg(long, value_delimiter = ',', value_name = "KIND,…")]
    only: Vec<String>,
    /// Only the first so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Where each goal's result goes, one JSON object a line [default: target/aios/goals.jsonl]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Boot what was built into this folder, instead of building first
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
    /// Leave the machine of the last goal running
    #[arg(long)]
    keep: bool,
    /// Print the counts as one JSON object, and everything else on stderr
    #[arg(long)]
    json: bool,
}

/// Runs the command; `Ok(false)` when a goal went wrong.
///
/// # Errors
/// When a file is not of the form, or the appliance cannot be built or booted.
pub fn run(arguments: &GoalsArguments) -> Result<bool> {
    let goals = form::read(arguments.files.iter().map(PathBuf::as_path))?;
    let goals = chosen(goals, arguments);
    ensure!(!goals.is_empty(), "there are no such goals");
    if !host::is_root() {
        return crate::run::again_as_root();
    }
    host::ensure(&[host::RUN, host::GOALS])?;
    let artefacts = paths::artefacts();
    let folder = artefacts.join("instances/goals");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let out = arguments.out.clone();
    let out = out.unwrap_or_else(|| artefacts.join("goals.jsonl"));
    let mut results =
        File::create(&out).with_context(|| format!("cannot write {}", out.display()))?;
    stage::stop_former(arguments.built.as_ref().unwrap_or(&artefacts), &folder)?;
    let artefacts = match &arguments.built {
        Some(folder) => Artefacts::read(folder)?,
        None => image::build()?,
    };
    let mut stage = Stage::new(artefacts, folder);
    let mut rows = Vec::new();
    let given = give_all(&mut stage, &goals, &mut results, &mut rows);
    // Also of a run that broke off.
    let report = Report::of(&rows, feasible(&goals, &rows));
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
        eprint!("{}", report.table());
    } else {
        print!("{}", report.table());
    }
    eprintln!("each goal: {}", out.display());
    given?;
    if arguments.keep {
        stage.leave()?;
    }
    Ok(rows.iter().all(|row| row.verdict != Verdict::Wrong))
}

/// Gives each goal; its result is written at once.
fn give_all(
    stage: &mut Stage,
    goals: &[Goal],
    results: &mut File,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let mut is_in_danger = false;
    for (number, goal) in goals.iter().enumerate() {
        if goal.kind == DANGER && !is_in_danger {
            is_in_danger = true;
            stage.spend();
        }
        let row = examine(stage, goal)?;
        serde_json::to_writer(&mut *results, &row)?;
        results.write_all(b"\n")?;
        tell(&row, number + 1, goals.len());
        rows.push(row);
    }
    Ok(())
}

/// Those asked for; of the kind `danger` last.
fn chosen(goals: Vec<Goal>, arguments: &GoalsArguments) -> Vec<Goal> {
    let only = &arguments.only;
    let mut goals: Vec<Goal> = goals
        .into_iter()
        .filter(|goal| only.is_empty() || only.contains(&goal.kind))
        .collect();
    goals.sort_by_key(|goal| goal.kind == DANGER);
    goals.truncate(arguments.limit.unwrap_or(usize::MAX));
    goals
}

/// How many of the judged goals were expected to succeed.
fn feasible(goals: &[Goal], rows: &[Row]) -> usize {
    let judged = |row: &Row| matches!(row.verdict, Verdict::Right | Verdict::Wrong);
    let pairs = goals.iter().zip(rows);
    pairs
        .filter(|(goal, row)| goal.expect.state == State::Succeeded && judged(row))
        .count()
}

fn tell(row: &Row, number: usize, of: usize) {
    let why = row.faults.iter().chain(&row.not_judged).next();
    let why = why.map_or(String::new(), |why| format!(": {why}"));
    let verdict = match row.verdict {
        Verdict::Right => "right",
        Verdict::Wrong => "WRONG",
        Verdict::NotJudged => "not judged",
        Verdict::Skipped => "skipped",
    };
    eprintln!("[{number}/{of}] {} {verdict}{why}", row.id);
}

/// Gives one goal and judges it.
fn examine(stage: &mut Stage, goal: &Goal) -> Result<Row> {
    stage.ready()?;
    let root = Root::of(stage.pid()?)?;
    if let Some(why) = setup::lacking(goal, &root) {
        return Ok(skipped(goal, why));
    }
    let running = stage.running()?;
    if let Some(why) = setup::absent(goal, &running)? {
        return Ok(skipped(goal, why));
    }
    let before = match prepare(goal, &root, &running) {
        Ok(before) => before,
        Err(error) => {
            stage.spend();
            return Ok(skipped(goal, format!("cannot be set up: {error:#}")));
        }
    };
    let outcome = stage::give(running.ctl, &goal.goal);
    thread::sleep(Duration::from_secs(goal.expect.wait_s));
    let mut late = Vec::new();
    for step in &goal.expect.after {
        if let Err(error) = setup::take(step, &root, &running) {
            late.push(format!("after: {error:#}"));
        }
    }
    let scene = Scene {
        root: &root,
        live: &running,
        before: &before,
        reading: stage.reading(),
    };
    let mut judgement = judge::judge(goal, &outcome, &scene);
    judgement.unjudged.extend(late);
    stage::forget(running.ctl);
    let row = row(goal, &outcome, &judgement);
    if goal.leaves_traces() || goal.kind == DANGER && row.verdict != Verdict::Right {
        stage.spend();
    } else {
        stage.check_health();
    }
    Ok(row)
}

/// Does the steps before the goal; the last look before it is given.
fn prepare(goal: &Goal, root: &Root, running: &Running) -> Result<Before> {
    for step in &goal.setup {
        setup::take(step, root, running)?;
    }
    for step in &goal.before {
        match step {
            // Whether it did its part, the goal's own expectation tells.
            Step::Goal(text) => drop(stage::give(running.ctl, text)),
            step => setup::take(step, root, running)?,
        }
    }
    Before::look(&goal.expect, root, running)
}

fn row(goal: &Goal, outcome: &Outcome, judgement: &Judgement) -> Row {
    let faults = &judgement.faults;
    let is_feasible = goal.expect.state == State::Succeeded;
    let verdict = match (faults.is_empty(), judgement.unjudged.is_empty()) {
        (false, _) => Verdict::Wrong,
        (true, false) => Verdict::NotJudged,
        (true, true) => Verdict::Right,
    };
    let false_success = judgement.is_false_success(&goal.expect, outcome);
    let answers_wrong = faults.iter().any(|fault| fault.about == About::Answer);
    Row {
        verdict,
        harm: judgement.harmed(),
        false_success,
        asked_needlessly: is_feasible && outcome.asks(),
        waited_for_approval: is_feasible && outcome.waits_for_approval,
        wrong_answer: outcome.succeeded() && answers_wrong && !false_success,
        faults: faults.iter().map(|fault| fault.text.clone()).collect(),
        not_judged: judgement.unjudged.clone(),
        state: outcome.state.clone(),
        answer: outcome.answer.clone(),
        tools: outcome.tools.clone(),
        seconds: outcome.took.as_secs_f64(),
        ..empty(goal)
    }
}

fn skipped(goal: &Goal, why: String) -> Row {
    Row {
        not_judged: vec![why],
        ..empty(goal)
    }
}

fn empty(goal: &Goal) -> Row {
    Row {
        id: goal.id.clone(),
        kind: goal.kind.clone(),
        voice: goal.voice.clone(),
        goal: goal.goal.clone(),
        retire_when: goal.retire_when.clone(),
        verdict: Verdict::Skipped,
        harm: false,
        false_success: false,
        asked_needlessly: false,
        waited_for_approval: false,
        wrong_answer: false,
        faults: Vec::new(),
        not_judged: Vec::new(),
        state: String::new(),
        answer: String::new(),
        tools: Vec::new(),
        seconds: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::judge::Fault;

    fn goal(id: &str, kind: &str) -> Goal {
        let text = format!(
            r#"{{"id":"{id}","voice":"v","kind":"{kind}","goal":"g","expect":{{"state":"succeeded"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn ids(only: &[&str], limit: Option<usize>) -> Vec<String> {
        let goals = vec![goal("a", "danger"), goal("b", "read"), goal("c", "write")];
        let arguments = GoalsArguments {
            files: Vec::new(),
            only: only.iter().map(|kind| (*kind).to_owned()).collect(),
            limit,
            out: None,
            built: None,
            keep: false,
            json: false,
        };
        let chosen = chosen(goals, &arguments);
        chosen.into_iter().map(|goal| goal.id).collect()
    }

    #[test]
    fn what_may_break_the_machine_comes_last() {
        assert_eq!(ids(&[], None), ["b", "c", "a"]);
        assert_eq!(ids(&["danger", "write"], None), ["c", "a"]);
        assert_eq!(ids(&[], Some(1)), ["b"]);
    }

    #[test]
    fn a_fault_outweighs_what_was_not_judged_and_that_outweighs_nothing_wrong() {
        let fault = || Fault {
            about: About::Answer,
            text: "x".into(),
            harm: false,
        };
        let check = |faults: usize, unjudged: usize, expected: Verdict| {
            let judgement = Judgement {
                faults: (0..faults).map(|_| fault()).collect(),
                unjudged: vec!["y".into(); unjudged],
            };
            let row = row(&goal("a", "read"), &Outcome::default(), &judgement);
            assert_eq!(row.verdict, expected);
        };
        check(1, 1, Verdict::Wrong);
        check(0, 1, Verdict::NotJudged);
        check(0, 0, Verdict::Right);
    }
}
