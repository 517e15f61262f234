//! The daemon: looks, decides, acts; again whenever something changes.

use std::collections::BTreeSet;
use std::future::pending;
use std::path::Path;
use std::time::Duration;

use aios_config::Config;
use aios_daemon::configuration;
use aios_firewall::{Rules, nft};
use anyhow::{Context, Result};
use futures_util::StreamExt;
use rtnetlink::{Handle, MulticastGroup, new_multicast_connection};
use sd_notify::NotifyState;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::before::{self, Known};
use crate::plan::{self, Action, Seen};
use crate::state::{InterfaceState, State};
use crate::{dhcp, firewall, lease, names, netlink, places, ssh};

/// Events come in swarms; one look is enough for a swarm.
const SETTLE: Duration = Duration::from_millis(50);

/// What failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);

/// How many rounds of steps may follow from each other: a rename, a bond, its members, a
/// VLAN on it, addresses. More is two who fight, and waits for [`AGAIN`].
const ROUNDS: usize = 8;

/// How long the DHCP client may take to end.
const CLIENT_ENDS: Duration = Duration::from_secs(2);

struct Daemon {
    handle: Handle,
    config: Config,
    /// What is wrong with the configuration that was refused last.
    refused: Option<String>,
    /// The ruleset that stands, without the operator's rules.
    rules: Option<String>,
    /// The operator's rules, as their file had them when it was right.
    operators: Rules,
    /// Those that were loaded last.
    loaded: Rules,
    client: Option<(String, Child)>,
    /// Sizes of packets that servers offered it and that it must not take.
    refused_sizes: dhcp::Refused,
    /// What interfaces were before they were ours.
    known: Known,
    state: State,
    failed: BTreeSet<String>,
}

/// Runs until SIGTERM.
///
/// # Errors
/// When the kernel's netlink or our own folder cannot be used.
pub fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<()> {
    let groups = [
        MulticastGroup::Link,
        MulticastGroup::Ipv4Ifaddr,
        MulticastGroup::Ipv6Ifaddr,
        MulticastGroup::Ipv4Route,
        MulticastGroup::Ipv6Route,
    ];
    let (connection, handle, mut events) =
        new_multicast_connection(&groups).context("cannot talk to the kernel's network")?;
    tokio::spawn(connection);
    let pokes = prepare().context("cannot prepare our folder")?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut daemon = Daemon {
        handle,
        config: Config::default(),
        refused: None,
        rules: None,
        operators: Rules::default(),
        loaded: Rules::default(),
        client: None,
        refused_sizes: dhcp::Refused::new(),
        known: before::read(&places::before()),
        state: State::default(),
        failed: BTreeSet::new(),
    };
    daemon.read_last_config();
    daemon.read_config();
    daemon.load_firewall();
    notify(&[NotifyState::Ready]);
    let mut packet = [0; 64];
    loop {
        daemon.settle().await;
        let failed = !daemon.failed.is_empty();
        tokio::select! {
            event = events.next() => event.map(|_| ()).context("the kernel's network is gone")?,
            _ = pokes.recv(&mut packet) => {}
            () = daemon.client_ends() => tokio::time::sleep(AGAIN).await,
            () = tokio::time::sleep(AGAIN), if failed => {}
            _ = hangup.recv() => daemon.read_config(),
            _ = terminate.recv() => break,
        }
        tokio::time::sleep(SETTLE).await;
        while let Ok(Some(_)) = tokio::time::timeout(Duration::ZERO, events.next()).await {}
    }
    // Addresses stay, so that a restart is no end of anybody's connection.
    daemon.stop_client().await;
    Ok(())
}

/// Our folder, the hook that dhcpcd calls, the socket on which the hook tells us.
fn prepare() -> std::io::Result<UnixDatagram> {
    std::fs::create_dir_all(lease::folder())?;
    let hook = places::folder().join("hook");
    let _ = std::fs::remove_file(&hook); // It may not be there.
    std::os::unix::fs::symlink(std::env::current_exe()?, &hook)?;
    let _ = std::fs::remove_file(lease::poke());
    UnixDatagram::bind(lease::poke())
}

impl Daemon {
    /// The last daemon's, or the interfaces and the ports of a configuration that was made wrong
    /// would go down with a restart. The default one where there is none.
    fn read_last_config(&mut self) {
        match configuration::read(&places::last_right()) {
            Ok((config, _)) => self.config = config,
            Err(error) => tracing::error!("{error:#}"),
        }
    }

    /// Each time, so that what could not be written is written later.
    fn keep_config(&mut self) {
        if let Err(error) = configuration::remember(&places::etc()) {
            self.failed.insert(format!(
                "a restart would not find the configuration if it were wrong then: {error}"
            ));
        }
    }

    /// A configuration that is wrong changes nothing.
    fn read_config(&mut self) {
        match configuration::read(&places::config()) {
            Ok((config, _)) => {
                self.config = config;
                self.refused = None;
            }
            Err(error) => {
                tracing::error!("{error:#}");
                self.refused = Some(format!("{error:#}"));
            }
        }
    }

    /// One look, and all that follows from it.
    async fn settle(&mut self) {
        let before = std::mem::take(&mut self.failed);
        if let Err(error) = self.bring_about().await {
            self.failed.insert(format!("{error:#}"));
        }
        for new in self.failed.difference(&before) {
            tracing::error!("{new}");
        }
        for old in before.difference(&self.failed) {
            tracing::info!("no longer so: {old}");
        }
        if let Err(error) = self.publish().await {
            tracing::error!("{error:#}");
        }
    }

    async fn bring_about(&mut self) -> Result<()> {
        self.keep_config();
        self.load_firewall();
        if self.rules.is_none() {
            return Ok(()); // No interface without a firewall.
        }
        let wanted = self.config.network.interfaces();
        // Of the last round only: what failed earlier may be done by another step since. With the
        // first address of a net, the kernel takes away the others of it.
        let mut failed = BTreeSet::new();
        for _ in 0..ROUNDS {
            failed.clear();
            let seen = netlink::look(&self.handle).await?;
            let resolved = plan::resolve(&wanted, &seen);
            self.learn(&resolved, &seen);
            failed.extend(plan::taken(&resolved, &seen).into_iter().map(|name| {
                format!("{name}: another interface has this name; give the bond or VLAN another")
            }));
            let actions = plan::plan(&resolved, &seen, &self.known);
            let leases = lease::read(&lease::folder());
            dhcp::follow(&mut self.refused_sizes, &leases, &seen.links);
            let text = client_configuration(&resolved, &self.refused_sizes);
            if !actions.is_empty() && self.client_text() != text.as_ref() {
                // It would bring back what is taken from an interface that it is not to ask for.
                self.stop_client().await;
            }
            let mut done = false;
            for action in &actions {
                match netlink::act(&self.handle, action).await {
                    Ok(()) => {
                        tracing::info!("{action:?}");
                        done = true;
                    }
                    Err(error) => {
                        failed.insert(format!("{}: {error:#}", named(action, &seen)));
                    }
                }
            }
            if !done {
                self.failed.append(&mut failed);
                return self.run_client(text).await;
            }
        }
        self.failed.append(&mut failed);
        let seen = netlink::look(&self.handle).await?;
        let resolved = plan::resolve(&wanted, &seen);
        let text = client_configuration(&resolved, &self.refused_sizes);
        self.run_client(text).await?;
        anyhow::bail!("what was set does not stay: somebody else changes the network too")
    }

    /// Before anything is changed. Each time, so that what could not be written is written later.
    fn learn(&mut self, wanted: &[aios_config::Interface], seen: &Seen) {
        self.known = before::learn(&self.known, wanted, seen);
        if let Err(error) = before::write(&places::before(), &self.known) {
            self.failed.insert(format!(
                "what interfaces were is forgotten at a restart: {error}"
            ));
        }
    }

    /// Sets the firewall when it should be another than it is.
    fn load_firewall(&mut self) {
        let open = ssh::is_open(&self.config.ssh);
        self.read_operators_rules();
        let rules = firewall::ruleset(&self.config, &Rules::default(), open, true);
        if self.rules.as_ref() == Some(&rules) {
            return self.load_operators_rules();
        }
        let whole = |counted| {
            nft::load(&firewall::ruleset(
                &self.config,
                &self.operators,
                open,
                counted,
            ))
        };
        let loaded = whole(true).or_else(|error| {
            whole(false)?;
            tracing::warn!("the firewall stands without limits by source: {error}");
            Ok::<_, nft::Failed>(())
        });
        match loaded {
            Ok(()) => {
                tracing::info!("the firewall stands");
                self.rules = Some(rules);
                self.loaded = self.operators.clone();
            }
            Err(error) => {
                self.failed
                    .insert(format!("the firewall is not as configured: {error}"));
            }
        }
        self.state.ssh = open;
    }

    /// A file that is wrong changes nothing.
    fn read_operators_rules(&mut self) {
        match Rules::read(&places::operators_rules()) {
            Ok(rules) => self.operators = rules,
            Err(error) => {
                self.failed.insert(error.to_string());
            }
        }
    }

    /// Puts the operator's rules in their place, when they were changed without a tool. A tool has
    /// loaded its own already; doing it again changes nothing but the counters.
    fn load_operators_rules(&mut self) {
        if self.loaded == self.operators {
            return;
        }
        match nft::load(&self.operators.replacement()) {
            Ok(()) => self.loaded = self.operators.clone(),
            Err(error) => {
                self.failed.insert(format!(
                    "the operator's firewall rules do not hold: {error}"
                ));
            }
        }
    }

    /// What dhcpcd runs with.
    fn client_text(&self) -> Option<&String> {
        self.client.as_ref().map(|(text, _)| text)
    }

    /// Has dhcpcd run with this configuration, or not at all.
    async fn run_client(&mut self, text: Option<String>) -> Result<()> {
        if self.client_text() == text.as_ref() {
            return Ok(());
        }
        self.stop_client().await;
        let Some(text) = text else {
            forget_leases();
            return Ok(());
        };
        let path = places::folder().join("dhcpcd.conf");
        places::put(&path, &text).context("cannot write dhcpcd.conf")?;
        let child = Command::new(dhcp::DHCPCD)
            .arg("--nobackground")
            .arg("--config")
            .arg(&path)
            .arg("--quiet")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", dhcp::DHCPCD))?;
        self.client = Some((text, child));
        Ok(())
    }

    async fn stop_client(&mut self) {
        let Some((_, mut child)) = self.client.take() else {
            return;
        };
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM); // It may have ended.
        }
        if tokio::time::timeout(CLIENT_ENDS, child.wait())
            .await
            .is_err()
        {
            tracing::warn!("dhcpcd does not end; killed");
            let _ = child.kill().await; // It may have ended now.
        }
    }

    /// Never, while it runs.
    async fn client_ends(&mut self) {
        let Some((_, child)) = &mut self.client else {
            return pending().await;
        };
        let status = child.wait().await;
        tracing::warn!("dhcpcd ended: {status:?}");
        self.client = None;
    }

    /// Tells programs which name servers there are, and people how the network is.
    async fn publish(&mut self) -> Result<()> {
        let seen = netlink::look(&self.handle).await?;
        let wanted = plan::resolve(&self.config.network.interfaces(), &seen);
        let mut leases = lease::read(&lease::folder());
        // What one told who is not asked any more does not hold.
        leases.retain(|lease| {
            let asks =
                |one: &aios_config::Interface| one.is_dynamic() && one.name == lease.interface;
            wanted.iter().any(asks)
        });
        let (dns, search) = names::choose(&self.config.network, &leases);
        places::put(&places::resolv_conf(), &names::resolv_conf(&dns, &search))
            .context("cannot write resolv.conf")?;
        let mut problems: Vec<String> = self.refused.clone().into_iter().collect();
        problems.extend(self.failed.iter().cloned());
        let state = State {
            interfaces: interfaces(&seen, &wanted, &leases),
            dns,
            search,
            ntp: names::time_servers(&leases),
            firewall: self.rules.is_some(),
            ssh: self.state.ssh,
            problems,
        };
        if state == self.state {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&state)?;
        places::put(&places::state(), &text).context("cannot write the state")?;
        notify(&[NotifyState::Status(&summary(&state))]);
        self.state = state;
        Ok(())
    }
}

fn client_configuration(
    resolved: &[aios_config::Interface],
    refused_sizes: &dhcp::Refused,
) -> Option<String> {
    let hook = places::folder().join("hook");
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    dhcp::configuration(resolved, refused_sizes, &hook, &host)
}

fn forget_leases() {
    for entry in std::fs::read_dir(lease::folder())
        .into_iter()
        .flatten()
        .flatten()
    {
        let _ = std::fs::remove_file(entry.path()); // A hook may have been faster.
    }
}

fn interfaces(
    seen: &Seen,
    wanted: &[aios_config::Interface],
    leases: &[lease::Lease],
) -> Vec<InterfaceState> {
    let state = |link: &plan::Link| InterfaceState {
        name: link.name.clone(),
        mac: link.mac.clone(),
        configured: wanted.iter().any(|wanted| wanted.name == link.name),
        up: link.up,
        link: link.carrier,
        mtu: link.mtu,
        addresses: link.addresses.iter().map(|address| address.net).collect(),
        gateways: seen
            .routes
            .iter()
            .filter(|way| way.index == link.index && way.to.prefix_len() == 0)
            .map(|way| way.via)
            .collect(),
        leases: leases
            .iter()
            .filter(|lease| lease.interface == link.name)
            .cloned()
            .collect(),
    };
    seen.links.iter().map(state).collect()
}

/// One line for `aiosctl services`.
fn summary(state: &State) -> String {
    if let Some(problem) = state.problems.first() {
        return problem.chars().take(200).collect();
    }
    let addresses: Vec<String> = state
        .interfaces
        .iter()
        .filter(|interface| interface.configured)
        .flat_map(|interface| &interface.addresses)
        .filter(|net| !matches!(net.addr(), std::net::IpAddr::V6(a) if a.is_unicast_link_local()))
        .map(|net| net.addr().to_string())
        .collect();
    match addresses.as_slice() {
        [] => "no address yet".to_owned(),
        _ => addresses.join(", "),
    }
}

fn named(action: &Action, seen: &Seen) -> String {
    let (Action::Up { index }
    | Action::Down { index }
    | Action::Mtu { index, .. }
    | Action::AddAddress { index, .. }) = action
    else {
        return format!("{action:?}");
    };
    let link = seen.links.iter().find(|link| link.index == *index);
    format!(
        "{}: {action:?}",
        link.map_or("?", |link| link.name.as_str())
    )
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!("cannot tell the supervisor: {error}");
    }
}

/// A folder's file, for tests.
#[doc(hidden)]
pub fn state_in(run: &Path) -> Option<State> {
    serde_json::from_str(&std::fs::read_to_string(run.join("network.json")).ok()?).ok()
}
