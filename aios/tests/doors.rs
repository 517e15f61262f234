//! `docs/doors.md` is what the code says, and no service is left out of it.

mod page;

#[test]
fn the_page_on_doors_is_made_from_the_code() {
    let page = include_str!("../../docs/doors.md");
    assert!(
        page == page::page(),
        "write it again: cargo run -p aios --example doors > docs/doors.md"
    );
}

#[test]
fn every_service_of_the_contracts_is_on_the_page() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/contracts/aios/v1");
    let mut contracts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let services = text
            .lines()
            .filter_map(|line| line.strip_prefix("service "));
        let names = services.filter_map(|line| line.split(' ').next());
        contracts.extend(names.map(str::to_owned));
    }
    // These two are on the port.
    contracts.retain(|name| name != "Management" && name != "Maintenance");
    contracts.sort();
    let mut shown: Vec<_> = page::SOCKETS
        .iter()
        .map(|(_, access)| access.service())
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, contracts);
}
