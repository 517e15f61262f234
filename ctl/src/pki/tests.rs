//! Certificates are judged by rustls, as the other end will judge them.

use std::sync::Arc;

use rcgen::{ExtendedKeyUsagePurpose, SanType};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};

use super::revoked::{self, Revocations};
use super::{Authority, NODE_SERVER_NAME, node, operator, show};
use aios_role::Role;

fn authority() -> (tempfile::TempDir, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(&folder.path().join("pki")).unwrap();
    (folder, authority)
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(der(authority.certificate())).unwrap();
    Arc::new(roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn in_days(days: i64) -> UnixTime {
    let now = time::OffsetDateTime::now_utc().unix_timestamp() + days * 86_400;
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.try_into().unwrap()))
}

fn verify_node(authority: &Authority, pem: &str, name: &str, at: UnixTime) -> Result<(), Error> {
    WebPkiServerVerifier::builder_with_provider(roots(authority), provider())
        .build()
        .unwrap()
        .verify_server_cert(
            &der(pem),
            &[],
            &ServerName::try_from(name).unwrap(),
            &[],
            at,
        )
        .map(drop)
}

/// As rustls sees it with the authority's list, whatever its `nextUpdate` is.
fn verify_with_list(authority: &Authority, pem: &str) -> Result<(), Error> {
    let list = std::fs::read(revoked::path(authority.folder())).unwrap();
    let list = CertificateRevocationListDer::from_pem_slice(&list).unwrap();
    WebPkiClientVerifier::builder_with_provider(roots(authority), provider())
        .with_crls([list])
        .only_check_end_entity_revocation()
        .build()
        .unwrap()
        .verify_client_cert(&der(pem), &[], in_days(0))
        .map(drop)
}

fn verify_operator(authority: &Authority, pem: &str, at: UnixTime) -> Result<(), Error> {
    WebPkiClientVerifier::builder_with_provider(roots(authority), provider())
        .build()
        .unwrap()
        .verify_client_cert(&der(pem), &[], at)
        .map(drop)
}

#[test]
fn a_node_is_known_by_its_fixed_name_and_by_its_addresses() {
    let (_folder, authority) = authority();
    let addresses = ["10.1.2.3".to_owned(), "node1.example.org".to_owned()];
    let file = node::provision(&authority, "node1", &addresses, 30, Vec::new()).unwrap();
    let check = |name: &str, expected: bool| {
        let verified = verify_node(&authority, &file.pki.certificate, name, in_days(0));
        assert_eq!(verified.is_ok(), expected, "{name}: {verified:?}");
    };
    for name in [NODE_SERVER_NAME, "node1", "localhost", "127.0.0.1", "::1"] {
        check(name, true);
    }
    check("10.1.2.3", true);
    check("node1.example.org", true);
    check("10.1.2.4", false);
    check("node2", false);
}

#[test]
fn another_authority_is_not_trusted_in_either_direction() {
    let (_folder, ours) = authority();
    let (_other_folder, theirs) = authority();
    let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let file = node::provision(&theirs, "node1", &[], 30, Vec::new()).unwrap();
    let verified = verify_node(&ours, &file.pki.certificate, NODE_SERVER_NAME, in_days(0));
    assert_eq!(verified, Err(unknown.clone()));
    let operator = operator::issue(&theirs, "eve", Role::Admin, 30).unwrap();
    assert_eq!(
        verify_operator(&ours, &operator.certificate, in_days(0)),
        Err(unknown)
    );
}

#[test]
fn certificates_are_valid_an_hour_ago_and_not_after_their_days() {
    let (_folder, authority) = authority();
    let operator = operator::issue(&authority, "ann", Role::Viewer, 30).unwrap();
    let check = |at, expected: bool| {
        let verified = verify_operator(&authority, &operator.certificate, at);
        assert_eq!(verified.is_ok(), expected, "{verified:?}");
    };
    let now = in_days(0).as_secs();
    check(
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(now - 3500)),
        true,
    );
    check(in_days(29), true);
    check(in_days(31), false);
    check(in_days(-1), false);
}

#[test]
fn an_operator_cannot_pose_as_a_node_nor_a_node_as_an_operator() {
    let (_folder, authority) = authority();
    let operator = operator::issue(&authority, "aios-node", Role::Admin, 30).unwrap();
    assert!(
        verify_node(
            &authority,
            &operator.certificate,
            NODE_SERVER_NAME,
            in_days(0)
        )
        .is_err()
    );
    let file = node::provision(&authority, "node1", &[], 30, Vec::new()).unwrap();
    assert!(verify_operator(&authority, &file.pki.certificate, in_days(0)).is_err());
}

#[test]
fn a_certificate_says_who_and_in_which_role() {
    let (_folder, authority) = authority();
    let operator = operator::issue(&authority, "ann", Role::Operator, 30).unwrap();
    let summary = show::read(&operator.certificate).unwrap();
    assert_eq!(
        (summary.name.as_str(), summary.role.as_str()),
        ("ann", "operator")
    );
    assert_eq!(summary.usages, ["clientAuth"]);
    assert!(summary.issuer.starts_with("aiOS CA "), "{}", summary.issuer);
    assert!(!summary.authority);
    assert!(show::read(authority.certificate()).unwrap().authority);
    assert!(show::read(&operator.key).is_err(), "a key is not shown");
}

#[test]
fn a_certificate_that_says_nothing_of_servers_is_no_nodes() {
    let (_folder, authority) = authority();
    let check = |usages: &[ExtendedKeyUsagePurpose], expected: bool| {
        let mut parameters = super::parameters("node1", 30).unwrap();
        let name = NODE_SERVER_NAME.try_into().unwrap();
        parameters.subject_alt_names = vec![SanType::DnsName(name)];
        parameters.extended_key_usages = usages.to_vec();
        let pem = authority.issue(&parameters).unwrap().certificate;
        let node = crate::tls::Node::of(der(authority.certificate())).unwrap();
        let name = ServerName::try_from(NODE_SERVER_NAME).unwrap();
        let verified = node.verify_server_cert(&der(&pem), &[], &name, &[], in_days(0));
        assert_eq!(verified.is_ok(), expected, "{usages:?}: {verified:?}");
    };
    check(&[ExtendedKeyUsagePurpose::ServerAuth], true);
    check(&[], false);
    check(&[ExtendedKeyUsagePurpose::ClientAuth], false);
    check(&[ExtendedKeyUsagePurpose::Any], false);
}

#[test]
fn what_is_taken_back_is_in_a_list_that_others_can_read_too() {
    let (_folder, authority) = authority();
    let [ann, eve] = ["ann", "eve"].map(|name| {
        operator::issue(&authority, name, Role::Operator, 30)
            .unwrap()
            .certificate
    });
    let serial = |pem: &str| show::read(pem).unwrap().serial;
    let now = time::OffsetDateTime::now_utc();
    let none = Revocations::open(authority.folder()).unwrap();
    let first = none.with(&[serial(&eve)], None, now);
    first.keep(&authority).unwrap();
    assert_eq!(verify_with_list(&authority, &ann), Ok(()));
    assert_eq!(
        verify_with_list(&authority, &eve),
        Err(Error::InvalidCertificate(CertificateError::Revoked))
    );
    let kept = Revocations::open(authority.folder()).unwrap();
    assert!(kept.has(&serial(&eve)) && !kept.has(&serial(&ann)));
    assert_eq!((none.number, kept.number), (0, 1));
    assert_eq!(
        kept.with(&[serial(&eve)], None, now),
        kept,
        "nothing is new"
    );
    assert_eq!(kept.with(&[serial(&ann)], None, now).number, 2);
    // A list that was lost is taken up from a node.
    let again = none.with(&[serial(&ann)], Some(&kept), now);
    assert!(again.has(&serial(&eve)) && again.has(&serial(&ann)));
    assert_eq!(again.number, 2);
}

#[test]
fn an_authority_is_never_replaced() {
    let (folder, authority) = authority();
    let before = authority.certificate().to_owned();
    assert!(Authority::create(&folder.path().join("pki")).is_err());
    let after = Authority::open(&folder.path().join("pki")).unwrap();
    assert_eq!(after.certificate(), before);
}

#[test]
fn names_that_are_paths_or_empty_are_refused() {
    let (_folder, authority) = authority();
    for name in ["", "../x", "a/b", ".", "-x", "a b", "ü", &"a".repeat(64)] {
        assert!(
            operator::issue(&authority, name, Role::Viewer, 1).is_err(),
            "{name:?}"
        );
        assert!(
            node::provision(&authority, name, &[], 1, Vec::new()).is_err(),
            "{name:?}"
        );
    }
    for days in [0, 100_000] {
        assert!(
            operator::issue(&authority, "ann", Role::Viewer, days).is_err(),
            "{days}"
        );
    }
}
