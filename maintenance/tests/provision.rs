//! A node without certificates and an operator's `aiosctl`, over real TLS on loopback.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

use std::sync::Arc;
use std::time::Duration;

use aios_maintenance::service::{Installer, OFFERED_BY, OFFERED_CONFIG, OFFERED_NODE};
use aios_maintenance::{FINGERPRINT, Place, own, run};
use aios_role::Role;
use aiosctl::cli::Global;
use aiosctl::error::Exit;
use aiosctl::pki::operator;
use aiosctl::pki::{Authority, node};

/// Installs as `aios-provision` does, as far as can be seen from here.
struct Installs(Place);

#[tonic::async_trait]
impl Installer for Installs {
    async fn install(&self) -> Result<(), String> {
        let text = std::fs::read_to_string(self.0.state.join(OFFERED_NODE)).unwrap();
        let node = aios_config::node::parse(&text).unwrap();
        let pki = self.0.etc.join("pki");
        std::fs::create_dir_all(&pki).unwrap();
        std::fs::write(pki.join("node.key"), node.pki.key).unwrap();
        std::fs::write(pki.join("ca.crt"), node.pki.ca).unwrap();
        std::fs::write(pki.join("node.crt"), node.pki.certificate).unwrap();
        Ok(())
    }
}

struct Node {
    place: Place,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

async fn start() -> Node {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place {
        etc: folder.path().join("etc"),
        state: folder.path().join("state"),
        run: folder.path().join("run"),
        listen: free.local_addr().unwrap(),
    };
    drop(free);
    std::fs::create_dir_all(place.run.join("maintenance")).unwrap();
    let at = place.clone();
    let running = tokio::spawn(async move { run(&at, Arc::new(Installs(at.clone()))).await });
    for _ in 0..500 {
        if place.run.join(FINGERPRINT).exists() {
            return Node {
                place,
                running,
                _folder: folder,
            };
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not start");
}

impl Node {
    fn fingerprint(&self) -> String {
        let shown = std::fs::read_to_string(self.place.run.join(FINGERPRINT)).unwrap();
        shown.trim().to_owned()
    }

    async fn apply(
        &self,
        fingerprint: &str,
        node: &str,
        config: &str,
    ) -> Result<String, (Exit, String)> {
        let global = Global {
            json: false,
            config: None,
            context: None,
            endpoint: Some(self.place.listen.to_string()),
            timeout: Some(Duration::from_secs(20)),
        };
        let applied =
            aiosctl::maintenance::provision(&global, fingerprint, node.into(), config.into()).await;
        applied.map_err(|failure| (failure.exit, failure.to_string()))
    }
}

fn authority(folder: &tempfile::TempDir) -> Authority {
    Authority::create(&folder.path().join("pki")).unwrap()
}

fn node_toml(authority: &Authority) -> node::Provisioning {
    node::provision(authority, "node1", &[], 30, Vec::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_one_whole_node_toml_from_who_knows_its_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(&folder);
    let good = toml::to_string(&node_toml(&authority)).unwrap();
    let node = start().await;
    let fingerprint = node.fingerprint();

    let mut wrong = fingerprint.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    let (exit, text) = node.apply(&wrong, &good, "").await.unwrap_err();
    assert_eq!(exit, Exit::Connect, "{text}");
    assert!(text.contains("does not have this fingerprint"), "{text}");
    assert!(!node.place.is_provisioned());

    let other = tempfile::tempdir().unwrap();
    let mut mixed = node_toml(&authority);
    mixed.pki.key = node_toml(&authority).pki.key;
    // Signed by the authority for the node's name, and not for servers.
    let mut anybodys = node_toml(&authority);
    let operator = operator::issue(&authority, "aios-node", Role::Admin, 30).unwrap();
    (anybodys.pki.certificate, anybodys.pki.key) = (operator.certificate, operator.key);
    let mut foreign = node_toml(&authority);
    foreign.pki.ca = self::authority(&other).certificate().to_owned();
    for (what, node_text, config, expected) in [
        (
            "another's key",
            toml::to_string(&mixed).unwrap(),
            "",
            "do not fit together",
        ),
        (
            "another authority",
            toml::to_string(&foreign).unwrap(),
            "",
            "would not trust it",
        ),
        (
            "an operator's",
            toml::to_string(&anybodys).unwrap(),
            "",
            "not for servers",
        ),
        ("a typo", good.clone(), "[tool]\n", "config.toml"),
    ] {
        let (_, text) = node
            .apply(&fingerprint, &node_text, config)
            .await
            .unwrap_err();
        assert!(text.contains(expected), "{what}: {text}");
        assert!(!text.contains("PRIVATE"), "{what}");
        assert!(
            !node.place.state.join(OFFERED_NODE).exists(),
            "{what}: it was not offered"
        );
    }

    let config = "[tools]\ncalls_per_caller_max = 8\n";
    assert_eq!(
        node.apply(&fingerprint, &good, config).await.unwrap(),
        "node1"
    );
    assert!(node.place.is_provisioned());
    let offered = std::fs::read_to_string(node.place.state.join(OFFERED_CONFIG)).unwrap();
    assert_eq!(offered, config);
    let by = std::fs::read_to_string(node.place.state.join(OFFERED_BY)).unwrap();
    let by: std::net::SocketAddr = by.parse().unwrap();
    assert!(by.ip().is_loopback(), "{by}");
    let ended = tokio::time::timeout(Duration::from_secs(5), node.running).await;
    ended.unwrap().unwrap().unwrap(); // the port is free for the management API
    let free = async {
        // The task that accepts lets go of the port a moment later; the daemon's process has ended by then.
        while tokio::net::TcpListener::bind(node.place.listen)
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let free = tokio::time::timeout(Duration::from_secs(5), free).await;
    assert!(free.is_ok(), "the port is still taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_too_often_is_refused_and_a_provisioned_node_never_enters() {
    let node = start().await;
    let fingerprint = node.fingerprint();
    for _ in 0..5 {
        let (_, text) = node.apply(&fingerprint, "[node]\n", "").await.unwrap_err();
        assert!(text.contains("node.toml"), "{text}");
    }
    let (_, text) = node.apply(&fingerprint, "[node]\n", "").await.unwrap_err();
    assert!(text.contains("too often"), "{text}");
    let own = own::certificate(&node.place.state).unwrap();
    assert_eq!(own.fingerprint(), fingerprint, "it stays over a restart");

    let folder = tempfile::tempdir().unwrap();
    let place = Place {
        etc: folder.path().to_owned(),
        ..node.place.clone()
    };
    std::fs::create_dir(folder.path().join("pki")).unwrap();
    for name in ["ca.crt", "node.crt", "node.key"] {
        std::fs::write(folder.path().join("pki").join(name), "").unwrap();
    }
    run(&place, Arc::new(Installs(place.clone())))
        .await
        .unwrap(); // at once, without the port
}

/// Opens a connection, says this much, and waits; again when it is closed.
async fn hold(address: std::net::SocketAddr, says: &'static [u8]) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    loop {
        if let Ok(mut stream) = tokio::net::TcpStream::connect(address).await {
            drop(stream.write_all(says).await);
            drop(stream.read_u8().await);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_hold_their_sockets_open_keep_nobody_from_provisioning() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let folder = tempfile::tempdir().unwrap();
    let good = toml::to_string(&node_toml(&authority(&folder))).unwrap();
    let node = start().await;
    // For the flood's ends of the sockets and what the daemon may use, not for twice the flood.
    let few = Rlimit {
        current: Some(1100),
        maximum: Some(1100),
    };
    setrlimit(Resource::Nofile, few).unwrap();
    let half_a_hello: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..600 {
        let says = if number % 4 == 0 { half_a_hello } else { &[] };
        flood.spawn(hold(node.place.listen, says));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let applied = node.apply(&node.fingerprint(), &good, "").await;
    assert_eq!(applied.unwrap(), "node1");
}
