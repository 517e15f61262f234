//! The `time` role: runs chrony with the configured servers, else with those
//! that DHCP named; idle while there are none.

use std::path::Path;
use std::time::Duration;

use aios_config::{Time, reader};
use anyhow::{Context, Result};
use sd_notify::NotifyState;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::places;
use crate::state::State;

/// The executable.
const CHRONYD: &str = "/usr/sbin/chronyd";

/// How often it is looked whether DHCP named other servers: they change with a lease.
const LOOK: Duration = Duration::from_secs(3);

/// A client that ended is started again after this.
const AGAIN: Duration = Duration::from_secs(10);

/// Whom the clock follows now.
pub fn servers(time: &Time, told: &[String]) -> Vec<String> {
    if !time.servers.is_empty() {
        return time.servers.iter().map(ToString::to_string).collect();
    }
    if time.dhcp { told.to_vec() } else { Vec::new() }
}

/// chrony.conf(5), or `None` when there is nobody to follow.
pub fn configuration(time: &Time, servers: &[String], folder: &Path) -> Option<String> {
    if servers.is_empty() {
        return None;
    }
    let option = if time.nts { " nts" } else { "" };
    let each = servers
        .iter()
        .map(|server| format!("server {server} iburst{option}\n"));
    let servers: String = each.collect();
    Some(format!(
        "# Written by aios-network.\n{servers}\
         # Steps at the start, then only slews.\n\
         makestep 0.5 3\n\
         driftfile /var/lib/chrony/drift\n\
         ntsdumpdir /var/lib/chrony\n\
         pidfile {}/chronyd.pid\n\
         rtcsync\n\
         # Asks, and answers nobody.\n\
         port 0\ncmdport 0\nbindcmdaddress /\n",
        folder.display()
    ))
}

/// Runs until SIGTERM.
///
/// # Errors
/// When signals cannot be waited for.
pub fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let folder = places::folder();
    let mut now: Option<Option<String>> = None;
    let mut child: Option<Child> = None;
    notify(&[NotifyState::Ready]);
    loop {
        let config = aios_daemon::Places::of_this_process().config::<reader::Time>();
        let time = config.table::<Time>();
        let servers = servers(time, &told());
        let text = configuration(time, &servers, &folder);
        if now.as_ref() != Some(&text) {
            stop(child.take()).await;
            let status = match &text {
                Some(_) => format!("follows {}", servers.join(", ")),
                None => "no time server is configured, and none was named by DHCP: the clock \
                         is left alone"
                    .to_owned(),
            };
            tracing::info!("{status}");
            notify(&[NotifyState::Status(&status)]);
            now = Some(text.clone());
        }
        if let (Some(text), None) = (&text, &child) {
            match start(text, &folder) {
                Ok(started) => child = Some(started),
                Err(error) => tracing::error!("{error:#}"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = ended(&mut child) => tokio::time::sleep(AGAIN).await,
            _ = hangup.recv() => {}
            _ = terminate.recv() => break,
        }
    }
    stop(child).await;
    Ok(())
}

/// The servers that DHCP named, as aios-network says.
fn told() -> Vec<String> {
    let text = std::fs::read_to_string(places::state()).unwrap_or_default();
    serde_json::from_str(&text).map_or_else(|_| Vec::new(), |state: State| state.ntp)
}

fn start(text: &str, folder: &Path) -> Result<Child> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("chrony.conf");
    places::put(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Command::new(CHRONYD)
        .args(["-d", "-u", "root", "-f"])
        .arg(&path)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {CHRONYD}"))
}

async fn ended(child: &mut Option<Child>) {
    match child {
        Some(running) => {
            let status = running.wait().await;
            tracing::warn!("chronyd ended: {status:?}");
            *child = None;
        }
        None => std::future::pending().await,
    }
}

async fn stop(child: Option<Child>) {
    let Some(mut child) = child else { return };
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok())
        && let Some(pid) = rustix::process::Pid::from_raw(pid)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM); // It may have ended.
    }
    if tokio::time::timeout(Duration::from_secs(2), child.wait())
        .await
        .is_err()
    {
        let _ = child.kill().await; // It may have ended now.
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!("cannot tell the supervisor: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_servers_come_first_then_those_of_dhcp_then_none() {
        let time = |text: &str| aios_config::parse(text).unwrap().time;
        let told = ["192.0.2.3".to_owned()];
        let cases: [(&str, &[&str]); 3] = [
            ("", &["192.0.2.3"]),
            (
                "[time]\nservers = [\"ntp.example.org\"]",
                &["ntp.example.org"],
            ),
            ("[time]\ndhcp = false", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(servers(&time(text), &told), expected, "{text}");
        }
        let folder = Path::new("/run/x");
        assert_eq!(configuration(&Time::default(), &[], folder), None);
        let nts = time("[time]\nservers = [\"a.example\"]\nnts = true");
        let text = configuration(&nts, &servers(&nts, &[]), folder).unwrap();
        assert!(text.contains("server a.example iburst nts\n"), "{text}");
    }
}
