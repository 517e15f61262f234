//! A double of the operator model.

use aios_brain::{Act, Argument, Done, Proposal, Source, Thresholds};
use aios_orchestrator::plan::operator::Understand;
use tonic::Status;

/// A model that knows four sentences.
pub struct ModelDouble;

#[tonic::async_trait]
impl Understand for ModelDouble {
    async fn propose(&self, goal: &str, done: &[Done]) -> Result<Proposal, Status> {
        let said = |name: &str, text: &str| Argument {
            name: name.into(),
            text: text.into(),
            source: Source::Goal,
            bytes: 0..0,
            is_exact: false,
            confidence: 0.9,
        };
        let call = |act: &str| Act::Call(act.into());
        let (act, arguments) = match (goal, done.len()) {
            ("check disk usage", 0) => (call("monitor.disk"), vec![]),
            ("restart the memory service", 0) => (
                call("service.restart"),
                vec![said("service", "the memory service")],
            ),
            ("make /srv/a and wait", 0) => (call("fs.mkdir"), vec![said("path", "/srv/a")]),
            ("make /srv/a and wait", 1) => (call("test.wait"), vec![]),
            ("put hi into a page in /srv/w", 0) => (
                call("skill.web_page"),
                vec![said("directory", "/srv/w"), said("content", "hi")],
            ),
            (_, 0) => (Act::None, vec![]),
            _ => (Act::Done, vec![]),
        };
        Ok(Proposal {
            act,
            confidence: 0.9,
            thresholds: Thresholds {
                look: 0.5,
                change: 0.8,
                done: 0.4,
            },
            alternatives: vec![("fs.write".into(), 0.1)],
            arguments,
        })
    }
}
