//! What a schedule may do without anybody's being asked again: exactly what was ordered. Pure but for
//! [`Judge::judge`], which looks where paths lead.

use std::sync::Arc;

use aios_role::Role;
use aios_tool::context::Context;
use aios_tool::demand::Need;
use aios_tool::error::ToolError;
use aios_tool::format;
use aios_tool::spec::Least;
use aios_tool::tool::{ErasedTool, Prepared};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::{Book, Rules, Verdict};
use crate::registry::Registry;

/// The longest text of a difference, in bytes.
const SHOWN_MAX: usize = 160;

/// What a call would do, as far as that is known before it is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The arguments, resolved: where links lead, with all defaults.
    pub input: Value,
    /// How much harm it can do.
    pub risk: String,
    /// The capabilities that it needs.
    pub needs: Vec<String>,
    /// Does it change anything?
    pub changes: bool,
    /// Can it be taken back?
    pub reversible: bool,
}

impl Facts {
    /// Of a call that is prepared.
    ///
    /// # Errors
    /// When its arguments are no JSON.
    pub fn of(tool: &dyn ErasedTool, prepared: &Prepared) -> Result<Self, ToolError> {
        let spec = tool.spec();
        Ok(Self {
            input: prepared.call.input()?,
            risk: spec.risk.word().to_owned(),
            needs: prepared
                .demands
                .needs
                .iter()
                .map(ToString::to_string)
                .collect(),
            changes: spec.changes(),
            reversible: spec.is_reversible(),
        })
    }

    /// How the call differs now from what it was, in a clause; nothing when it does not.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let shown = |value: &Value| format::cut(&format::printable(&value.to_string()), SHOWN_MAX);
        if self.input != now.input {
            let names = now.input.as_object().into_iter().flat_map(|all| all.keys());
            let differs = |name: &&String| self.input.get(name) != now.input.get(name);
            return Some(match names.into_iter().find(differs) {
                Some(name) => format!(
                    "{name} is now {}, and was {}",
                    shown(&now.input[name]),
                    shown(&self.input[name])
                ),
                None => "its arguments are others now".to_owned(),
            });
        }
        if self.risk != now.risk {
            return Some(format!(
                "its risk is {} now, and was {}",
                now.risk, self.risk
            ));
        }
        if self.needs != now.needs {
            let needs = format::cut(&format::printable(&now.needs.join(", ")), SHOWN_MAX);
            return Some(format!("it needs other capabilities now: {needs}"));
        }
        if self.changes != now.changes {
            return Some("it changes something now, and did not".to_owned());
        }
        (self.reversible != now.reversible).then(|| "it can no longer be taken back".to_owned())
    }
}

/// What was found out about a call.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What it would do.
    pub facts: Facts,
    /// What it needs.
    pub needs: Vec<Need>,
    /// Why policy has a person asked about it, when it does.
    pub asks: Option<String>,
}

/// Judges calls as the pipeline would.
pub struct Judge {
    /// The tools.
    pub registry: Arc<Registry>,
    /// What the configuration says about approval.
    pub rules: Rules,
    /// What persons decided.
    pub book: Arc<Book>,
}

impl Judge {
    /// What this call would do now, for the operator of the context.
    ///
    /// # Errors
    /// As the call would be refused.
    pub fn judge(
        &self,
        tool: &str,
        arguments: Value,
        context: &Context,
    ) -> Result<Judged, ToolError> {
        let tool = self.registry.find(tool)?;
        let spec = tool.spec();
        let role = context.operator().role;
        if role < least(spec.least) {
            return Err(ToolError::Denied(format!(
                "{} is for admins, and this would be done for the role {role}",
                spec.name
            )));
        }
        let prepared = tool.prepare(arguments, context)?;
        let needs = prepared.demands.needs.clone();
        let asks = match self.rules.decide(spec, &needs, &self.book.rules())? {
            Verdict::Runs(_) => None,
            Verdict::Asks(why) => Some(why),
        };
        Ok(Judged {
            facts: Facts::of(tool.as_ref(), &prepared)?,
            needs,
            asks,
        })
    }
}

/// The least role for a call of such a tool. Whether a service is aiOS's own is looked at with each call.
fn least(least: Least) -> Role {
    match least {
        Least::Admin => Role::Admin,
        Least::Operator | Least::AdminForOwn => Role::Operator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_is_named() {
        let then = Facts {
            input: json!({"path": "/srv/a", "recursive": true}),
            risk: "medium".into(),
            needs: vec!["fs:write:/srv/a".into()],
            changes: true,
            reversible: true,
        };
        let check = |change: &dyn Fn(&mut Facts), expected: Option<&str>| {
            let mut now = then.clone();
            change(&mut now);
            let found = then.difference(&now);
            assert_eq!(found.as_deref(), expected);
        };
        check(&|_| {}, None);
        let path = "path is now \"/etc/a\\u001b\", and was \"/srv/a\"";
        check(&|now| now.input["path"] = "/etc/a\u{1b}".into(), Some(path));
        check(
            &|now| now.input = json!({"path": "/srv/a"}),
            Some("its arguments are others now"),
        );
        check(
            &|now| now.risk = "high".into(),
            Some("its risk is high now, and was medium"),
        );
        check(
            &|now| now.needs = vec!["fs:write:/etc/a".into()],
            Some("it needs other capabilities now: fs:write:/etc/a"),
        );
        check(
            &|now| now.changes = false,
            Some("it changes something now, and did not"),
        );
        check(
            &|now| now.reversible = false,
            Some("it can no longer be taken back"),
        );
    }
}
