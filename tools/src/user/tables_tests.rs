use super::*;

fn new(name: &str) -> New<'_> {
    New {
        name,
        full_name: "",
        shell: "/bin/bash",
        uid: None,
        day: 20_400,
    }
}

/// The lines that only the second text has.
fn added<'a>(before: &Tables, after: &'a Tables, file: File) -> Vec<&'a str> {
    let old: Vec<&str> = before.lines(file).collect();
    after
        .lines(file)
        .filter(|line| !old.contains(line))
        .collect()
}

#[test]
fn a_new_account_has_a_number_of_people_no_password_and_a_group() {
    let before = example();
    let (after, account) = before.with(&new("eve")).unwrap();
    assert_eq!((account.uid, account.home.as_str()), (1002, "/home/eve"));
    let check = |file, line: &str| assert_eq!(added(&before, &after, file), [line]);
    check(File::Passwd, "eve:x:1002:1002::/home/eve:/bin/bash");
    check(File::Shadow, "eve:!:20400:0:99999:7:::");
    check(File::Group, "eve:x:1002:");
    check(File::Gshadow, "eve:!::");
    check(File::Subuid, "eve:165536:65536");
    assert_eq!(
        after.text(File::Subgid),
        None,
        "a table that is not there is not made"
    );
    // The last line had no end.
    assert!(after.text(File::Passwd).unwrap().contains("/bin/sh\neve:"));
    assert_eq!(after.password("eve"), Some(Password::Locked));
}

#[test]
fn a_new_account_never_takes_what_is_anothers() {
    let check = |change: fn(&mut Tables), order: New<'_>, why: &str| {
        let mut tables = example();
        change(&mut tables);
        let refused = tables.with(&order).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    };
    check(|_| {}, new("ada"), "an account ada already");
    check(|_| {}, new("docker"), "a group docker already");
    let left = |tables: &mut Tables| tables.append(File::Shadow, "eve:$y$hash:1::::::");
    check(left, new("eve"), "/etc/shadow has a line for eve");
    for uid in [0, 33, 904, 949, 990, 1000, 65_534] {
        let wanted = New {
            uid: Some(uid),
            ..new("eve")
        };
        check(|_| {}, wanted, &format!("the number {uid}"));
    }
    let full = |tables: &mut Tables| tables.append(File::Subuid, "x:600000000:65536");
    check(full, new("eve"), "/etc/subuid has no room");
}

#[test]
fn numbers_are_not_reused_while_there_are_others() {
    let mut tables = example();
    tables.append(File::Group, "people:x:1500:");
    assert_eq!(tables.with(&new("eve")).unwrap().1.uid, 1501);
    tables.append(File::Passwd, "last:x:59999:59999::/:/bin/sh");
    assert_eq!(tables.with(&new("eve")).unwrap().1.uid, 1002);
}

#[test]
fn an_account_goes_out_of_every_table_and_nothing_else_does() {
    let before = example();
    let ada = before.account("ada").unwrap();
    let after = before.without(&ada);
    for file in FILES {
        let names_ada = |line: &&str| line.split([':', ',']).any(|word| word == "ada");
        let rest: Vec<&str> = before.lines(file).filter(|line| !names_ada(line)).collect();
        let left: Vec<&str> = after
            .lines(file)
            .filter(|line| before.lines(file).any(|old| old == *line))
            .collect();
        assert_eq!(left, rest, "{file:?}");
        assert!(!after.lines(file).any(|line| names_ada(&line)), "{file:?}");
    }
    assert_eq!(
        added(&before, &after, File::Gshadow),
        ["docker:!::bob", "bob:!::"]
    );
    // Somebody else is in bob's group: it stays.
    let bob = before.account("bob").unwrap();
    assert_eq!(before.without(&bob).group("bob"), Some(1001));
    assert_eq!(after.without(&bob).group("bob"), None);
}

#[test]
fn who_is_added_and_removed_again_leaves_nothing() {
    let mut before = example();
    before.append(File::Passwd, "x:x:1100:1100::/:/bin/sh");
    let (with, account) = before.with(&new("eve")).unwrap();
    assert_eq!(with.without(&account), before);
}

#[test]
fn members_come_and_go() {
    let before = example();
    let check = |name: &str, group: &str, is_in: bool, line: &str| {
        let after = before.with_membership(name, group, is_in).unwrap();
        assert_eq!(
            after.lines(File::Group).find(|one| first(one) == group),
            Some(line)
        );
    };
    check("bob", "docker", true, "docker:x:990:ada,bob");
    check("ada", "docker", false, "docker:x:990:bob");
    check("bob", "ada", true, "ada:x:1000:bob");
    check("ada", "bob", false, "bob:x:1001:");
    before.with_membership("ada", "none", true).unwrap_err();
    before.with_membership("ada", "ada", false).unwrap_err();
    assert_eq!(
        before.groups(&before.account("ada").unwrap()),
        ["ada", "docker", "bob"]
    );
}

#[test]
fn groups_that_open_the_machine_are_reserved() {
    let check =
        |group: &str, gid, reserved| assert_eq!(is_reserved(group, gid), reserved, "{group}");
    check("root", 0, true);
    check("aios", 900, true);
    check("shadow", 42, true);
    check("docker", 990, true);
    check("ada", 1001, false);
}

#[test]
fn no_hash_is_shown() {
    let shown = without_secrets(example().text(File::Shadow).unwrap());
    assert_eq!(shown, "root:locked\nada:set\nbob:empty\n");
    let shown = without_secrets("g:hash:ada:ada,bob\n");
    assert_eq!(shown, "g:set:ada:ada,bob\n");
}

#[test]
fn broken_lines_are_no_accounts_and_stay() {
    let mut tables = example();
    tables.append(File::Passwd, "+::::::\nbroken\nx:x:notanumber:1::/:/bin/sh");
    assert_eq!(tables.accounts().len(), 5);
    let ada = tables.account("ada").unwrap();
    assert!(
        tables
            .without(&ada)
            .text(File::Passwd)
            .unwrap()
            .ends_with("+::::::\nbroken\nx:x:notanumber:1::/:/bin/sh\n")
    );
}
