//! `system.hostname`: what the machine is called.

use crate::procfs::{line, printable};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `system.hostname`.
pub struct HostName;

/// The names.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The name that the kernel tells to programs.
    pub host_name: String,
    /// The name that `/etc/hostname` gives for the next start, if it is there.
    pub configured: Option<String>,
    /// The domain of the resolver (`search` or `domain` of `/etc/resolv.conf`), if one is set.
    pub domain: Option<String>,
}

impl Tool for HostName {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "system.hostname",
            "Shows the host name and the domain of the machine.",
        )
        .needing("system", "read", "hostname")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let domain = match &output.domain {
            Some(domain) => format!(", in the domain {domain}"),
            None => String::new(),
        };
        let configured = match &output.configured {
            Some(name) if *name != output.host_name => {
                format!("; after the next start it will be {name}")
            }
            _ => String::new(),
        };
        format!(
            "the machine is called {}{domain}{configured}",
            output.host_name
        )
    }
}

impl Look for HostName {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let names = rustix::system::uname();
        let resolver = crate::procfs::read("/etc/resolv.conf").unwrap_or_default();
        Ok(Output {
            host_name: printable(&names.nodename().to_string_lossy()),
            configured: line("/etc/hostname"),
            domain: domain(&resolver),
        })
    }
}

/// The first domain of a resolv.conf(5); of several lines, the last counts.
fn domain(text: &str) -> Option<String> {
    let of = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let is_domain = matches!(words.next(), Some("search" | "domain"));
        is_domain.then(|| words.next()).flatten().map(printable)
    };
    text.lines().filter_map(of).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn the_name_is_the_kernels() {
        let done = call::<HostName>(json!({})).unwrap();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(done.output["host_name"], kernel.trim());
        assert!(done.summary.contains(kernel.trim()), "{}", done.summary);
    }

    #[test]
    fn the_domain_is_the_resolvers() {
        let check = |text, expected: Option<&str>| assert_eq!(domain(text).as_deref(), expected);
        check("nameserver 192.0.2.1\n", None);
        check("search a.example b.example\n", Some("a.example"));
        check("domain x.example\nsearch y.example\n", Some("y.example"));
        check("search\n# search z\n", None);
    }
}
