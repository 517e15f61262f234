//! `firewall.allow` and `firewall.deny`: a rule about connections to a port, before all others. The two
//! differ in the verdict, and in the capability that follows from it.

use super::{Output, Transport};

macro_rules! adding {
    ($module:ident, $tool:ident, $action:ident, $name:literal, $does:literal, $verbs:expr, $port:literal from $source:literal) => {
        #[doc = concat!("`", $name, "`.")]
        pub mod $module {
            use aios_config::Verdict;
            use aios_firewall::Rule;
            use aios_tool::argument::{$action, Network, OwnPort};
            use aios_tool::prelude::*;
            use aios_tool::undo::{Entry, InverseCall};

            use super::{Output, Transport};

            #[doc = concat!("The tool `", $name, "`.")]
            pub struct $tool;

            arguments! {
                #[doc = concat!("Arguments of `", $name, "`.")]
                pub struct Input {
                    /// Port of this machine, or the first of a range.
                    pub port: OwnPort<$action>,
                    /// The last port of a range. Default: `port` alone.
                    pub last_port: Option<OwnPort<$action>>,
                    /// `tcp`, `udp`, or `any` for both. Default: `tcp`.
                    pub protocol: Option<Transport>,
                    /// Address or network that it is about, `192.0.2.7` or `10.0.0.0/8`. Default: everyone.
                    pub source: Option<Network>,
                }
            }

            impl Input {
                fn rule(&self) -> Result<Rule, ToolError> {
                    let last = self.last_port.as_ref().map(OwnPort::get);
                    let ports = [Some(self.port.get()), last];
                    super::super::rule(Verdict::$action, ports, self.protocol, self.source.as_ref())
                }
            }

            impl Tool for $tool {
                type Input = Input;
                type Output = Output;

                fn declaration() -> Declaration {
                    super::super::declaration(
                        $name,
                        concat!($does, " a port or a range of ports, from everyone or from one network."),
                    )
                    .example(json!({"port": $port, "source": $source}))
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
                    super::super::added(output)
                }
            }

            impl Edit for $tool {
                fn effect() -> Effect {
                    Effect::of(
                        "the kernel has the operator's rules as the file has them, the new one first",
                        &$verbs,
                    )
                    .undone_by(Undo::ChangeSet)
                }

                fn plan(input: &Input, _context: &Context) -> Result<Plan, ToolError> {
                    super::super::adding(input.rule()?)
                }

                fn apply(_input: &Input, _context: &Context) -> Result<(), ToolError> {
                    super::super::load()
                }

                fn applied_by(_input: &Input) -> Option<InverseCall> {
                    super::super::loading_again()
                }

                fn output(input: &Input, changed: &[Entry], _: &Context) -> Result<Output, ToolError> {
                    super::super::output(&input.rule()?, changed)
                }

                fn verify(_input: &Input, _context: &Context) -> Result<(), ToolError> {
                    super::super::verify()
                }
            }
        }
    };
}

adding!(
    allow, AllowPort, Allow, "firewall.allow", "Lets in connections to",
    ["allow", "open", "permit"], 443 from "10.0.0.0/8"
);
adding!(
    deny, DenyPort, Deny, "firewall.deny", "Refuses new connections to",
    ["deny", "block", "close", "forbid"], 3306 from "203.0.113.0/24"
);
