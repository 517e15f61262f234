//! From an error's chain of sources to what it means for the operator.
//!
//! In TLS 1.3 a server refuses a client's certificate after the client thinks
//! that the handshake is done: such a refusal arrives as a broken first call,
//! so calls are looked at as closely as connecting.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};
use tonic::{Code, Status};

use crate::config::Context;
use crate::error::{Exit, Failure};
use crate::output::format;
use crate::pki::show::Summary;

/// Is our own certificate usable at `now` (Unix seconds)? Better said here than
/// by the other end's alert.
///
/// # Errors
/// When it expired, is not valid yet, or is not an operator's.
pub fn own_certificate(path: &Path, certificate: &Summary, now: i64) -> Result<(), Failure> {
    let date = |seconds: i64| format::time(seconds.saturating_mul(1000));
    let problem = if now > certificate.not_after {
        format!("expired on {}", date(certificate.not_after))
    } else if now < certificate.not_before {
        format!(
            "is not valid before {}; is this machine's clock right?",
            date(certificate.not_before)
        )
    } else if !certificate.usages.iter().any(|usage| usage == "clientAuth") {
        "is not an operator's certificate".to_owned()
    } else {
        return Ok(());
    };
    let what = format!("the certificate {} {problem}", path.display());
    Err(Failure::new(Exit::Connect, what)
        .hint("make a new one with `aiosctl pki operator NAME --role ROLE`"))
}

/// The files of a context are not what they should be.
pub fn unusable_credentials(context: &Context, error: &dyn Error) -> Failure {
    let files = [&context.ca, &context.certificate, &context.key];
    let names: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let reason = chain(error).join(": ");
    Failure::usage(format!(
        "cannot use the credentials {}: {reason}",
        names.join(", ")
    ))
    .hint("the key must belong to the certificate; make new ones with `aiosctl pki operator`")
}

/// Why no connection came about.
pub fn connection(endpoint: &str, error: &(dyn Error + 'static)) -> Failure {
    let cannot = |why: &str| {
        Failure::new(
            Exit::Connect,
            format!("cannot connect to {endpoint}: {why}"),
        )
    };
    match cause(error) {
        Cause::Tls(problem) => tls(endpoint, &problem),
        Cause::Io(io::ErrorKind::ConnectionRefused) => cannot("nothing listens there")
            .hint("is the appliance up? If it just booted, wait for READY; check the address and port"),
        Cause::Io(io::ErrorKind::TimedOut) => cannot("no answer")
            .hint("is the appliance up and its port reachable through firewalls?"),
        Cause::Io(
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionAborted,
        ) => cannot("it closed the connection")
            .hint("it may be going down, or have refused this certificate: see `aiosctl pki show` and its log"),
        Cause::Io(_) | Cause::Unknown => cannot(&chain(error).join(": "))
            .hint("check the address with `aiosctl config show`"),
    }
}

/// The connection did not come about in time.
pub fn no_connection_in_time(endpoint: &str, waited: Duration) -> Failure {
    let what = format!("cannot connect to {endpoint}: no answer within {waited:?}");
    Failure::new(Exit::Connect, what)
        .hint("is the appliance up and its port reachable through firewalls?")
}

/// What a call's status means. A status without a source was sent by the appliance.
pub fn status(endpoint: &str, status: &Status) -> Failure {
    if let Some(source) = status.source() {
        return connection(endpoint, source);
    }
    let message = status.message();
    let said = |exit, fallback: &str| {
        Failure::new(
            exit,
            if message.is_empty() {
                fallback
            } else {
                message
            },
        )
    };
    match status.code() {
        Code::PermissionDenied => said(Exit::Refused, "no permission")
            .hint("your role is in your certificate; `aiosctl status` shows it"),
        Code::Unauthenticated => said(
            Exit::Refused,
            "the appliance does not know this certificate",
        ),
        Code::DeadlineExceeded => {
            said(Exit::Timeout, "it took too long").hint("wait longer with --timeout SECONDS")
        }
        Code::InvalidArgument => said(Exit::Usage, "the appliance does not take this request"),
        Code::NotFound => said(Exit::Failed, "there is no such thing on the appliance"),
        Code::Unimplemented => Failure::failed("the appliance does not know this request")
            .hint("it may run an older version: see `aiosctl status`"),
        Code::Unavailable => said(Exit::Failed, "a part of the appliance is away")
            .hint("see `aiosctl services`, and try again"),
        code => said(Exit::Failed, code.description()),
    }
}

/// The TLS problem that a person can act upon.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TlsProblem {
    /// Our trust anchor did not sign the node.
    UnknownNode,
    /// The node's certificate is not valid at this time.
    NodeValidity,
    /// It is not a node's certificate.
    NotANode,
    /// The node does not trust our authority.
    UnknownOperator,
    /// Our certificate expired by the node's clock.
    OperatorExpired,
    /// The authority has taken our certificate back.
    OperatorRevoked,
    /// The node refused our certificate for another reason.
    OperatorRefused(String),
    /// Anything else that TLS says.
    Other(String),
}

fn tls(endpoint: &str, problem: &TlsProblem) -> Failure {
    let enrol = "make a certificate of its authority with `aiosctl pki operator`, or choose the right --context";
    let (why, hint) = match problem {
        TlsProblem::UnknownNode => (
            "its certificate was signed by another authority than this context's",
            "is it the right appliance? It must be provisioned with a node.toml of this authority",
        ),
        TlsProblem::NodeValidity => (
            "its certificate has expired or is not valid yet",
            "compare the clocks, or provision it with a new node.toml (`aiosctl pki node`)",
        ),
        TlsProblem::NotANode => (
            "its certificate is not a node's",
            "something else listens there, or it was provisioned with a wrong certificate",
        ),
        TlsProblem::UnknownOperator => {
            ("it does not know the authority of your certificate", enrol)
        }
        TlsProblem::OperatorExpired => (
            "your certificate has expired by its clock",
            "make a new one with `aiosctl pki operator`, and compare the clocks",
        ),
        TlsProblem::OperatorRevoked => (
            "your certificate has been revoked",
            "whoever keeps the authority can make you another (`aiosctl pki operator`)",
        ),
        TlsProblem::OperatorRefused(_) => ("it refused your certificate", enrol),
        TlsProblem::Other(_) => ("TLS failed", "is it an aiOS management port?"),
    };
    let detail = match problem {
        TlsProblem::OperatorRefused(detail) | TlsProblem::Other(detail) => format!(" ({detail})"),
        _ => String::new(),
    };
    let what = format!("cannot connect to {endpoint}: {why}{detail}");
    Failure::new(Exit::Connect, what).hint(hint)
}

/// What lies at the bottom of a chain.
enum Cause {
    Tls(TlsProblem),
    Io(io::ErrorKind),
    Unknown,
}

fn cause(error: &(dyn Error + 'static)) -> Cause {
    let mut found = Cause::Unknown;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(problem) = error.downcast_ref::<rustls::Error>() {
            return Cause::Tls(tls_problem(problem));
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            let inner = io
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            if let Some(problem) = inner {
                return Cause::Tls(tls_problem(problem));
            }
            found = Cause::Io(io.kind());
        }
        // HTTP/2 keeps what broke it only as text.
        if let Some(problem) = alert_in(&error.to_string()) {
            return Cause::Tls(problem);
        }
        next = error.source();
    }
    found
}

fn tls_problem(error: &rustls::Error) -> TlsProblem {
    use CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(problem) => match problem {
            C::UnknownIssuer | C::BadSignature => TlsProblem::UnknownNode,
            C::Expired
            | C::ExpiredContext { .. }
            | C::NotValidYet
            | C::NotValidYetContext { .. } => TlsProblem::NodeValidity,
            C::NotValidForName
            | C::NotValidForNameContext { .. }
            | C::InvalidPurpose
            | C::InvalidPurposeContext { .. } => TlsProblem::NotANode,
            other => TlsProblem::Other(format!("{other:?}")),
        },
        rustls::Error::AlertReceived(alert) => alert_problem(*alert),
        other => TlsProblem::Other(other.to_string()),
    }
}

fn alert_problem(alert: AlertDescription) -> TlsProblem {
    match alert {
        AlertDescription::UnknownCA => TlsProblem::UnknownOperator,
        AlertDescription::CertificateExpired => TlsProblem::OperatorExpired,
        AlertDescription::CertificateRevoked => TlsProblem::OperatorRevoked,
        AlertDescription::BadCertificate
        | AlertDescription::CertificateRequired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => TlsProblem::OperatorRefused(format!("{alert:?}")),
        other => TlsProblem::Other(format!("{other:?}")),
    }
}

/// An alert in the text of an error, as rustls writes it.
fn alert_in(text: &str) -> Option<TlsProblem> {
    let known = [
        AlertDescription::UnknownCA,
        AlertDescription::CertificateExpired,
        AlertDescription::BadCertificate,
        AlertDescription::CertificateRequired,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::DecryptError,
        AlertDescription::AccessDenied,
    ];
    let found = known.into_iter().find(|alert| {
        let written = rustls::Error::AlertReceived(*alert).to_string();
        text.contains(&written)
    });
    found.map(alert_problem)
}

/// The messages of an error and its sources, without repetitions.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut messages = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        let message = error.to_string();
        if messages.last() != Some(&message) {
            messages.push(message);
        }
        next = error.source();
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_leads_to_its_own_advice() {
        let check = |error: io::Error, expected: &str| {
            let failure = connection("https://node:9090", &error);
            assert_eq!(failure.exit, Exit::Connect);
            assert!(failure.what.contains(expected), "{failure}");
            assert!(!failure.hint.is_empty());
        };
        check(io::ErrorKind::ConnectionRefused.into(), "nothing listens");
        check(io::ErrorKind::BrokenPipe.into(), "closed the connection");
        let tls = io::Error::other;
        check(
            tls(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer,
            )),
            "another authority",
        );
        check(
            tls(rustls::Error::InvalidCertificate(CertificateError::Expired)),
            "expired or is not valid yet",
        );
        check(
            tls(rustls::Error::AlertReceived(AlertDescription::UnknownCA)),
            "does not know the authority",
        );
        check(
            tls(rustls::Error::AlertReceived(
                AlertDescription::CertificateExpired,
            )),
            "your certificate has expired",
        );
        check(
            tls(rustls::Error::AlertReceived(
                AlertDescription::CertificateRevoked,
            )),
            "your certificate has been revoked",
        );
        check(
            tls(rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired,
            )),
            "refused your certificate",
        );
        check(
            io::Error::other("received fatal alert: UnknownCA"),
            "does not know the authority",
        );
    }

    #[test]
    fn the_exit_code_tells_a_refusal_from_a_failure() {
        let check = |code, expected| {
            assert_eq!(
                status("https://x", &Status::new(code, "why")).exit,
                expected,
                "{code:?}"
            );
        };
        check(Code::PermissionDenied, Exit::Refused);
        check(Code::Unauthenticated, Exit::Refused);
        check(Code::NotFound, Exit::Failed);
        check(Code::InvalidArgument, Exit::Usage);
        check(Code::DeadlineExceeded, Exit::Timeout);
        check(Code::Unavailable, Exit::Failed);
    }

    #[test]
    fn an_expired_certificate_is_noticed_before_connecting() {
        let certificate = |not_before, not_after, usage: &str| Summary {
            name: "ann".into(),
            role: "admin".into(),
            issuer: String::new(),
            serial: String::new(),
            not_before,
            not_after,
            authority: false,
            usages: vec![usage.to_owned()],
            names: Vec::new(),
            fingerprint: String::new(),
        };
        let check = |certificate: Summary, expected: Option<&str>| {
            let outcome = own_certificate(Path::new("/c"), &certificate, 100);
            match expected {
                None => assert_eq!(outcome, Ok(())),
                Some(text) => assert!(outcome.unwrap_err().what.contains(text)),
            }
        };
        check(certificate(1, 200, "clientAuth"), None);
        check(
            certificate(1, 99, "clientAuth"),
            Some("expired on 1970-01-01"),
        );
        check(
            certificate(101, 200, "clientAuth"),
            Some("is not valid before"),
        );
        check(certificate(1, 200, "serverAuth"), Some("not an operator's"));
    }
}
