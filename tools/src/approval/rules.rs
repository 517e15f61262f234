//! Does a change run by itself, or is a person asked? Pure.

use aios_config::{About, Approval, Autonomy, Risk};
use aios_tool::demand::Need;
use aios_tool::error::ToolError;
use aios_tool::spec::Spec;

use crate::capability::{Capability, matches};

/// What becomes of a call that its caller may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It runs; the text is for the ledger.
    Runs(String),
    /// A person is asked; the text says why.
    Asks(String),
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Rules(Approval);

impl Rules {
    /// By this table of the configuration.
    pub fn new(approval: Approval) -> Self {
        Self(approval)
    }

    /// Decides about a call with these needs; `always` is what persons decided to be always allowed.
    ///
    /// # Errors
    /// `Denied` when no agent makes such a call.
    pub fn decide(
        &self,
        spec: &Spec,
        needs: &[Need],
        always: &[About],
    ) -> Result<Verdict, ToolError> {
        let Self(approval) = self;
        if !spec.changes() {
            return Ok(Verdict::Runs("looks only".into()));
        }
        let any = |about: &&About| concerns(about, spec, needs, false);
        if let Some(about) = approval.never.iter().find(any) {
            return Err(ToolError::Denied(format!(
                "no agent may do that: [approval] never = {:?}",
                about.to_string()
            )));
        }
        if let Some(about) = approval.ask.iter().find(any) {
            let why = format!("[approval] ask = {:?}", about.to_string());
            return Ok(Verdict::Asks(why));
        }
        let whole = |about: &&About| concerns(about, spec, needs, true);
        if let Some(about) = approval.allow.iter().find(whole) {
            return Ok(Verdict::Runs(format!("approved by policy: {about}")));
        }
        if let Some(about) = always.iter().find(whole) {
            return Ok(Verdict::Runs(format!("approved for always: {about}")));
        }
        Ok(by_risk(approval, spec.risk))
    }

    /// For how long a person may think about it, in seconds.
    pub fn wait_s(&self) -> u32 {
        self.0.wait_s
    }
}

fn by_risk(approval: &Approval, risk: Risk) -> Verdict {
    let most = match approval.autonomy {
        Autonomy::Full => Some(approval.auto_up_to),
        Autonomy::Supervised => Some(approval.auto_up_to.min(Risk::Medium)),
        Autonomy::Manual => None,
    };
    match most {
        Some(most) if risk <= most => Verdict::Runs("approved by policy".into()),
        Some(most) => Verdict::Asks(format!(
            "its risk is {}, and without a person changes run up to {}",
            risk.word(),
            most.word()
        )),
        None => {
            Verdict::Asks("the autonomy is manual: a person is asked about every change".into())
        }
    }
}

/// Is the entry about this call: about all of it (`whole`), or about a part?
fn concerns(about: &About, spec: &Spec, needs: &[Need], whole: bool) -> bool {
    if !matches(&about.tool, &spec.name) {
        return false;
    }
    let Some(object) = &about.object else {
        return true;
    };
    // What is no capability is about nothing: the configuration refuses it before.
    let Ok(object) = object.parse::<Capability>() else {
        return false;
    };
    match whole {
        true => needs.iter().all(|need| object.covers(need)),
        false => needs.iter().any(|need| object.covers(need)),
    }
}

/// The entry that is about this call and every later one like it: the tool, and what it changes.
///
/// # Errors
/// `Precondition` when the call needs more than one thing, which one entry cannot say.
pub fn like(tool: &str, needs: &[String]) -> Result<About, ToolError> {
    let object = match needs {
        [one] if !one.contains('*') => one.clone(),
        _ => {
            return Err(ToolError::Precondition(format!(
                "this call of {tool} needs {}; a rule for always is about one thing: allow it this once, \
                 or write the rule into [approval] allow",
                needs.join(" and ")
            )));
        }
    };
    format!("{tool} {object}").parse().map_err(|()| {
        ToolError::Precondition(format!("{tool} {object:?} cannot be written as a rule"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    fn about(text: &str) -> About {
        text.parse().unwrap()
    }

    fn verdict(approval: Approval, tool: &str, needs: &[&str], always: &[About]) -> &'static str {
        let needs: Vec<Need> = needs
            .iter()
            .map(|need| {
                let parts: Vec<&str> = need.splitn(3, ':').collect();
                Need::of(parts[0], parts[1], parts[2])
            })
            .collect();
        let tool = Registry::complete().find(tool).unwrap();
        match Rules::new(approval).decide(tool.spec(), &needs, always) {
            Ok(Verdict::Runs(_)) => "runs",
            Ok(Verdict::Asks(_)) => "asks",
            Err(_) => "never",
        }
    }

    #[test]
    fn the_level_decides_by_risk_and_a_look_is_never_asked_about() {
        let check = |autonomy, most, tool: &str, expected: &str| {
            let approval = Approval {
                autonomy,
                auto_up_to: most,
                ..Approval::default()
            };
            let found = verdict(approval, tool, &[], &[]);
            assert_eq!(found, expected, "{autonomy:?} {most:?} {tool}");
        };
        check(Autonomy::Full, Risk::High, "fs.write", "runs");
        check(Autonomy::Full, Risk::High, "pkg.install", "runs");
        check(Autonomy::Full, Risk::Medium, "pkg.install", "asks");
        check(Autonomy::Full, Risk::Low, "fs.write", "asks");
        check(Autonomy::Supervised, Risk::Critical, "fs.write", "runs");
        check(Autonomy::Supervised, Risk::Critical, "pkg.install", "asks");
        check(Autonomy::Supervised, Risk::Low, "fs.write", "asks");
        check(Autonomy::Manual, Risk::Critical, "fs.write", "asks");
        check(Autonomy::Manual, Risk::Low, "fs.read", "runs");
    }

    #[test]
    fn never_comes_before_ask_and_ask_before_allow() {
        let all = |never: &[&str], ask: &[&str], allow: &[&str]| {
            let list = |texts: &[&str]| texts.iter().map(|text| about(text)).collect();
            Approval {
                autonomy: Autonomy::Manual,
                never: list(never),
                ask: list(ask),
                allow: list(allow),
                ..Approval::default()
            }
        };
        let check = |approval: &Approval, needs: &[&str], expected: &str| {
            let found = verdict(approval.clone(), "fs.move", needs, &[]);
            assert_eq!(found, expected, "{approval:?} {needs:?}");
        };
        let within = ["fs:write:/srv/a", "fs:write:/srv/b"];
        let partly = ["fs:write:/srv/a", "fs:write:/etc/b"];
        let srv = "fs.* fs:write:/srv/*";
        check(&all(&[], &[], &[srv]), &within, "runs");
        check(&all(&[], &[], &[srv]), &partly, "asks");
        check(
            &all(&[], &["fs.move fs:*:/etc/*"], &["fs.*"]),
            &partly,
            "asks",
        );
        check(
            &all(&[], &["fs.move fs:*:/etc/*"], &["fs.*"]),
            &within,
            "runs",
        );
        check(&all(&["* fs:*:/etc/*"], &["*"], &["*"]), &partly, "never");
        check(&all(&["fs.delete"], &[], &["fs.*"]), &within, "runs");
    }

    #[test]
    fn what_a_person_decided_for_always_is_about_that_alone() {
        let always = [like("pkg.install", &["pkg:install:nginx".into()]).unwrap()];
        let manual = Approval {
            autonomy: Autonomy::Manual,
            ..Approval::default()
        };
        let check = |tool: &str, needs: &[&str], expected: &str| {
            let found = verdict(manual.clone(), tool, needs, &always);
            assert_eq!(found, expected, "{tool} {needs:?}");
        };
        check("pkg.install", &["pkg:install:nginx"], "runs");
        check("pkg.install", &["pkg:install:nginx-extras"], "asks");
        check("pkg.remove", &["pkg:install:nginx"], "asks");
        assert!(like("fs.move", &["a:b:c".into(), "a:b:d".into()]).is_err());
        assert!(like("fs.write", &["fs:write:/srv/*".into()]).is_err());
    }
}
