//! A static address, by hand: asked for, checked, and applied by `aios-config`.

use std::time::Duration;

use aios_contracts::v1::config_client::ConfigClient;
use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::{ApplyConfigRequest, GetConfigRequest};
use aios_daemon::demand::Demand;

use super::terminal::Terminal;

/// How long `aios-config` may take for one answer.
const LIMIT: Duration = Duration::from_secs(30);

/// What was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// With its prefix: `192.0.2.10/24`.
    pub address: String,
    /// Empty: none.
    pub gateway: String,
    /// Separated by blanks or commas; empty: none.
    pub dns: String,
}

/// Asks the person at the terminal, and tells what became of it.
pub fn ask(runtime: &tokio::runtime::Runtime, terminal: &mut Terminal) {
    let Some(answers) = questions(terminal) else {
        return terminal.write("nothing was changed\r\n");
    };
    let applied = runtime.block_on(apply(&answers));
    match applied {
        Ok(()) => terminal.write("applied\r\n"),
        Err(why) => terminal.write(&format!("not applied: {}\r\n", why.replace('\n', "\r\n"))),
    }
}

fn questions(terminal: &mut Terminal) -> Option<Answers> {
    let address =
        terminal.ask("\r\naddress and prefix, such as 192.0.2.10/24 (empty: no change): ")?;
    if address.is_empty() {
        return None;
    }
    Some(Answers {
        address,
        gateway: terminal.ask("default router (empty: none): ")?,
        dns: terminal.ask("name servers (empty: none): ")?,
    })
}

async fn apply(answers: &Answers) -> Result<(), String> {
    let told = |status: tonic::Status| status.message().to_owned();
    let to = |name: &str| {
        aios_daemon::socket::channel(&aios_daemon::socket::of(name))
            .map_err(|error| error.to_string())
    };
    let demand = Demand::new(InitClient::new(to("init")?), "config");
    let config = ConfigClient::new(to("config")?);
    let present = demand
        .ask(LIMIT, || {
            let mut config = config.clone();
            async move { config.get_config(GetConfigRequest {}).await }
        })
        .await
        .map_err(told)?;
    let request = ApplyConfigRequest {
        toml: changed(&present.toml, answers)?,
        expected_sha256: present.sha256,
        ..ApplyConfigRequest::default()
    };
    let applied = demand.ask(LIMIT, || {
        let (mut config, request) = (config.clone(), request.clone());
        async move { config.apply_config(request).await }
    });
    applied.await.map_err(told).map(drop)
}

/// The configuration with this address for the first interface; the rest of it stays, other
/// interfaces too. Comments are lost: toml's values have none.
///
/// # Errors
/// When it cannot be made; whether it is right is checked by who applies it.
fn changed(present: &str, answers: &Answers) -> Result<String, String> {
    let mut root: toml::Table =
        toml::from_str(present).map_err(|error| error.message().to_owned())?;
    let address: std::net::IpAddr = answers
        .address
        .split_once('/')
        .and_then(|(address, _)| address.parse().ok())
        .ok_or("write the address with its prefix, such as 192.0.2.10/24")?;
    let mut first = toml::Table::new();
    first.insert("name".into(), aios_config::FIRST.into());
    first.insert("addresses".into(), vec![answers.address.clone()].into());
    if !answers.gateway.is_empty() {
        let key = if address.is_ipv4() {
            "gateway4"
        } else {
            "gateway6"
        };
        first.insert(key.into(), answers.gateway.clone().into());
    }
    let network = root
        .entry("network")
        .or_insert_with(|| toml::Table::new().into())
        .as_table_mut()
        .ok_or("network is not a table")?;
    let dns: Vec<String> = answers
        .dns
        .split([' ', ','])
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    if !dns.is_empty() {
        network.insert("dns".into(), dns.into());
    }
    let interfaces = network
        .entry("interface")
        .or_insert_with(|| Vec::<toml::Value>::new().into())
        .as_array_mut()
        .ok_or("network.interface is not a list")?;
    let is_first = |one: &toml::Value| {
        one.get("name").and_then(toml::Value::as_str) == Some(aios_config::FIRST)
    };
    interfaces.retain(|one| !is_first(one));
    interfaces.push(first.into());
    toml::to_string(&root).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_becomes_a_configuration_that_is_right_or_is_refused() {
        let answers = |address: &str, gateway: &str| Answers {
            address: address.into(),
            gateway: gateway.into(),
            dns: "192.0.2.53, 192.0.2.54".into(),
        };
        let present =
            "[tools]\ncalls_per_caller_max = 8\n[[network.interface]]\nname = \"first\"\n";
        let text = changed(present, &answers("192.0.2.10/24", "192.0.2.1")).unwrap();
        let config = aios_config::parse(&text).unwrap();
        assert_eq!(config.tools.calls_per_caller_max, 8, "the rest stays");
        assert_eq!(config.network.interface.len(), 1);
        assert!(changed(present, &answers("192.0.2.10", "")).is_err());
        let wrong = changed("", &answers("192.0.2.10/99", "")).unwrap();
        assert!(aios_config::parse(&wrong).is_err());
        let hostile = changed("", &answers("192.0.2.10/24\"]\n[ssh]", ""));
        assert!(
            hostile.is_ok_and(|text| aios_config::parse(&text).is_err()),
            "it stays one value"
        );
    }
}
