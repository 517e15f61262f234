use super::*;

fn kinds(text: &str) -> Vec<String> {
    let name = |mention: &Mention| match mention.kind {
        MentionKind::Quoted => format!("text {}", mention.value),
        MentionKind::Path => format!("path {}", mention.value),
        MentionKind::Name => format!("name {}", mention.value),
        MentionKind::Url => format!("url {}", mention.value),
        MentionKind::Number(number) => format!("number {number}"),
        MentionKind::Content { .. } => format!("content {}", mention.value),
    };
    find(text).iter().map(name).collect()
}

#[test]
fn paths_addresses_and_numbers_are_found_as_they_were_written() {
    let check = |text: &str, expected: &[&str]| assert_eq!(kinds(text), expected, "{text}");
    check("cat /srv/a.txt.", &["path /srv/a.txt"]);
    check("is /srv/a/ there?", &["path /srv/a/"]);
    check("(see /srv/meme(1).jpg)", &["path /srv/meme(1).jpg"]);
    check(
        "read \"/srv/My Notes/a b.txt\"",
        &["path /srv/My Notes/a b.txt"],
    );
    check("ls /", &["path /"]);
    check("path=/srv/a, mode", &["path /srv/a"]);
    check(
        "get http://x.lan/a.tar, please",
        &["url http://x.lan/a.tar"],
    );
    check(
        "the last three lines of /srv/a, 20 at most",
        &["number 3", "path /srv/a", "number 20"],
    );
    check(
        "put dear.txt in it, called report",
        &["name dear.txt", "name report"],
    );
    check("ask 10.0.0.1, e.g. twice", &[]);
    check("two things: kill 42", &["number 42"]);
    check("and/or", &[]);
    check("write 5 to /srv/a", &["content 5", "path /srv/a"]);
    check("1. stop it in 2 minutes", &["number 2"]);
}

proptest::proptest! {
    #[test]
    fn mentions_are_parts_of_the_text_in_its_order(text in "[a-z /\"'“”’‘«».,:;?!{}\\[\\]0-9\n…-]{0,80}") {
        let mut end = 0;
        for mention in find(&text) {
            proptest::prop_assert!(mention.span.start >= end, "{mention:?}");
            proptest::prop_assert!(text[mention.span.clone()].contains(&mention.value), "{mention:?}");
            end = mention.span.end;
        }
        crate::read(&text);
    }

    #[test]
    fn any_text_can_be_read(text in "\\PC{0,120}") {
        crate::read(&text);
    }
}
