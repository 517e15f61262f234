//! `firewall.allow`: lets connections to a port in.

use aios_config::Verdict;
use aios_firewall::Rule;
use aios_tool::argument::{Allow, Network, OwnPort};
use aios_tool::prelude::*;
use aios_tool::undo::{Entry, InverseCall};

use super::{Output, Transport};

/// The tool `firewall.allow`.
pub struct AllowPort;

arguments! {
    /// Arguments of `firewall.allow`.
    pub struct Input {
        /// Port of this machine, or the first of a range.
        pub port: OwnPort<Allow>,
        /// The last port of a range. Default: `port` alone.
        pub last_port: Option<OwnPort<Allow>>,
        /// `tcp`, `udp`, or `any` for both. Default: `tcp`.
        pub protocol: Option<Transport>,
        /// Address or network that may connect, `192.0.2.7` or `10.0.0.0/8`. Default: everyone.
        pub source: Option<Network>,
    }
}

impl Input {
    fn rule(&self) -> Result<Rule, ToolError> {
        let last = self.last_port.as_ref().map(OwnPort::get);
        let ports = [Some(self.port.get()), last];
        super::rule(Verdict::Allow, ports, self.protocol, self.source.as_ref())
    }
}

impl Tool for AllowPort {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        super::declaration(
            "firewall.allow",
            "Lets connections to a port or a range of ports in, from everyone or from one network.",
        )
        .example(json!({"port": 443, "source": "10.0.0.0/8"}))
    }

    fn complete(input: &mut Input) {
        if input.last_port.is_none() {
            input.last_port = Some(input.port.clone());
        }
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        input.rule().map(drop)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        super::added(output)
    }
}

impl Edit for AllowPort {
    fn effect() -> Effect {
        Effect::of(
            "the kernel has the operator's rules as the file has them, the new one first",
            &["allow", "open", "permit"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Input, _context: &Context) -> Result<Plan, ToolError> {
        super::adding(input.rule()?)
    }

    fn apply(_input: &Input, _context: &Context) -> Result<(), ToolError> {
        super::load()
    }

    fn applied_by(_input: &Input) -> Option<InverseCall> {
        super::loading_again()
    }

    fn output(input: &Input, changed: &[Entry], _: &Context) -> Result<Output, ToolError> {
        super::output(&input.rule()?, changed)
    }

    fn verify(_input: &Input, _context: &Context) -> Result<(), ToolError> {
        super::verify()
    }
}
