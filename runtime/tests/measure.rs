//! Figures, not checks: `cargo nextest run -p aios-runtime --run-ignored only --no-capture`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Instant;

use aios_testkit::needs;
use support::{endless, settings, start, tiny};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn load_and_encode() {
    let Some(folder) = needs::folder(needs::MODELS, "embedding.gguf") else {
        return;
    };
    aios_daemon::logging::init(); // the log has the steps of the load
    let mut runtime = start(settings(), |builtin, _| {
        for name in ["embedding.gguf", "embedding.test.json"] {
            std::os::unix::fs::symlink(folder.join(name), builtin.join(name)).unwrap();
        }
    });
    runtime.ready(1).await;
    for tokens in [20, 60] {
        let ids: Vec<u32> = (0..tokens).map(|n| 2000 + n).collect();
        let mut times = Vec::new();
        for _ in 0..50 {
            let began = Instant::now();
            runtime.encode(ids.clone()).await.unwrap();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        eprintln!("encode of {tokens} tokens: {:.1} ms (median)", times[25]);
    }
    let pid = runtime.model("embedding").await.worker_pid;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let memory = status
        .lines()
        .filter(|line| line.starts_with("Rss") || line.starts_with("VmRSS"));
    eprintln!("worker: {}", memory.collect::<Vec<_>>().join(", "));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn eight_streams_against_one_after_another() {
    let mut runtime = tiny().await;
    let began = Instant::now();
    for _ in 0..8 {
        runtime.generate(endless(400)).await.unwrap();
    }
    let alone = began.elapsed();
    let began = Instant::now();
    let streams = (0..8).map(|_| {
        let mut client = runtime.client.clone();
        tokio::spawn(async move {
            let mut stream = client.generate(endless(400)).await.unwrap().into_inner();
            while stream.message().await.unwrap().is_some() {}
        })
    });
    for stream in streams.collect::<Vec<_>>() {
        stream.await.unwrap();
    }
    let together = began.elapsed();
    let times = alone.as_secs_f64() / together.as_secs_f64();
    eprintln!(
        "8 x 400 tokens: {alone:.2?} one after another, {together:.2?} together: {times:.1} x"
    );
}
