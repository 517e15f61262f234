//! Services are defined and enabled by files that undo takes back. Each test has an `/etc` of its own
//! (needs root).
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::path::Path;

use aios_tools::registry::Registry;
use common::Machine;
use common::mounted::with_own_folders;
use serde_json::json;

const UNIT: &str = "[Service]\nExecStart=/bin/sleep 1000\n";
const FILE: &str = "/etc/systemd/system/hello.service";
const LINK: &str = "/etc/systemd/system/multi-user.target.wants/hello.service";

fn inside(name: &str, check: fn(&Machine)) {
    with_own_folders(name, &["/etc"], || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _entered = runtime.enter();
        check(&Machine::new(Registry::complete()));
    });
}

#[test]
fn a_service_is_defined_enabled_and_all_of_it_taken_back() {
    inside(
        "a_service_is_defined_enabled_and_all_of_it_taken_back",
        |machine| {
            let name = json!({"service": "hello"});
            let unknown = machine.act("service.enable", name.clone()).unwrap_err();
            assert!(unknown.to_string().contains("no unit file"), "{unknown}");
            let order = json!({"service": "hello", "unit": UNIT});
            let defined = machine.act("service.define", order).unwrap();
            assert_eq!(std::fs::read_to_string(FILE).unwrap(), UNIT);
            let enabled = machine.act("service.enable", name.clone()).unwrap();
            assert_eq!(std::fs::read_link(LINK).unwrap(), Path::new(FILE));
            let again = machine.act("service.enable", name.clone()).unwrap();
            assert_eq!(again.output["changed"], false);
            let disabled = machine.act("service.disable", name.clone()).unwrap();
            assert!(Path::new(LINK).symlink_metadata().is_err());
            machine.undo(&disabled).unwrap();
            assert_eq!(std::fs::read_link(LINK).unwrap(), Path::new(FILE));
            machine.undo(&enabled).unwrap();
            machine.undo(&defined).unwrap();
            assert_eq!(std::fs::read_dir("/etc").unwrap().count(), 0);
        },
    );
}

#[test]
fn services_of_aios_and_units_that_cannot_run_are_refused() {
    inside(
        "services_of_aios_and_units_that_cannot_run_are_refused",
        |machine| {
            let orders = [
                (
                    "service.define",
                    json!({"service": "memory", "unit": UNIT}),
                    "aiOS's own",
                ),
                (
                    "service.define",
                    json!({"service": "agent-dev", "unit": UNIT}),
                    "aiOS's own",
                ),
                (
                    "service.define",
                    json!({"service": "tools.service", "unit": UNIT}),
                    "aiOS's own",
                ),
                ("service.enable", json!({"service": "memory"}), "aiOS's own"),
                ("service.disable", json!({"service": "tools"}), "aiOS's own"),
                (
                    "service.define",
                    json!({"service": "x", "unit": "[Service]\n"}),
                    "unit: ",
                ),
                (
                    "service.define",
                    json!({"service": "../x", "unit": UNIT}),
                    "a name has",
                ),
            ];
            for (tool, order, why) in orders {
                let refused = machine.act(tool, order.clone()).unwrap_err().to_string();
                assert!(refused.contains(why), "{tool} {order}: {refused}");
            }
            assert_eq!(std::fs::read_dir("/etc").unwrap().count(), 0);
        },
    );
}
