//! Workers that are killed, files that lie, models that answer nonsense.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use aios_contracts::v1::{
    EmbedRequest, HealthRequest, LoadModelRequest, ModelState, UnloadModelRequest,
};
use aios_runtime::config::Settings;
use support::{code, endless, kill, models, prompt, settings, start, start_with, tiny};
use tonic::Code;

fn load(name: &str) -> LoadModelRequest {
    LoadModelRequest {
        name: name.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_costs_its_callers_only_and_is_replaced() {
    let mut runtime = tiny().await;
    let writer = runtime.model("writer").await.worker_pid;
    let embedding = runtime.model("embedding").await.worker_pid;
    let mut stream = runtime
        .client
        .generate(endless(4000))
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap();
    kill(writer);
    let lost = loop {
        match stream.message().await {
            Ok(piece) => assert!(piece.is_some(), "the stream ended as if all was well"),
            Err(status) => break status,
        }
    };
    assert_eq!(lost.code(), Code::Unavailable, "{lost}");
    assert_eq!(runtime.model("embedding").await.worker_pid, embedding);
    runtime.encode(vec![5]).await.unwrap();
    // The next call waits for the new worker and is answered.
    runtime.generate(prompt("again", 5)).await.unwrap();
    assert_ne!(runtime.model("writer").await.worker_pid, writer);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_models_are_loaded_and_unloaded_when_asked() {
    let mut runtime = start(settings(), |builtin, operator| {
        models::encoder().write(&builtin.join("embedding.gguf"));
        models::decoder(256).write(&operator.join("writer.gguf"));
    });
    runtime.ready(1).await;
    assert_eq!(runtime.model("writer").await.state(), ModelState::Available);
    assert_eq!(code(runtime.generate(prompt("x", 1)).await), Code::NotFound);
    let loaded = runtime
        .client
        .load_model(load("writer"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (loaded.state(), loaded.generates),
        (ModelState::Ready, true)
    );
    assert_eq!(loaded.architecture, "llama");
    runtime.generate(prompt("x", 3)).await.unwrap();
    let unload = |name: &str| UnloadModelRequest {
        name: name.to_owned(),
    };
    runtime.client.unload_model(unload("writer")).await.unwrap();
    assert_eq!(runtime.model("writer").await.state(), ModelState::Available);
    assert!(
        !std::path::Path::new(&format!("/proc/{}", loaded.worker_pid)).exists() || {
            tokio::time::sleep(Duration::from_millis(500)).await;
            !std::path::Path::new(&format!("/proc/{}", loaded.worker_pid)).exists()
        }
    );
    let builtin = runtime.client.unload_model(unload("embedding")).await;
    assert_eq!(code(builtin), Code::FailedPrecondition);
    assert_eq!(
        code(runtime.client.load_model(load("none")).await),
        Code::NotFound
    );
    assert_eq!(
        code(runtime.client.load_model(load("../x")).await),
        Code::InvalidArgument
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_a_failed_model_with_the_reason_and_hurts_no_other() {
    let mut cut = models::decoder(256).bytes();
    cut.truncate(cut.len() - 1000);
    let mut no_tensor = models::decoder(256);
    no_tensor.drop_tensor("blk.1.ffn_up.weight");
    let mut wrong_type = models::decoder(256);
    wrong_type.array("tokenizer.ggml.tokens", 4, vec![vec![0; 4]; 259]);
    let mut runtime = start(settings(), |builtin, operator| {
        models::encoder().write(&builtin.join("embedding.gguf"));
        std::fs::write(operator.join("cut.gguf"), &cut).unwrap();
        std::fs::write(operator.join("text.gguf"), "not a model").unwrap();
        std::fs::write(operator.join("empty.gguf"), "").unwrap();
        no_tensor.write(&operator.join("no-tensor.gguf"));
        wrong_type.write(&operator.join("wrong-type.gguf"));
    });
    runtime.ready(1).await;
    let cases = [
        ("cut", "outside of the file"),
        ("text", "does not begin with GGUF"),
        ("empty", "ends in the middle"),
        ("no-tensor", "'blk.1.ffn_up.weight' not found"),
        ("wrong-type", "invalid gguf type"),
    ];
    for (name, reason) in cases {
        let refused = runtime.client.load_model(load(name)).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(refused.message().contains(reason), "{name}: {refused}");
        let model = runtime.model(name).await;
        assert_eq!((model.state(), model.worker_pid), (ModelState::Failed, 0));
        assert!(model.error.contains(reason), "{name}: {}", model.error);
        let mut request = prompt("x", 1);
        request.model = name.to_owned();
        assert_eq!(code(runtime.generate(request).await), Code::Unavailable);
    }
    runtime.encode(vec![5]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_its_test_prompt_is_not_ready_and_health_says_so() {
    let elsewhere = vec![1.0; models::WIDTH];
    let nonsense = serde_json::json!({
        "text": "disk",
        "vector": elsewhere,
        "least_cosine": 0.99,
    });
    let mut runtime = start(settings(), |builtin, _| {
        models::encoder().write(&builtin.join("embedding.gguf"));
        std::fs::write(builtin.join("embedding.test.json"), nonsense.to_string()).unwrap();
    });
    let refused = runtime.models().await; // the server is up
    assert_eq!(refused.len(), 1);
    let refused = runtime
        .client
        .load_model(load("embedding"))
        .await
        .unwrap_err();
    assert!(refused.message().contains("not what it was"), "{refused}");
    let health = runtime
        .client
        .health(HealthRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(
        !health.serving && health.detail.contains("embedding"),
        "{health:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_a_required_model_that_is_missing() {
    let required = Settings {
        required: vec!["operator".to_owned()],
        ..Settings::default()
    };
    let mut runtime = start(required, |builtin, _| {
        models::encoder().write(&builtin.join("embedding.gguf"));
    });
    runtime.ready(1).await;
    let health = runtime
        .client
        .health(HealthRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(
        !health.serving && health.detail.contains("operator"),
        "{health:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once() {
    let short = Settings {
        queue: 2,
        ..settings()
    };
    let mut runtime = start(short, |builtin, _| {
        models::decoder(4096).write(&builtin.join("writer.gguf"));
    });
    runtime.ready(1).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let stream = runtime.client.generate(endless(2000)).await.unwrap();
        streams.push(stream.into_inner());
    }
    assert_eq!(
        code(runtime.generate(prompt("x", 1)).await),
        Code::ResourceExhausted
    );
    drop(streams);
    tokio::time::sleep(Duration::from_millis(200)).await;
    runtime.generate(prompt("x", 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_arrives_while_its_model_is_loading_is_answered() {
    let mut runtime = start(settings(), |builtin, _| {
        models::encoder().write(&builtin.join("embedding.gguf"));
    });
    drop(runtime.models().await); // the server is up; the model may still be loading
    let request = EmbedRequest {
        model: String::new(),
        texts: vec!["disk".to_owned()],
    };
    let embedded = runtime.client.embed(request).await.unwrap().into_inner();
    assert_eq!(embedded.embeddings.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_crashes_at_every_load_is_tried_three_times_and_no_more() {
    let mut runtime = start_with("/bin/false".into(), settings(), |builtin, _| {
        models::encoder().write(&builtin.join("embedding.gguf"));
    });
    drop(runtime.models().await);
    let refused = runtime
        .client
        .load_model(load("embedding"))
        .await
        .unwrap_err();
    assert!(
        refused.message().contains("status 1 (tried 3 times)"),
        "{refused}"
    );
    assert_eq!(runtime.model("embedding").await.state(), ModelState::Failed);
}
