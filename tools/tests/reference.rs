//! `docs/tools.md` is what the tools declare.

mod page;

#[test]
fn the_page_on_tools_is_made_from_the_code() {
    let page = include_str!("../../docs/tools.md");
    assert!(
        page == page::page(),
        "write it again: cargo run -p aios-tools --example tools > docs/tools.md"
    );
}
