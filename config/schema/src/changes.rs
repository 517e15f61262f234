//! What a new configuration needs, before anything is done. It follows from the declarations of the
//! tables: who reads the keys that differ, and how each reader takes a change up.

use crate::Config;
use crate::reader::{self, Service, TakesUp};

/// What happens to a service so that it takes a new configuration up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// SIGHUP: it reads its tables again, and nothing that stays the same is interrupted.
    Reload(&'static str),
    /// It ends and starts again.
    Restart(&'static str),
}

impl Change {
    /// All changes that can be needed, in the order in which they are made.
    pub fn all() -> impl Iterator<Item = Self> {
        reader::ALL.iter().filter_map(|service| Self::of(*service))
    }

    /// The service.
    pub fn service(self) -> &'static str {
        match self {
            Self::Reload(service) | Self::Restart(service) => service,
        }
    }

    fn of(service: Service) -> Option<Self> {
        match service.takes_up {
            TakesUp::Reload => Some(Self::Reload(service.name)),
            TakesUp::Restart => Some(Self::Restart(service.name)),
            TakesUp::ByItself | TakesUp::NextStart => None,
        }
    }
}

/// What must be done, in this order, after `new` was put in the place of `old`.
pub fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let readers: Vec<Service> = old
        .difference(new)
        .into_iter()
        .flat_map(|key| key.readers())
        .collect();
    let concerned = |change: &Change| {
        let service = change.service();
        readers.iter().any(|reader| reader.name == service)
    };
    Change::all().filter(concerned).collect()
}
