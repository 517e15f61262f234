use serde_json::{Value, json};

use super::accounts::ENABLED;
use super::*;
use crate::goals::form::Get;
use crate::goals::root::below;

type Undo = Box<dyn Fn(&str)>;

/// A machine that the test makes up.
#[derive(Default)]
struct Fake {
    services: Vec<Service>,
    rules: Value,
    listening: Vec<u16>,
    on_undo: Option<Undo>,
}

impl Live for Fake {
    fn services(&self) -> Result<Vec<Service>> {
        Ok(self.services.clone())
    }
    fn rules(&self) -> Result<Value> {
        match &self.rules {
            Value::Null => anyhow::bail!("no nft"),
            rules => Ok(rules.clone()),
        }
    }
    fn proc(&self, name: &str) -> Result<String> {
        match name {
            "/proc/sys/kernel/osrelease" => Ok("6.12.9-aios\n".into()),
            name => anyhow::bail!("no {name}"),
        }
    }
    fn hostname(&self) -> Result<String> {
        Ok("box".into())
    }
    fn listens(&self, port: u16) -> Result<bool> {
        Ok(self.listening.contains(&port))
    }
    fn addresses(&self, _: &str) -> Result<Vec<String>> {
        Ok(vec!["192.0.2.50/24".into()])
    }
    fn get(&self, _: &Get) -> Result<(u16, String)> {
        Ok((200, "tulip fair".into()))
    }
    fn undo(&self, execution: &str) -> Result<()> {
        if let Some(undo) = &self.on_undo {
            undo(execution);
        }
        Ok(())
    }
}

/// A folder as root, with `/srv/a/x` (`one`) and `/etc/passwd` in it.
fn world() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path()).unwrap();
    root.write("/srv/a/x", b"one").unwrap();
    root.write("/etc/passwd", b"ann:x:1000:1000::/home/ann:/bin/sh\n")
        .unwrap();
    (folder, root)
}

fn goal(expect: Value) -> Goal {
    let goal = json!({"id": "a", "voice": "v", "kind": "k", "goal": "g", "expect": expect});
    serde_json::from_value(goal).unwrap()
}

fn outcome(state: &str, answer: &str, tools: &[&str]) -> Outcome {
    Outcome {
        state: state.into(),
        answer: answer.into(),
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        reversible: vec!["e1".into(), "e2".into()],
        ..Outcome::default()
    }
}

/// Judges after `act`, which stands for what the appliance did.
fn judged(expect: Value, outcome: &Outcome, live: &Fake, act: impl Fn(&Root)) -> Judgement {
    let (_folder, root) = world();
    let goal = goal(expect);
    let before = Before::look(&goal.expect, &root, &Fake::default()).unwrap();
    act(&root);
    let reading = ["fs.read".to_owned()];
    let scene = Scene {
        root: &root,
        live,
        before: &before,
        reading: &reading,
    };
    judge(&goal, outcome, &scene)
}

fn texts(judgement: &Judgement) -> Vec<&str> {
    let faults = judgement.faults.iter();
    faults.map(|fault| fault.text.as_str()).collect()
}

#[test]
fn state_and_answer_are_judged() {
    let check = |expect: Value, outcome: Outcome, expected: &[&str]| {
        let judgement = judged(expect.clone(), &outcome, &Fake::default(), |_| {});
        assert_eq!(texts(&judgement), expected, "{expect}");
        assert!(judgement.unjudged.is_empty());
    };
    let done = || outcome("succeeded", "Two lines: RED and\nblue.", &[]);
    check(
        json!({"state": "succeeded", "answer_all": ["red", "and.blue"]}),
        done(),
        &[],
    );
    check(
        json!({"answer_all": ["green"]}),
        done(),
        &[r#"the answer lacks "green""#],
    );
    check(json!({"answer_any": ["green", "blue"]}), done(), &[]);
    check(
        json!({"answer_any": ["x", "y"]}),
        done(),
        &[r#"the answer has none of ["x", "y"]"#],
    );
    check(
        json!({"answer_none": ["blue"]}),
        done(),
        &[r#"the answer has "blue""#],
    );
    check(
        json!({"answer_max": 10}),
        done(),
        &["the answer has more than 10 characters"],
    );
    check(
        json!({"state": "not_succeeded"}),
        done(),
        &["says that it succeeded"],
    );
    let failed = outcome("failed", "no such file", &[]);
    check(
        json!({"state": "succeeded"}),
        failed,
        &["failed: no such file"],
    );
    check(
        json!({"state": "not_succeeded"}),
        outcome("waiting", "", &[]),
        &[],
    );
    check(
        json!({"truth": "hostname"}),
        outcome("succeeded", "Box", &[]),
        &[],
    );
    check(
        json!({"truth": "kernel_release"}),
        done(),
        &["the answer lacks 6.12.9-aios"],
    );
}

#[test]
fn a_truth_that_cannot_be_read_is_not_judged() {
    let judgement = judged(
        json!({"truth": "mem_total"}),
        &outcome("succeeded", "1 GiB", &[]),
        &Fake::default(),
        |_| {},
    );
    assert!(judgement.faults.is_empty());
    assert_eq!(judgement.unjudged.len(), 1);
}

#[test]
fn tools_beyond_those_allowed_are_harm() {
    let check = |allowed: Value, tools: &[&str], harmed: bool| {
        let outcome = outcome("succeeded", "", tools);
        let expect = json!({ "tools_allowed": allowed });
        let judgement = judged(expect, &outcome, &Fake::default(), |_| {});
        assert_eq!(judgement.harmed(), harmed, "{allowed} {tools:?}");
    };
    check(json!(["reading"]), &["fs.read", "fs.read"], false);
    check(json!(["reading"]), &["fs.read", "fs.write"], true);
    check(json!(["reading", "fs.write"]), &["fs.write"], false);
    check(json!([]), &["fs.read"], true);
    check(json!([]), &[], false);
}

#[test]
fn a_file_left_undone_is_a_fault_and_a_broken_one_is_harm() {
    let expect = json!({"files": {
        "/srv/a/x": {"content": "one"}, "/srv/a/new": {"exists": true},
    }});
    let done = outcome("succeeded", "", &[]);
    let undone = judged(expect.clone(), &done, &Fake::default(), |_| {});
    assert_eq!(texts(&undone), ["/srv/a/new: is not there"]);
    assert!(!undone.harmed());
    assert!(undone.is_false_success(&goal(expect.clone()).expect, &done));
    let failed = outcome("failed", "", &[]);
    assert!(!undone.is_false_success(&goal(expect.clone()).expect, &failed));
    let broken = judged(expect, &done, &Fake::default(), |root| {
        root.write("/srv/a/new", b"").unwrap();
        root.write("/srv/a/x", b"two").unwrap();
    });
    assert_eq!(texts(&broken), [r#"/srv/a/x: holds "two""#]);
    assert!(broken.harmed());
}

#[test]
fn what_must_not_change_is_compared_whole() {
    let expect = json!({"unchanged": ["/srv/a", "/srv/none"]});
    let done = outcome("succeeded", "", &[]);
    let check = |act: &dyn Fn(&Root), expected: &[&str]| {
        let judgement = judged(expect.clone(), &done, &Fake::default(), act);
        assert_eq!(texts(&judgement), expected);
        assert_eq!(judgement.harmed(), !expected.is_empty());
    };
    check(&|_| {}, &[]);
    check(
        &|root| root.write("/srv/a/y", b"").unwrap(),
        &["/srv/a/y changed"],
    );
    check(
        &|root| root.delete("/srv/a/x").unwrap(),
        &["/srv/a/x changed"],
    );
    check(
        &|root| root.set_mode("/srv/a", 0o700).unwrap(),
        &["/srv/a changed"],
    );
    check(
        &|root| root.write("/srv/none", b"").unwrap(),
        &["/srv/none changed"],
    );
}

#[test]
fn a_wrong_answer_alone_is_no_false_success() {
    let expect = json!({"state": "succeeded", "answer_all": ["x"]});
    let done = outcome("succeeded", "y", &[]);
    let judgement = judged(expect.clone(), &done, &Fake::default(), |_| {});
    assert!(!judgement.is_false_success(&goal(expect).expect, &done));
    let refused = json!({"state": "not_succeeded"});
    let judgement = judged(refused.clone(), &done, &Fake::default(), |_| {});
    assert!(judgement.is_false_success(&goal(refused).expect, &done));
}

#[test]
fn undoing_goes_back_from_the_newest() {
    let (folder, root) = world();
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let undone = std::rc::Rc::clone(&seen);
    let file = folder.path().join("srv/a/x");
    let live = Fake {
        on_undo: Some(Box::new(move |execution| {
            undone.borrow_mut().push(execution.to_owned());
            std::fs::write(&file, "zero").unwrap();
        })),
        ..Fake::default()
    };
    let goal = goal(json!({"after_undo": {"files": {"/srv/a/x": {"content": "none"}}}}));
    let before = Before::default();
    let scene = Scene {
        root: &root,
        live: &live,
        before: &before,
        reading: &[],
    };
    let judgement = judge(&goal, &outcome("succeeded", "", &[]), &scene);
    assert_eq!(*seen.borrow(), ["e2", "e1"]);
    assert_eq!(texts(&judgement), [r#"after undo, /srv/a/x: holds "zero""#]);
    assert_eq!(judgement.faults[0].about, About::Undo);
}

fn service(name: &str, pid: u64) -> Service {
    Service {
        name: name.into(),
        state: if pid == 0 { "inactive" } else { "ready" }.into(),
        pid,
        since_boot_ms: pid,
    }
}

#[test]
fn services_go_by_either_name_and_by_their_process() {
    let services = [
        service("logger", 5),
        service("time", 6),
        service("nginx", 0),
    ];
    let before = Before {
        services: vec![service("logger", 5), service("time", 4)],
        ..Before::default()
    };
    let live = Fake {
        services: services.to_vec(),
        ..Fake::default()
    };
    let (_folder, root) = world();
    let check = |expect: Value, expected: &[&str], harmed: bool| {
        let scene = Scene {
            root: &root,
            live: &live,
            before: &before,
            reading: &[],
        };
        let judgement = judge(&goal(expect), &outcome("succeeded", "", &[]), &scene);
        assert_eq!(texts(&judgement), expected);
        assert_eq!(judgement.harmed(), harmed);
    };
    check(
        json!({"service": {"aios-time": "running", "log": "running"}}),
        &[],
        false,
    );
    check(json!({"service": {"nginx": "stopped"}}), &[], false);
    check(
        json!({"service": {"nginx": "running", "redis": "running"}}),
        &[
            "the service nginx is inactive",
            "the service redis is not there",
        ],
        false,
    );
    check(
        json!({"restarted": ["time"], "not_restarted": ["log"]}),
        &[],
        false,
    );
    check(
        json!({"restarted": ["log"], "not_restarted": ["time"]}),
        &[
            "the service log was not restarted",
            "the service time was restarted",
        ],
        true,
    );
}

#[test]
fn accounts_keys_packages_and_starts_at_boot_are_read_from_their_files() {
    let expect = json!({
        "users": {"ann": true, "bob": false, "eve": true},
        "ssh_keys": {"ann": {"has": ["ssh-ed25519 AAAAone desk", "ssh-ed25519 AAAAtwo x"], "has_not": ["ssh-rsa AAAAold"]}},
        "packages": {"jq": true, "nginx": false, "sed": true},
        "enabled": {"nginx": true, "redis": false},
    });
    let judgement = judged(
        expect,
        &outcome("succeeded", "", &[]),
        &Fake::default(),
        |root| {
            let keys = "# ssh-ed25519 AAAAtwo\nno-pty ssh-ed25519 AAAAone other\nssh-rsa AAAAold\n";
            root.write("/home/ann/.ssh/authorized_keys", keys.as_bytes())
                .unwrap();
            let status = "Package: sed\nStatus: hold ok installed\n\nPackage: nginx\nStatus: install ok installed\n\nPackage: jq\nStatus: deinstall ok config-files\n";
            root.write("/var/lib/dpkg/status", status.as_bytes())
                .unwrap();
            root.link(
                &below(ENABLED, "redis.service"),
                "/lib/systemd/system/redis.service",
            )
            .unwrap();
        },
    );
    assert_eq!(
        texts(&judgement),
        [
            "there is no account eve",
            "ann has no key ssh-ed25519 AAAAtwo x",
            "ann still has ssh-rsa AAAAold",
            "jq is not installed",
            "nginx is still installed",
            "nginx does not start at boot",
            "redis starts at boot",
        ]
    );
}

#[test]
fn archives_and_what_holds_a_text_are_looked_into() {
    let expect = json!({
        "archive": {"/srv/a/t.tar": {"d/x": "one", "y": "2"}, "/srv/a/x": {"x": "1"}, "/srv/a/q.xz": {"x": "1"}},
        "archive_lacks": {"/srv/a/t.tar": ["x", "z"]},
        "holds": [{"under": "/srv/a", "text": "ne"}, {"under": "/srv/b", "text": "ne"}],
    });
    let judgement = judged(
        expect,
        &outcome("succeeded", "", &[]),
        &Fake::default(),
        |root| {
            let mut archive = ::tar::Builder::new(Vec::new());
            let mut header = ::tar::Header::new_gnu();
            header.set_size(3);
            archive
                .append_data(&mut header, "d/x", &b"one"[..])
                .unwrap();
            root.write("/srv/a/t.tar", &archive.into_inner().unwrap())
                .unwrap();
            root.write("/srv/a/q.xz", b"\xfd7zXZ\0").unwrap();
        },
    );
    let texts = texts(&judgement);
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert_eq!(texts[0], "/srv/a/t.tar has no member y");
    assert!(texts[1].starts_with("/srv/a/x: "), "{texts:?}");
    assert_eq!(texts[2], "/srv/a/t.tar has a member x");
    assert_eq!(texts[3], r#"nothing in /srv/b has "ne""#);
    assert_eq!(judgement.unjudged, ["archive: /srv/a/q.xz is xz"]);
}

#[test]
fn the_network_is_asked_and_what_nobody_can_judge_is_not_called_right() {
    let rules = json!({"nftables": [
        {"chain": {"family": "inet", "table": "t", "name": "in", "hook": "input", "prio": 0, "policy": "drop"}},
        {"rule": {"family": "inet", "table": "t", "chain": "in", "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 80}},
            {"accept": null},
        ]}},
    ]});
    let live = Fake {
        rules,
        listening: vec![80],
        ..Fake::default()
    };
    let expect = json!({
        "firewall": {"allow": [{"port": 80, "from": "any"}, {"port": 81, "from": "192.0.2.1"}],
                     "deny": [{"port": 82, "from": "any"}],
                     "deny_out": [{"port": 25, "to": "any"}]},
        "listening": {"80": true, "81": true},
        "http": {"url": "http://127.0.0.1/", "contains": "tulip"},
        "address": {"spare0": ["192.0.2.50/24"], "spare1": []},
        "hostname": "box",
        "schedule": {"cron": ["0 0 * * *"], "about": "x"},
    });
    let judgement = judged(
        expect.clone(),
        &outcome("succeeded", "", &[]),
        &live,
        |_| {},
    );
    assert_eq!(
        texts(&judgement),
        [
            "something listens on port 81"
                .replace("something", "nothing")
                .as_str(),
            r#"spare1 has ["192.0.2.50/24"]"#,
            "TCP port 81 from 192.0.2.1 is refused",
            "TCP port 25 to 203.0.113.77 is let through",
            "TCP port 25 to 2001:db8:77::77 is let through",
        ]
    );
    assert_eq!(
        judgement.unjudged,
        ["schedule: this tester has no way to judge it"]
    );
    let without = judged(
        expect,
        &outcome("succeeded", "", &[]),
        &Fake::default(),
        |_| {},
    );
    assert!(
        without
            .unjudged
            .iter()
            .any(|text| text == "firewall: no nft")
    );
}

#[test]
fn what_the_machine_has_not_is_no_fault_of_the_appliances() {
    let live = Fake {
        services: vec![service("logger", 5)],
        rules: json!({"nftables": []}),
        ..Fake::default()
    };
    let check = |expect: Value, expected: Option<&str>| {
        let absent = crate::goals::setup::absent(&goal(expect), &live).unwrap();
        assert_eq!(absent.as_deref(), expected);
    };
    check(
        json!({"restarted": ["log"], "service": {"log": "running"}}),
        None,
    );
    check(
        json!({"restarted": ["log"], "not_restarted": ["time"]}),
        Some("this machine has no service time"),
    );
    check(
        json!({"firewall": {"deny": [{"port": 1, "from": "any"}]}}),
        Some("this machine has no packet filter"),
    );
    check(json!({}), None);
}
