//! `Generate` against a tiny decoder that the test writes.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use support::{code, cpu_ticks, endless, prompt, tiny};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn text_is_streamed_up_to_max_tokens_and_is_the_same_every_time() {
    let mut runtime = tiny().await;
    let first = runtime.generate(prompt("hello", 40)).await.unwrap();
    assert_eq!(first.last.finish_reason, "length");
    assert_eq!(first.last.generated_tokens, 40);
    assert!(first.last.prompt_tokens >= 5);
    assert!(first.pieces > 5, "{} pieces are no stream", first.pieces);
    let second = runtime.generate(prompt("hello", 40)).await.unwrap();
    assert_eq!(first.text, second.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_matches_the_grammar() {
    let mut runtime = tiny().await;
    for (seed, temperature) in [(0, 0.0), (1, 1.0), (2, 5.0)] {
        let mut request = prompt("is it so?", 100);
        request.grammar =
            r#"root ::= ("yes" | "no") " \"" [0-9]{3} "\" " [a-zA-ZäöüÄÖÜ]{4}"#.to_owned();
        (request.seed, request.temperature) = (seed, temperature);
        let written = runtime.generate(request).await.unwrap();
        assert_eq!(written.last.finish_reason, "grammar", "{}", written.text);
        let rest = written
            .text
            .strip_prefix("yes \"")
            .or(written.text.strip_prefix("no \""));
        let (digits, letters) = rest.unwrap().split_once("\" ").unwrap();
        assert!(digits.len() == 3 && digits.chars().all(|c| c.is_ascii_digit()));
        assert!(letters.chars().count() == 4 && letters.chars().all(char::is_alphabetic));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_string_ends_the_text_and_is_not_part_of_it() {
    let mut runtime = tiny().await;
    let mut request = prompt("letters:", 100);
    request.grammar = r#"root ::= "abcdefg""#.to_owned();
    request.stop = vec!["de".to_owned(), "zzz".to_owned()];
    let written = runtime.generate(request).await.unwrap();
    assert_eq!(
        (written.text.as_str(), written.last.finish_reason.as_str()),
        ("abc", "stop")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_decides_what_chance_writes() {
    let mut runtime = tiny().await;
    let mut texts = Vec::new();
    for seed in [7, 7, 8] {
        let mut request = prompt("dice:", 30);
        (request.seed, request.temperature) = (seed, 1.0);
        texts.push(runtime.generate(request).await.unwrap().text);
    }
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[0], texts[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn special_tokens_in_a_prompt_are_text() {
    let mut runtime = tiny().await;
    let plain = runtime
        .generate(prompt("", 1))
        .await
        .unwrap()
        .last
        .prompt_tokens;
    let marked = runtime
        .generate(prompt("</s>", 1))
        .await
        .unwrap()
        .last
        .prompt_tokens;
    assert!(
        marked >= plain + 4,
        "{marked}: \"</s>\" must be four bytes, not one token"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_streams_at_once_do_not_mix() {
    let runtime = tiny().await;
    let streams = (0..12).map(|number| {
        let mut client = runtime.client.clone();
        tokio::spawn(async move {
            let mut request = prompt(&format!("stream {number}"), 200);
            request.grammar = format!("root ::= \"<{number}>\" [a-z]{{30}} \"</{number}>\"");
            let mut stream = client.generate(request).await.unwrap().into_inner();
            let mut text = String::new();
            while let Some(piece) = stream.message().await.unwrap() {
                text.push_str(&piece.text);
            }
            (number, text)
        })
    });
    for stream in streams.collect::<Vec<_>>() {
        let (number, text) = stream.await.unwrap();
        let inner = text.strip_prefix(&format!("<{number}>"));
        let inner = inner.and_then(|rest| rest.strip_suffix(&format!("</{number}>")));
        assert_eq!(inner.map(str::len), Some(30), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_stops_the_work() {
    const LONG: u32 = 3000;
    let mut runtime = tiny().await;
    let pid = runtime.model("writer").await.worker_pid;
    let mut stream = runtime
        .client
        .generate(endless(LONG))
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = cpu_ticks(pid);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let used = cpu_ticks(pid) - before;
    assert!(
        used <= 2,
        "the worker used {used} ticks after its caller had gone"
    );
    assert_eq!(
        runtime.model("writer").await.worker_pid,
        pid,
        "it was not restarted for that"
    );
    // And the work would have gone on that long, had nobody stopped it.
    let began = Instant::now();
    runtime.generate(endless(LONG)).await.unwrap();
    assert!(
        began.elapsed() > Duration::from_millis(400),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_and_the_worker_lives_on() {
    let mut runtime = tiny().await;
    let pid = runtime.model("writer").await.worker_pid;
    let with = |change: fn(&mut aios_contracts::v1::GenerateRequest)| {
        let mut request = prompt("x", 4);
        change(&mut request);
        request
    };
    let cases = [
        (with(|r| r.prompt = "x".repeat(5000)), Code::OutOfRange),
        (with(|r| r.prompt = "x".repeat(1_000_000)), Code::OutOfRange),
        (
            with(|r| r.grammar = "root ::= (".to_owned()),
            Code::InvalidArgument,
        ),
        (
            with(|r| r.grammar = "root ::= root \"a\"".to_owned()),
            Code::InvalidArgument,
        ),
        (
            with(|r| r.grammar = "root ::= missing".to_owned()),
            Code::InvalidArgument,
        ),
        (
            with(|r| r.grammar = "start ::= \"a\"".to_owned()),
            Code::InvalidArgument,
        ),
        (
            with(|r| r.grammar = "a\0b".to_owned()),
            Code::InvalidArgument,
        ),
        (
            with(|r| r.grammar = "(".repeat(60_000)),
            Code::InvalidArgument,
        ),
        (with(|r| r.temperature = f32::NAN), Code::InvalidArgument),
        (with(|r| r.temperature = -1.0), Code::InvalidArgument),
        (
            with(|r| r.stop = vec![String::new()]),
            Code::InvalidArgument,
        ),
        (with(|r| r.model = "other".to_owned()), Code::NotFound),
        (
            with(|r| r.model = "embedding".to_owned()),
            Code::FailedPrecondition,
        ),
    ];
    for (request, expected) in cases {
        let shown = format!(
            "{:.80?}",
            (&request.model, &request.grammar, request.temperature)
        );
        assert_eq!(code(runtime.generate(request).await), expected, "{shown}");
    }
    assert_eq!(runtime.model("writer").await.worker_pid, pid);
    runtime.generate(prompt("still there?", 3)).await.unwrap();
}
