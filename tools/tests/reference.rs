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

/// Arguments that the model need not know: other calls and programs give them.
const UNSAID: [(&str, &str); 2] = [("config.set", "instead_of"), ("net.download", "sha256")];

/// What the operator model can name is what the tools are called, with their arguments. It may know more: tools that are to come, and skills.
#[test]
fn the_operator_model_knows_every_tool_by_its_arguments() {
    let labels = include_str!("../../brain/data/tools.txt");
    for tool in aios_tools::registry::Registry::complete().iter() {
        let spec = tool.spec();
        let schema = tool.input_schema();
        let mut arguments: Vec<&str> = schema["properties"]
            .as_object()
            .map(|all| all.keys().map(String::as_str).collect())
            .unwrap_or_default();
        arguments.retain(|name| !UNSAID.contains(&(&spec.name, name)));
        arguments.sort_unstable();
        let effect = if spec.changes() { "changes" } else { "looks" };
        let line = labels
            .lines()
            .find(|line| line.split('(').next() == Some(&spec.name));
        let line = line.unwrap_or_else(|| panic!("brain/data/tools.txt has no {}", spec.name));
        let (inside, after) = line
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .unwrap_or_else(|| panic!("{line}"));
        let mut named: Vec<&str> = inside
            .split(',')
            .map(|one| one.trim().trim_end_matches('?'))
            .filter(|one| !one.is_empty())
            .collect();
        named.sort_unstable();
        assert_eq!((named, after.trim()), (arguments, effect), "{line}");
    }
}
