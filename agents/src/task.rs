//! What may be carried out, and what it is called afterwards. Pure.

use aios_contracts::v1::{ExecuteRequest, SkillStep, Task, TaskState};
use aios_daemon::manifest::AgentManifest;
use tonic::Status;

/// A task of more steps than this is a mistake of whoever planned it.
pub const STEPS_MAX: usize = 32;

/// What a skill's name begins with.
const SKILL_PREFIX: &str = "skill.";

/// Takes the request apart, if this agent may carry it out.
///
/// # Errors
/// `INVALID_ARGUMENT` when the request is not whole, `PERMISSION_DENIED` when
/// the act is not one that this agent takes.
pub fn accept(
    manifest: &AgentManifest,
    request: ExecuteRequest,
) -> Result<(Task, Vec<SkillStep>), Status> {
    let Some(task) = request.task else {
        return Err(Status::invalid_argument("the request has no task"));
    };
    if request.steps.iter().any(|step| step.call_id.is_empty()) {
        return Err(Status::invalid_argument("a step has no call id"));
    }
    if !manifest.takes(&task.act) {
        return Err(Status::permission_denied(format!(
            "agent {} does not take {:?}; it takes {}",
            manifest.name,
            task.act,
            manifest.tools.join(", ")
        )));
    }
    let single = !task.act.starts_with(SKILL_PREFIX);
    match request.steps.as_slice() {
        [] => return Err(Status::invalid_argument("the task has no step")),
        [step] if single && step.tool != task.act => {
            return Err(Status::invalid_argument(format!(
                "the task is {:?}, its step is {:?}",
                task.act, step.tool
            )));
        }
        [_, _, ..] if single => {
            return Err(Status::invalid_argument("only a skill has several steps"));
        }
        steps if steps.len() > STEPS_MAX => {
            return Err(Status::invalid_argument(format!(
                "{} steps, at most {STEPS_MAX} are carried out",
                steps.len()
            )));
        }
        _ => {}
    }
    Ok((task, request.steps))
}

/// The task after all its steps succeeded.
pub fn succeeded(mut task: Task, now_ms: i64) -> Task {
    let summaries = task.executions.iter().map(|step| step.summary.as_str());
    task.summary = summaries
        .filter(|summary| !summary.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    task.state = TaskState::Succeeded.into();
    task.error = String::new();
    task.finished_ms = now_ms;
    task
}

/// The task after its step number `step` of `steps` failed.
pub fn failed(mut task: Task, step: usize, steps: &[SkillStep], why: &Status, now_ms: i64) -> Task {
    let tool = steps.get(step).map_or("", |step| step.tool.as_str());
    task.error = match steps.len() {
        1 => format!("{tool}: {}", why.message()),
        count => format!("step {} of {count}, {tool}: {}", step + 1, why.message()),
    };
    task.state = TaskState::Failed.into();
    task.finished_ms = now_ms;
    task
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::Execution;
    use tonic::Code;

    fn manifest(tools: &[&str]) -> AgentManifest {
        AgentManifest {
            name: "storage".into(),
            description: String::new(),
            tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
            capabilities: vec![],
            service: Default::default(),
        }
    }

    fn request(act: &str, tools: &[&str]) -> ExecuteRequest {
        let step = |tool: &&str| SkillStep {
            call_id: "g/2/0".into(),
            tool: (*tool).to_owned(),
            arguments_json: "{}".into(),
        };
        ExecuteRequest {
            task: Some(Task {
                goal_id: "g".into(),
                index: 2,
                act: act.into(),
                ..Task::default()
            }),
            steps: tools.iter().map(step).collect(),
        }
    }

    #[test]
    fn an_agent_takes_its_own_acts_only() {
        let check = |takes: &[&str], act, steps: &[&str], expected: Option<Code>| {
            let outcome = accept(&manifest(takes), request(act, steps));
            assert_eq!(outcome.err().map(|status| status.code()), expected, "{act}");
        };
        check(&["fs.*"], "fs.read", &["fs.read"], None);
        check(
            &["fs.*"],
            "net.routes",
            &["net.routes"],
            Some(Code::PermissionDenied),
        );
        check(
            &["fs.*"],
            "fs.read",
            &["process.signal"],
            Some(Code::InvalidArgument),
        );
        check(
            &["fs.*"],
            "fs.read",
            &["fs.read", "fs.delete"],
            Some(Code::InvalidArgument),
        );
        check(&["fs.*"], "fs.read", &[], Some(Code::InvalidArgument));
        check(&["skill.*"], "skill.page", &["fs.mkdir", "fs.write"], None);
        check(
            &["fs.*"],
            "skill.page",
            &["fs.mkdir"],
            Some(Code::PermissionDenied),
        );
        check(
            &["skill.*"],
            "skill.page",
            &["fs.list"; 33],
            Some(Code::InvalidArgument),
        );
    }

    #[test]
    fn a_step_that_could_not_be_known_again_is_refused() {
        let mut forged = request("fs.read", &["fs.read"]);
        forged.steps[0].call_id.clear();
        assert!(accept(&manifest(&["fs.*"]), forged).is_err());
    }

    #[test]
    fn the_summary_joins_what_the_steps_returned() {
        let mut task = request("skill.page", &["fs.mkdir", "fs.write"])
            .task
            .unwrap();
        for summary in ["made /srv/www", "wrote 7 bytes"] {
            task.executions.push(Execution {
                summary: summary.into(),
                ..Execution::default()
            });
        }
        let done = succeeded(task, 5);
        assert_eq!(done.summary, "made /srv/www; wrote 7 bytes");
        assert_eq!(done.state(), TaskState::Succeeded);
    }

    #[test]
    fn a_failure_says_which_step_and_why() {
        let request = request("skill.page", &["fs.mkdir", "fs.write"]);
        let why = Status::failed_precondition("no space left");
        let done = failed(request.task.unwrap(), 1, &request.steps, &why, 5);
        assert_eq!(done.error, "step 2 of 2, fs.write: no space left");
        assert_eq!(done.state(), TaskState::Failed);
    }
}
