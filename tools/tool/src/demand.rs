//! What one call demands: capabilities of its caller, locks against other calls, and files that its
//! confined act must reach. All three follow from the types of its arguments.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::file::name;

/// A capability that a call needs: `fs:write:/srv/hello.txt`, with its object resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The kind of object: `fs`.
    pub namespace: Cow<'static, str>,
    /// What is done with the object: `write`.
    pub action: Cow<'static, str>,
    /// The object: `/srv/hello.txt`.
    pub object: String,
}

impl Need {
    /// The need of this action on this object.
    pub fn of(namespace: &str, action: &str, object: &str) -> Self {
        Self {
            namespace: namespace.to_owned().into(),
            action: action.to_owned().into(),
            object: object.to_owned(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.namespace, self.action, self.object)
    }
}

/// The files that the act of one call may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// May be read, with all below.
    pub read: Vec<PathBuf>,
    /// May be changed, with all below.
    pub write: Vec<PathBuf>,
}

impl Reach {
    /// Adds a path that is read, or the nearest directory above it that exists.
    pub fn to_read(&mut self, path: &str) {
        self.read.push(existing(&name::decode(path)));
    }

    /// Adds the directory of a path that is made, changed or taken away.
    pub fn to_write(&mut self, path: &str) {
        let path = name::decode(path);
        self.write
            .push(existing(path.parent().unwrap_or(Path::new("/"))));
    }
}

/// The path, or the nearest directory above it that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors()
        .find(|ancestor| ancestor.symlink_metadata().is_ok())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// All that one call demands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// What its caller must hold.
    pub needs: Vec<Need>,
    /// What no other call may change meanwhile: `service:memory`. Empty for a call that looks.
    pub locks: Vec<String>,
    /// What its act may reach.
    pub reach: Reach,
    /// Calls that it has made later, in the name of whoever orders it.
    pub orders: Vec<Ordered>,
}

/// A call that another call has made later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The tool's name.
    pub tool: String,
    /// What the call needs.
    pub needs: Vec<Need>,
}

/// Collects the demands of a call's arguments.
#[derive(Debug)]
pub struct Collector {
    demands: Demands,
    changes: bool,
    port: Option<String>,
}

impl Collector {
    /// For a call of a tool that has these needs by itself, and that changes something or not.
    pub fn new(needs: Vec<Need>, changes: bool) -> Self {
        // Two calls that change what only their tool names come one after the other as well.
        let locks = needs.iter().filter(|_| changes).map(Need::to_string);
        Self {
            demands: Demands {
                locks: locks.collect(),
                needs,
                reach: Reach::default(),
                orders: Vec::new(),
            },
            changes,
            port: None,
        }
    }

    /// The call does this to this object.
    pub fn need(&mut self, namespace: &'static str, action: &'static str, object: &str) {
        self.demands.needs.push(Need {
            namespace: namespace.into(),
            action: action.into(),
            object: object.to_owned(),
        });
        if self.changes {
            self.demands.locks.push(lock(namespace, object));
        }
    }

    /// The call has this one made later: what policy says of that one, it says of this one too.
    pub fn order(&mut self, ordered: Ordered) {
        self.demands.orders.push(ordered);
    }

    /// The call connects to this port of the host that another argument names.
    pub fn port(&mut self, port: String) {
        self.port = Some(port);
    }

    /// The act reads or changes these files.
    pub fn reach(&mut self) -> &mut Reach {
        &mut self.demands.reach
    }

    /// All demands. Host and port of a call are one object: `net:connect:example.org:443`.
    pub fn finish(mut self) -> Demands {
        let hosts = |need: &&mut Need| need.namespace == HOST.0 && need.action == HOST.1;
        if let Some(port) = self.port.take() {
            match self.demands.needs.iter_mut().find(hosts) {
                Some(need) => need.object = format!("{}:{port}", need.object),
                None => self.need(HOST.0, HOST.1, &format!("*:{port}")),
            }
        }
        self.demands
    }
}

/// Namespace and action of the need of a call that connects to a host.
pub(crate) const HOST: (&str, &str) = ("net", "connect");

/// The key of an object that one call at a time may change.
pub fn lock(namespace: &str, object: &str) -> String {
    format!("{namespace}:{object}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_one_object_in_any_order() {
        let needs = |collect: fn(&mut Collector)| {
            let mut collector = Collector::new(Vec::new(), false);
            collect(&mut collector);
            let demands = collector.finish();
            assert!(demands.locks.is_empty(), "a look locks nothing");
            demands
                .needs
                .iter()
                .map(Need::to_string)
                .collect::<Vec<_>>()
        };
        let host = |collector: &mut Collector| collector.need("net", "connect", "a.b");
        assert_eq!(needs(host), ["net:connect:a.b"]);
        let first = |collector: &mut Collector| {
            collector.port("22".into());
            collector.need("net", "connect", "a.b");
        };
        assert_eq!(needs(first), ["net:connect:a.b:22"]);
        assert_eq!(
            needs(|collector| collector.port("22".into())),
            ["net:connect:*:22"]
        );
    }

    #[test]
    fn two_changes_of_one_object_have_one_lock_whatever_they_do() {
        let locks = |action| {
            let mut collector = Collector::new(Vec::new(), true);
            collector.need("service", action, "memory");
            collector.finish().locks
        };
        assert_eq!(locks("start"), ["service:memory"]);
        assert_eq!(locks("start"), locks("stop"));
    }

    #[test]
    fn what_does_not_exist_is_reached_through_what_is_above_it() {
        let mut reach = Reach::default();
        reach.to_read("/usr/none/y");
        reach.to_write("/usr/x");
        assert_eq!(reach.read, [PathBuf::from("/usr")]);
        assert_eq!(reach.write, [PathBuf::from("/usr")]);
    }
}
