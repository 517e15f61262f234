//! Lists are made by the crate that makes the authority's.

use super::*;

fn list(number: u64, serials: &[&str], pem: &str) -> List {
    List {
        issuer: b"authority".to_vec(),
        authority: "CN=authority".into(),
        number,
        serials: serials.iter().map(|serial| plain(serial)).collect(),
        pem: pem.into(),
    }
}

#[test]
fn only_a_higher_number_replaces_a_list_and_the_same_list_may_come_again() {
    let check = |number: u64, pem: &str, expected: Option<bool>| {
        let found = list(number, &[], pem).replaces(Some(&list(5, &[], "five")));
        assert_eq!(found.ok(), expected, "{number} {pem}");
    };
    check(6, "six", Some(true));
    check(5, "five", Some(false));
    check(5, "another five", None);
    check(4, "four", None);
    assert_eq!(list(1, &[], "one").replaces(None), Ok(true));
}

#[test]
fn a_serial_number_is_the_same_however_it_is_written_and_counts_for_its_authority_alone() {
    let list = list(1, &["00:e0:0A"], "");
    for serial in ["e00a", "00E00A", "e0:0a"] {
        assert!(list.has(b"authority", serial), "{serial}");
        assert!(!list.has(b"another", serial), "{serial}");
    }
    assert!(!list.has(b"authority", "e00a00"));
}
