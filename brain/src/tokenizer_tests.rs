use std::path::PathBuf;

use serde::Deserialize;

use super::*;

fn weights() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("weights")
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    /// In characters.
    offsets: Vec<(usize, usize)>,
}

#[test]
fn tokens_are_those_of_the_reference_tokenizer() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../tests/fixtures/tokens.json")).unwrap();
    assert!(cases.len() > 150);
    let tokenizer = Tokenizer::load(&weights()).unwrap();
    for case in cases {
        let pieces = tokenizer.encode(&case.text);
        let characters = |byte: usize| case.text[..byte].chars().count();
        let offsets: Vec<(usize, usize)> = pieces
            .iter()
            .map(|p| (characters(p.start), characters(p.end)))
            .collect();
        assert_eq!(
            pieces.iter().map(|p| p.id).collect::<Vec<_>>(),
            case.ids,
            "{:?}",
            case.text
        );
        assert_eq!(offsets, case.offsets, "{:?}", case.text);
    }
}

#[test]
fn hostile_text_never_panics_and_offsets_stay_inside_it() {
    let tokenizer = Tokenizer::load(&weights()).unwrap();
    let odd = [
        "\0",
        "\u{fffd}",
        "\u{200d}",
        "\u{301}",
        "🏳️‍🌈",
        "ﷺ",
        "İ",
        "각",
        "\u{10ffff}",
        "[SEP]",
        "'",
        "日",
    ];
    let mut texts: Vec<String> = odd.iter().map(|text| text.repeat(500)).collect();
    texts.push("a".repeat(100_000));
    texts.push("/x".repeat(50_000));
    texts.push((0..0x3000).filter_map(char::from_u32).collect());
    for text in texts {
        let mut before = 0;
        for piece in tokenizer.encode(&text) {
            assert!(before <= piece.start && piece.start < piece.end && piece.end <= text.len());
            assert!(text.get(piece.start..piece.end).is_some());
            before = piece.start;
        }
    }
}

#[test]
fn special_tokens_cannot_be_said() {
    let tokenizer = Tokenizer::load(&weights()).unwrap();
    let ids: Vec<u32> = tokenizer
        .encode("[CLS] [SEP] [MASK]")
        .iter()
        .map(|p| p.id)
        .collect();
    assert!(!ids.contains(&tokenizer.cls) && !ids.contains(&tokenizer.sep));
}

#[test]
fn a_vocabulary_without_its_special_tokens_is_refused() {
    assert!(Tokenizer::new("[CLS]\n[SEP]\n".into()).is_err());
    assert!(Tokenizer::new(String::new()).is_err());
    assert!(Tokenizer::new("[CLS]\n[SEP]\n[UNK]".into()).is_ok());
}

#[test]
fn loading_takes_milliseconds() {
    let started = std::time::Instant::now();
    Tokenizer::load(&weights()).unwrap();
    let took = started.elapsed();
    assert!(took < std::time::Duration::from_millis(100), "{took:?}");
}
