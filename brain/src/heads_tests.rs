use std::path::PathBuf;

use super::*;
use crate::{Act, Done, Operator};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// One line of `decisions.json`: what Python decided from `states.<number>`.
#[derive(Deserialize)]
struct Case {
    text: String,
    done: Vec<(String, BTreeMap<String, String>)>,
    token_ids: Vec<u32>,
    ranked: Vec<(String, f32)>,
    arguments: BTreeMap<String, String>,
}

#[test]
fn rust_decides_as_python_did() {
    let operator = Operator::load(&folder("weights")).unwrap();
    let bytes = std::fs::read(folder("tests/fixtures/states.safetensors")).unwrap();
    let states = safetensors::parse(&bytes).unwrap();
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../tests/fixtures/decisions.json")).unwrap();
    assert!(!cases.is_empty());
    for (number, case) in cases.iter().enumerate() {
        let done = case.done.iter().map(|(act, arguments)| Done {
            act: act.clone(),
            arguments: arguments.clone(),
            succeeded: true,
        });
        let done: Vec<Done> = done.collect();
        let encoded = operator.encode(&case.text, &done).unwrap();
        assert_eq!(encoded.ids, case.token_ids);
        let states = &states[&format!("states.{number}")].values;
        let decision = operator
            .heads
            .decide(states, encoded.ids.len(), 384)
            .unwrap();
        let first = (decision.act, decision.confidence);
        for (found, expected) in std::iter::once(&first)
            .chain(&decision.alternatives)
            .zip(&case.ranked)
        {
            assert_eq!(found.0, expected.0);
            assert!(
                (found.1 - expected.1).abs() < 1e-4,
                "{found:?} {expected:?}"
            );
        }
        let proposal = operator.decide(&encoded, states).unwrap();
        assert_eq!(proposal.act, Act::Call(case.ranked[0].0.clone()));
        let arguments: BTreeMap<String, String> = proposal
            .arguments
            .into_iter()
            .map(|a| (a.name, a.text))
            .collect();
        assert_eq!(arguments, case.arguments, "{}", case.text);
    }
}

#[test]
fn states_that_do_not_fit_are_refused() {
    let heads = Heads::load(&folder("weights")).unwrap();
    assert!(heads.decide(&[0.0; 384], 1, 384).is_ok());
    assert!(heads.decide(&[], 0, 384).is_err());
    assert!(heads.decide(&[0.0; 384], 2, 384).is_err());
    assert!(heads.decide(&[0.0; 384], 2, 192).is_err());
    assert!(heads.decide(&[f32::NAN; 384], 1, 384).is_err());
}

#[test]
fn only_slots_that_the_act_has_are_ever_found() {
    let heads = Heads::load(&folder("weights")).unwrap();
    let mut seed = 1_u32;
    for _ in 0..50 {
        let states: Vec<f32> = (0..384 * 9)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 16) as f32 / 8192.0 - 4.0
            })
            .collect();
        let decision = heads.decide(&states, 9, 384).unwrap();
        for span in decision.slots {
            assert!(heads.parameters(&decision.act).contains(&span.slot));
            assert!(span.token_start < span.token_end && span.token_end <= 9);
            assert!((0.0..=1.0).contains(&span.confidence));
        }
    }
}

#[test]
fn damaged_files_are_refused_with_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let copy =
        |name: &str| std::fs::copy(folder("weights").join(name), dir.path().join(name)).unwrap();
    assert!(matches!(
        Heads::load(dir.path()),
        Err(BrainError::Read { .. })
    ));
    copy("operator.json");
    assert!(matches!(
        Heads::load(dir.path()),
        Err(BrainError::Read { .. })
    ));
    copy("operator.heads.safetensors");
    assert!(Heads::load(dir.path()).is_ok());
    let heads = dir.path().join("operator.heads.safetensors");
    let bytes = std::fs::read(&heads).unwrap();
    std::fs::write(&heads, &bytes[..bytes.len() - 4]).unwrap();
    let error = Heads::load(dir.path()).err().unwrap().to_string();
    assert!(error.contains("operator.heads.safetensors"), "{error}");
}
