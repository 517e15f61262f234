//! `Encode` and `Embed`, against a tiny encoder that the test writes and against the
//! models that are shipped.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::PathBuf;

use aios_contracts::v1::{EmbedRequest, HealthRequest, LoadModelRequest};
use aios_testkit::needs;
use support::models::{ENCODER_CONTEXT, WIDTH};
use support::{code, settings, start, tiny};
use tonic::Code;

fn texts(texts: &[&str]) -> EmbedRequest {
    EmbedRequest {
        model: String::new(),
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedding_is_the_normalised_mean_of_the_token_states() {
    let mut runtime = tiny().await;
    let encoded = runtime.encode(vec![2, 6, 8, 3]).await.unwrap();
    assert_eq!((encoded.tokens, encoded.width), (4, WIDTH as u32));
    let mut mean = vec![0.0; WIDTH];
    for row in encoded.states.chunks(WIDTH) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += value);
    }
    // Alone, and among more texts than are computed together.
    let many = ["free space", "song"].repeat(10);
    for request in [texts(&["free space"]), texts(&many)] {
        let embedded = runtime
            .client
            .embed(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert_eq!(embedded.embeddings.len(), request.texts.len());
        for (text, vector) in request.texts.iter().zip(&embedded.embeddings) {
            let likeness = cosine(&mean, &vector.values);
            assert_eq!(
                likeness > 0.9999,
                text == "free space",
                "{text}: {likeness}"
            );
            assert!((cosine(&vector.values, &vector.values) - 1.0).abs() < 1e-4);
            let length: f32 = vector.values.iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_an_error_or_said_and_never_ends_the_worker() {
    let mut runtime = tiny().await;
    let pid = runtime.model("embedding").await.worker_pid;
    let longest = runtime.encode(vec![5; ENCODER_CONTEXT]).await.unwrap();
    assert_eq!(longest.tokens as usize, ENCODER_CONTEXT);
    assert_eq!(
        code(runtime.encode(vec![5; ENCODER_CONTEXT + 1]).await),
        Code::OutOfRange
    );
    assert_eq!(
        code(runtime.encode(vec![5; 500_000]).await),
        Code::OutOfRange
    );
    assert_eq!(code(runtime.encode(vec![]).await), Code::InvalidArgument);
    assert_eq!(code(runtime.encode(vec![9]).await), Code::InvalidArgument);
    assert_eq!(
        code(runtime.encode(vec![u32::MAX]).await),
        Code::InvalidArgument
    );
    let long = "disk ".repeat(10_000);
    let response = runtime.client.embed(texts(&["song", &long])).await.unwrap();
    let said = response.metadata().get(aios_runtime::service::TRUNCATED);
    assert_eq!(said.unwrap().to_str().unwrap(), "1");
    assert_eq!(
        code(runtime.client.embed(texts(&[])).await),
        Code::InvalidArgument
    );
    assert_eq!(
        code(runtime.client.embed(texts(&["x"; 257])).await),
        Code::InvalidArgument
    );
    for odd in ["", "\0", "\u{1f600}", "[SEP] [CLS]", &"x".repeat(3000)] {
        runtime.client.embed(texts(&[odd])).await.unwrap();
    }
    assert_eq!(
        runtime.model("embedding").await.worker_pid,
        pid,
        "it was restarted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_embedding_model_understands_its_test_prompt() {
    let Some(folder) = needs::folder(needs::MODELS, "embedding.gguf") else {
        return;
    };
    let test = std::fs::read_to_string(folder.join("embedding.test.json")).unwrap();
    let mut runtime = start(settings(), |builtin, _| {
        std::os::unix::fs::symlink(
            folder.join("embedding.gguf"),
            builtin.join("embedding.gguf"),
        )
        .unwrap();
        std::fs::write(builtin.join("embedding.test.json"), &test).unwrap();
    });
    runtime.ready(1).await;
    let health = runtime
        .client
        .health(HealthRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(health.serving, "{}", health.detail);
    // The ids in the test prompt were made without llama.cpp's tokenizer.
    let test: serde_json::Value = serde_json::from_str(&test).unwrap();
    let ids = test["token_ids"].as_array().unwrap();
    let ids = ids.iter().map(|id| id.as_u64().unwrap() as u32).collect();
    let encoded = runtime.encode(ids).await.unwrap();
    let mut mean = vec![0.0; encoded.width as usize];
    for row in encoded.states.chunks(mean.len()) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += value);
    }
    let sentences = [
        "the disk is full",
        "no space left on the drive",
        "she sings a song",
    ];
    let text = test["text"].as_str().unwrap();
    let request = texts(&[&[text][..], &sentences].concat());
    let embedded = runtime.client.embed(request).await.unwrap().into_inner();
    let [own, text, paraphrase, unrelated] = &embedded.embeddings[..] else {
        panic!("four sentences gave {} vectors", embedded.embeddings.len());
    };
    let likeness = cosine(&mean, &own.values);
    assert!(likeness > 0.9999, "{likeness}");
    let near = cosine(&text.values, &paraphrase.values);
    let far = cosine(&text.values, &unrelated.values);
    assert!(near > far + 0.3, "paraphrase {near}, unrelated {far}");
}

/// The operator model as it is committed: what the appliance ships must pass its own test.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_model_chooses_the_act_of_its_test_prompt() {
    let weights = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../brain/weights");
    let wrong = |file: &str| file.replace("\"expected_act\": \"", "\"expected_act\": \"not.");
    for (spoil, serving) in [(false, true), (true, false)] {
        let mut runtime = start(settings(), |builtin, _| {
            for entry in std::fs::read_dir(&weights).unwrap() {
                let path = entry.unwrap().path();
                let to = builtin.join(path.file_name().unwrap());
                std::os::unix::fs::symlink(&path, to).unwrap();
            }
            if spoil {
                let test = builtin.join("operator.test.json");
                let spoilt = wrong(&std::fs::read_to_string(&test).unwrap());
                std::fs::remove_file(&test).unwrap();
                std::fs::write(&test, spoilt).unwrap();
            }
        });
        assert_eq!(runtime.models().await.len(), 1);
        let load = LoadModelRequest {
            name: "operator".to_owned(),
        };
        let loaded = runtime.client.load_model(load).await;
        assert_eq!(loaded.is_ok(), serving, "{loaded:?}");
        let health = runtime
            .client
            .health(HealthRequest {})
            .await
            .unwrap()
            .into_inner();
        assert_eq!(health.serving, serving, "{}", health.detail);
    }
}
