//! A web server of the test's own on loopback.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use aios_tool::tool::Done;
use serde_json::{Value, json};

use super::*;
use crate::trial;

/// Fetches, also from the test's own server.
fn fetched(arguments: Value) -> Result<Done, ToolError> {
    let context = trial::context(std::path::Path::new("/nonexistent"));
    let input = trial::input::<HttpRequest>(arguments, &context);
    let output = fetch(&input, &context, |_| None)?;
    Ok(Done {
        summary: HttpRequest::summarize(&input, &output),
        output: serde_json::to_value(output).unwrap(),
    })
}

/// Answers each request by its path.
pub fn server() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in socket.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let head = |rest: &str| format!("HTTP/1.1 {rest}\r\nConnection: close\r\n\r\n");
            let answer = match first.split(' ').nth(1).unwrap() {
                "/" => head("200 OK\r\nContent-Type: text/html\r\nContent-Length: 7") + "welcome",
                "/moved" => head("302 Found\r\nLocation: /"),
                "/file" => head("302 Found\r\nLocation: file:///etc/passwd"),
                "/away" => head("302 Found\r\nLocation: http://192.0.2.1/"),
                "/port" => head("302 Found\r\nLocation: http://127.0.0.1:22/"),
                "/loop" => head("302 Found\r\nLocation: /loop"),
                "/said" => head("200 OK\r\nContent-Length: 3000000"),
                "/large" => head("200 OK") + &"x".repeat(3_000_000),
                _ => head("404 Not Found\r\nContent-Length: 0"),
            };
            drop(connection.write_all(answer.as_bytes())); // it may have hung up
        }
    });
    format!("http://{address}")
}

#[test]
fn a_page_is_fetched_and_a_redirect_on_the_same_host_followed() {
    let server = server();
    for path in ["/", "/moved"] {
        let done = fetched(json!({"url": format!("{server}{path}")})).unwrap();
        assert_eq!(done.output["body"], "welcome");
        let expected = format!("{server}/ answered 200 of text/html, 7 B, in ");
        assert!(done.summary.starts_with(&expected), "{}", done.summary);
    }
    let arguments = json!({"url": format!("{server}/x"), "method": "HEAD"});
    assert_eq!(fetched(arguments).unwrap().output["status"], 404);
}

#[test]
fn redirects_elsewhere_and_without_end_are_not_followed() {
    let server = server();
    let error = |path: &str| {
        let answer = fetched(json!({"url": format!("{server}{path}")}));
        answer.unwrap_err().to_string()
    };
    assert!(
        error("/file").contains("\"file:///etc/passwd\": not followed"),
        "{}",
        error("/file")
    );
    assert!(error("/away").contains("not followed"));
    assert!(error("/port").contains("not followed"));
    assert!(error("/loop").contains("more than 5 redirects"));
}

#[test]
fn a_large_body_is_cut() {
    let done = fetched(json!({"url": format!("{}/large", server())})).unwrap();
    assert_eq!(done.output["size"], BODY_MAX);
    assert_eq!(done.output["truncated"], true);
    assert_eq!(done.output["body"].as_str().unwrap().len(), SHOWN_MAX);
}

#[test]
fn what_is_no_web_address_is_refused_before_anything_is_sent() {
    for url in [
        "",
        "ftp://a/",
        "file:///etc/passwd",
        "/x",
        "http://",
        "http://u:p@a/",
        "http://a b/",
    ] {
        let error = trial::call::<HttpRequest>(json!({"url": url})).unwrap_err();
        assert!(matches!(error, ToolError::Invalid(_)), "{url}: {error:?}");
    }
    let error = fetched(json!({"url": "http://127.0.0.1:1/"})).unwrap_err();
    assert!(matches!(error, ToolError::Precondition(_)), "{error:?}");
    assert!(trial::call::<HttpRequest>(json!({"url": "http://a/", "method": "POST"})).is_err());
}

#[test]
fn this_machine_and_its_link_are_not_fetched_from() {
    let server = server();
    for url in [
        server.as_str(),
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0/",
    ] {
        let error = trial::call::<HttpRequest>(json!({"url": url})).unwrap_err();
        assert!(matches!(error, ToolError::Denied(_)), "{url}: {error:?}");
    }
}
