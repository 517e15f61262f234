use super::*;
use crate::schedule::grant::Facts;
use crate::schedule::order::Grant;

fn facts() -> Facts {
    Facts {
        input: json!({"path": "/srv/a"}),
        risk: "medium".into(),
        needs: vec!["fs:write:/srv/a".into()],
        changes: true,
        reversible: true,
    }
}

fn with(order: Order) -> Schedule {
    Schedule {
        id: "0123abcd".into(),
        by: "CN=ann \"quoted\"".into(),
        role: Role::Operator,
        created_ms: 1_764_266_000_000,
        when_text: "daily 02:00".into(),
        when: When::read("daily 02:00", 0, &TimeZone::UTC).unwrap(),
        order,
        digest: String::new(),
    }
    .sealed()
}

fn call(asked: bool) -> Schedule {
    with(Order::Call(OrderedCall {
        tool: "fs.delete".into(),
        arguments: json!({"path": "/srv/link", "x": null})
            .as_object()
            .unwrap()
            .clone(),
        grant: Some(Grant {
            facts: facts(),
            asked,
        }),
    }))
}

fn judged(change: impl FnOnce(&mut Judged)) -> Option<Result<Judged, ToolError>> {
    let mut judged = Judged {
        facts: facts(),
        needs: Vec::new(),
        asks: None,
    };
    change(&mut judged);
    Some(Ok(judged))
}

#[test]
fn a_file_is_read_as_it_was_written() {
    for schedule in [call(true), with(Order::Goal("check\ndisk".into()))] {
        let text = schedule.text().unwrap();
        let read = Schedule::parse("0123abcd.toml", &text, &TimeZone::UTC);
        assert_eq!(read, Ok(schedule), "{text}");
    }
}

#[test]
fn a_file_that_is_none_is_refused_with_a_reason() {
    let good = call(false).text().unwrap();
    let check = |name: &str, text: &str, why: &str| {
        let refused = Schedule::parse(name, text, &TimeZone::UTC).unwrap_err();
        assert!(refused.contains(why), "{name} {text}: {refused}");
    };
    let name = "0123abcd.toml";
    check("../a.toml", &good, "name");
    check("0123ABCD.toml", &good, "name");
    check(name, "", "no format");
    check(name, "\0\0", "no TOML");
    check(name, &"[".repeat(100_000), "no TOML");
    check(name, &good.replace("format = 1", "format = 2"), "format 2");
    check(name, "format = 1", "missing field");
    check(name, &format!("more = 1\n{good}"), "unknown field");
    check(name, &good.replace("\"operator\"", "\"root\""), "no role");
    check(name, &good.replace("daily 02:00", "daily"), "no time");
    check(name, &good.replace("tool", "fool"), "order");
}

#[test]
fn a_grant_holds_for_exactly_what_was_ordered() {
    let check = |schedule: &Schedule, judged, why: Option<&str>| match (
        schedule.standing(Option::as_ref(&judged)),
        why,
    ) {
        (Standing::Holds, None) => {}
        (Standing::Void(found), Some(why)) => assert!(found.contains(why), "{found}"),
        (found, why) => panic!("{found:?}, not {why:?}"),
    };
    let asks = |judged: &mut Judged| judged.asks = Some("its risk".into());
    let elsewhere = |judged: &mut Judged| judged.facts.input["path"] = "/etc/a".into();
    let risk = |judged: &mut Judged| judged.facts.risk = "high".into();
    check(&call(false), judged(|_| {}), None);
    check(&call(false), judged(elsewhere), Some("path is now"));
    check(&call(false), judged(risk), Some("its risk is high"));
    check(&call(false), judged(asks), Some("a person would be asked"));
    check(&call(true), judged(asks), None);
    check(&call(true), judged(elsewhere), Some("path is now"));
    let gone = |error| Some(Err(error));
    check(
        &call(true),
        gone(ToolError::Denied("never".into())),
        Some("never"),
    );
    check(
        &call(true),
        gone(ToolError::NotFound("no tool".into())),
        Some("no tool"),
    );
    check(
        &call(true),
        gone(ToolError::Precondition("no file".into())),
        None,
    );
}

#[test]
fn whoever_changes_a_file_makes_it_void() {
    let goal = || with(Order::Goal("check disk usage".into()));
    assert_eq!(goal().standing(None), Standing::Holds);
    let check = |mut schedule: Schedule, judged, change: &dyn Fn(&mut Schedule)| {
        change(&mut schedule);
        let standing = schedule.standing(Option::as_ref(&judged));
        assert!(matches!(standing, Standing::Void(_)), "{schedule:?}");
    };
    check(goal(), None, &|one| one.role = Role::Admin);
    check(goal(), None, &|one| one.by = "CN=bob".into());
    check(goal(), None, &|one| one.when_text = "every minute".into());
    check(goal(), None, &|one| {
        one.order = Order::Goal("delete all".into())
    });
    check(call(false), judged(|_| {}), &|one| one.role = Role::Admin);
    check(call(false), None, &|_| {});
    let more = |one: &mut Schedule| {
        let Order::Call(call) = &mut one.order else {
            return;
        };
        call.arguments.insert("recursive".into(), true.into());
    };
    check(call(false), judged(|_| {}), &more);
    let asked = |one: &mut Schedule| {
        let Order::Call(call) = &mut one.order else {
            return;
        };
        call.grant.as_mut().unwrap().asked = true;
    };
    check(call(false), judged(|_| {}), &asked);
}
