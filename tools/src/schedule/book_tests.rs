use super::*;
use crate::schedule::order::Order;
use crate::schedule::when::When;
use aios_role::Role;
use std::os::unix::fs::symlink;

const DAY: i64 = 86_400_000;

fn open(folder: &Path) -> Schedules {
    std::fs::create_dir_all(folder.join("tools")).unwrap();
    Schedules::open(folder, DAY).unwrap()
}

fn schedule(id: &str, by: &str, when: &str) -> Schedule {
    Schedule {
        id: id.into(),
        by: by.into(),
        role: Role::Admin,
        created_ms: 0,
        when_text: when.into(),
        when: When::read(when, 0, &TimeZone::UTC).unwrap(),
        order: Order::Goal("x".into()),
        digest: String::new(),
    }
    .sealed()
}

fn put(schedules: &Schedules, one: &Schedule) {
    std::fs::write(schedules.path(&one.id), one.text().unwrap()).unwrap();
}

fn root() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

#[test]
fn what_is_no_schedule_is_told_and_the_others_are_read() {
    let (_folder, root) = root();
    let schedules = open(&root);
    let good = schedule("0000000a", "CN=ann", "daily 02:00");
    put(&schedules, &good);
    let file = |name: &str| root.join(FOLDER).join(name);
    std::fs::write(file("0000000b.toml"), "format = 1\0").unwrap();
    std::fs::write(file("0000000c.toml"), vec![b'a'; 300_000]).unwrap();
    std::fs::write(file("0000000d.toml"), b"\xff\xfe").unwrap();
    std::fs::write(file("note\u{1b}.txt"), "").unwrap();
    symlink("0000000a.toml", file("0000000e.toml")).unwrap();
    std::fs::create_dir(file("0000000f.toml")).unwrap();
    let listing = schedules.read(&TimeZone::UTC);
    assert_eq!(listing.schedules, std::slice::from_ref(&good));
    assert_eq!(listing.unreadable.len(), 6, "{:?}", listing.unreadable);
    assert!(!listing.unreadable.concat().contains('\u{1b}'));
    assert_eq!(schedules.find("0000000a", &TimeZone::UTC), Ok(good));
    for id in ["0000000b", "0000000e", "00000000", "../a", ""] {
        let refused = schedules.find(id, &TimeZone::UTC);
        assert!(
            matches!(refused, Err(ToolError::Precondition(_))),
            "{id}: {refused:?}"
        );
    }
}

#[test]
fn what_ran_outlives_a_restart_and_a_damaged_file_makes_up_for_nothing() {
    let (_folder, root) = root();
    let change =
        |schedules: &Schedules| schedules.change("0000000a", |one| one.decided_ms = Some(7));
    change(&open(&root)).unwrap();
    let again = open(&root);
    assert_eq!(again.state("0000000a").decided_ms, Some(7));
    assert_eq!(
        (again.state("0000000b").decided_ms, again.damage()),
        (None, "")
    );
    for damage in ["{", "{\"format\":2,\"states\":{}}"] {
        std::fs::write(root.join(STATES), damage).unwrap();
        let damaged = open(&root);
        assert!(
            damaged.damage().contains("not known"),
            "{}",
            damaged.damage()
        );
        assert_eq!(damaged.state("0000000a").decided_ms, Some(DAY));
        assert!(root.join("tools/schedules.json.damaged").exists());
        change(&damaged).unwrap();
    }
    std::fs::remove_file(root.join(STATES)).unwrap();
    std::fs::create_dir(root.join(STATES)).unwrap();
    let full = Schedules::open(&root, DAY).unwrap();
    change(&full).unwrap_err();
    assert_eq!(
        full.state("0000000a"),
        State::default(),
        "nothing is changed"
    );
}

#[test]
fn one_that_was_away_is_not_made_up_for() {
    let (_folder, root) = root();
    let schedules = open(&root);
    let one = schedule("0000000a", "CN=ann", "daily 02:00");
    let look = |now| {
        schedules
            .note(&schedules.read(&TimeZone::UTC), now)
            .unwrap();
        let state = schedules.state(&one.id);
        (state.gone, state.decided_ms)
    };
    put(&schedules, &one);
    assert_eq!(look(DAY), (false, None), "it never ran");
    std::fs::remove_file(schedules.path(&one.id)).unwrap();
    assert_eq!(look(2 * DAY), (true, None));
    put(&schedules, &one);
    assert_eq!(look(3 * DAY), (false, Some(3 * DAY)));
    assert_eq!(look(4 * DAY), (false, Some(3 * DAY)));
}

#[test]
fn nobody_has_more_schedules_than_there_is_room_for() {
    let (_folder, root) = root();
    let schedules = open(&root);
    let room = |by: &str| schedules.has_room(by, &TimeZone::UTC).is_ok();
    for number in 0..PER_OPERATOR_MAX {
        assert!(room("CN=ann"));
        let when = if number == 0 {
            "1970-01-02T00:00:00Z"
        } else {
            "daily 02:00"
        };
        put(
            &schedules,
            &schedule(&format!("{number:08x}"), "CN=ann", when),
        );
    }
    assert!(!room("CN=ann") && room("CN=bob"));
    let over = |state: &mut State| state.decided_ms = Some(DAY);
    schedules.change("00000000", over).unwrap();
    assert!(room("CN=ann"), "one that is over is not counted");
    for number in PER_OPERATOR_MAX..=ACTIVE_MAX {
        let by = format!("CN={number}");
        put(
            &schedules,
            &schedule(&format!("{number:08x}"), &by, "daily 02:00"),
        );
    }
    assert!(!room("CN=bob"));
}

#[test]
fn nobody_touches_what_does_more_than_they_may() {
    let check = |subject: &str, role, expected: bool| {
        let operator = Operator {
            subject: subject.into(),
            role,
        };
        let found = may_touch(&schedule("0000000a", "CN=ann", "daily 02:00"), &operator);
        assert_eq!(found.is_ok(), expected, "{subject} {role}");
    };
    check("CN=ann", Role::Operator, true);
    check("CN=bob", Role::Operator, false);
    check("CN=bob", Role::Admin, true);
    check("", Role::Viewer, false);
}
