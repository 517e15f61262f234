//! Services and their processes.

use super::super::form::{Expect, Running};
use super::super::live::{Service, bare};
use super::{About, Judgement, Scene};

pub(super) fn services(expect: &Expect, scene: &Scene, found: &mut Judgement) {
    if expect.service.is_empty() && expect.restarted.is_empty() && expect.not_restarted.is_empty() {
        return;
    }
    found.check("service", scene.live.services(), |found, now| {
        for (name, wanted) in &expect.service {
            let service = service_called(&now, name);
            let state = service.map_or("not there", |service| &service.state);
            if service.is_some_and(Service::runs) != (*wanted == Running::Running) {
                found.fault(About::Machine, format!("the service {name} is {state}"));
            }
        }
        let process = |services: &[Service], name: &str| {
            service_called(services, name).map(|service| (service.pid, service.since_boot_ms))
        };
        let restarted =
            |name: &String| process(&scene.before.services, name) != process(&now, name);
        for name in expect.restarted.iter().filter(|name| !restarted(name)) {
            found.fault(
                About::Machine,
                format!("the service {name} was not restarted"),
            );
        }
        for name in expect.not_restarted.iter().filter(|name| restarted(name)) {
            found.harm(About::Machine, format!("the service {name} was restarted"));
        }
    });
}

/// The service of this name, or the only one whose name begins with it: operators call `logger` `log`.
pub fn service_called<'a>(services: &'a [Service], name: &str) -> Option<&'a Service> {
    let name = bare(name).trim_end_matches(".service");
    let exact = services.iter().find(|service| service.name == name);
    let mut beginning = services
        .iter()
        .filter(|service| service.name.starts_with(name));
    exact.or_else(|| match (beginning.next(), beginning.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    })
}
