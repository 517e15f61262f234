//! What the tester sees of the running machine besides its files, and without asking its agents.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use aios_qemu::Ctl;
use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use super::form::{Get, Http};

/// How long an HTTP server of the machine may take.
const HTTP_LIMIT: Duration = Duration::from_secs(10);

/// The longest answer by HTTP that is read, in bytes.
const HTTP_MAX: u64 = 4 * 1024 * 1024;

/// A service as PID 1 tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Without the prefix `aios-`.
    pub name: String,
    /// `ready`, `inactive`, …
    pub state: String,
    /// 0: none runs.
    pub pid: u64,
    /// When it entered its state, in milliseconds since the kernel's start.
    pub since_boot_ms: u64,
}

impl Service {
    pub fn runs(&self) -> bool {
        matches!(self.state.as_str(), "ready" | "starting") && self.pid != 0
    }
}

/// The running machine, for the judge.
pub trait Live {
    /// Its services.
    ///
    /// # Errors
    /// When it does not answer. So with all that follow.
    fn services(&self) -> Result<Vec<Service>>;
    /// The active rules, as `nft -j list ruleset` prints them.
    fn rules(&self) -> Result<Value>;
    /// A file of PID 1's folder in /proc (`mountinfo`), or an absolute path there.
    fn proc(&self, name: &str) -> Result<String>;
    /// Its host name.
    fn hostname(&self) -> Result<String>;
    /// Does something listen on this port (TCP)?
    fn listens(&self, port: u16) -> Result<bool>;
    /// The addresses of an interface, `192.0.2.1/24`: IPv4, and global IPv6.
    fn addresses(&self, interface: &str) -> Result<Vec<String>>;
    /// Status and body of an answer by HTTP.
    fn get(&self, request: &Get) -> Result<(u16, String)>;
    /// Undoes an execution.
    fn undo(&self, execution: &str) -> Result<()>;
}

/// A container and its operator's command line.
pub struct Running<'a> {
    pub pid: u32,
    pub ctl: &'a Ctl,
}

impl Running<'_> {
    /// A program of this machine in namespaces of the container (options of nsenter(1)); what it prints.
    pub fn inside(&self, namespaces: &[&str], command: &[&str]) -> Result<String> {
        let output = Command::new("nsenter")
            .args(["--target", &self.pid.to_string()])
            .args(namespaces)
            .arg("--")
            .args(command)
            .output()
            .context("cannot run nsenter")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", command.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs something in a thread that has entered the container's network.
    fn in_network<T: Send>(&self, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let network = File::open(format!("/proc/{}/ns/net", self.pid))?;
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
                run()
            });
            inside
                .join()
                .unwrap_or_else(|_| bail!("the thread panicked"))
        })
    }

    /// Answers every request on a port of the container's loopback, until this process ends.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn serve(&self, http: &Http) -> Result<()> {
        let http = http.clone();
        let address = (Ipv4Addr::LOCALHOST, http.port);
        let listener = self.in_network(|| Ok(TcpListener::bind(address)?))?;
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let answer = format!(
                    "HTTP/1.0 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                    http.body.len(),
                    http.body
                );
                let mut request = [0; 4096];
                // A client that goes away is its own affair.
                let _ = client.set_read_timeout(Some(HTTP_LIMIT));
                let _ = client.read(&mut request);
                let _ = client.write_all(answer.as_bytes());
            }
        });
        Ok(())
    }
}

impl Live for Running<'_> {
    fn services(&self) -> Result<Vec<Service>> {
        let document = self.ctl.run(&["services"])?;
        let services = document["services"].as_array();
        Ok(services.into_iter().flatten().map(service).collect())
    }

    fn rules(&self) -> Result<Value> {
        let text = self.inside(&["--net"], &["nft", "-j", "list", "ruleset"])?;
        serde_json::from_str(&text).context("nft printed no JSON")
    }

    fn proc(&self, name: &str) -> Result<String> {
        let path = match name.starts_with('/') {
            true => name.to_owned(),
            false => format!("/proc/{}/{name}", self.pid),
        };
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    fn hostname(&self) -> Result<String> {
        Ok(self.inside(&["--uts"], &["uname", "-n"])?.trim().to_owned())
    }

    fn listens(&self, port: u16) -> Result<bool> {
        Ok(is_listening(&self.proc("net/tcp")?, port)
            || is_listening(&self.proc("net/tcp6").unwrap_or_default(), port))
    }

    fn addresses(&self, interface: &str) -> Result<Vec<String>> {
        let text = self.inside(&["--net"], &["ip", "-j", "addr", "show", "dev", interface])?;
        Ok(addresses(&serde_json::from_str(&text)?))
    }

    fn get(&self, request: &Get) -> Result<(u16, String)> {
        self.in_network(|| get(request))
    }

    fn undo(&self, execution: &str) -> Result<()> {
        self.ctl.run(&["undo", execution]).map(drop)
    }
}

fn service(service: &Value) -> Service {
    let name = service["name"].as_str().unwrap_or_default();
    Service {
        name: bare(name).to_owned(),
        state: service["state"].as_str().unwrap_or_default().to_owned(),
        pid: service["pid"].as_u64().unwrap_or_default(),
        since_boot_ms: service["since_boot_ms"].as_u64().unwrap_or_default(),
    }
}

/// A service's name without `aios-`.
pub fn bare(name: &str) -> &str {
    name.strip_prefix("aios-").unwrap_or(name)
}

/// Is there a listening socket of this port in a table of proc(5), `net/tcp`?
fn is_listening(table: &str, port: u16) -> bool {
    /// `TCP_LISTEN` (include/net/tcp_states.h).
    const LISTEN: &str = "0A";
    let port = format!("{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().unwrap_or_default();
        local.rsplit(':').next() == Some(port.as_str()) && columns.nth(1) == Some(LISTEN)
    })
}

fn addresses(links: &Value) -> Vec<String> {
    let all = links.as_array().into_iter().flatten();
    let infos = all.flat_map(|link| link["addr_info"].as_array().into_iter().flatten());
    infos
        .filter(|info| info["family"] == "inet" || info["scope"] == "global")
        .filter_map(|info| {
            let (address, length) = (info["local"].as_str()?, info["prefixlen"].as_u64()?);
            Some(format!("{address}/{length}"))
        })
        .collect()
}

/// HTTP/1.0 is all that a test page needs.
fn get(request: &Get) -> Result<(u16, String)> {
    let rest = request.url.strip_prefix("http://");
    let rest = rest.with_context(|| format!("{} is not http://", request.url))?;
    let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = server.split_once(':').unwrap_or((server, "80"));
    let address = match host {
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        host => host.parse().context("the host is no address")?,
    };
    let address = SocketAddr::new(address, port.parse()?);
    let mut server = TcpStream::connect_timeout(&address, HTTP_LIMIT)?;
    server.set_read_timeout(Some(HTTP_LIMIT))?;
    let host = request.host.as_deref().unwrap_or(host);
    let text = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    server.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    server.take(HTTP_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status.context("that was no HTTP")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn listening_is_a_state_of_a_local_port() {
        let table = "  sl  local_address rem_address   st tx_queue
   0: 00000000:2382 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F90 0100007F:2382 01 00000000:00000000";
        assert!(is_listening(table, 9090));
        assert!(!is_listening(table, 8080));
        assert!(!is_listening(table, 0x82));
    }

    #[test]
    fn link_local_addresses_do_not_count() {
        let links = json!([{ "ifname": "spare0", "addr_info": [
            { "family": "inet", "local": "192.0.2.50", "prefixlen": 24, "scope": "global" },
            { "family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link" },
            { "family": "inet6", "local": "2001:db8::1", "prefixlen": 64, "scope": "global" },
        ]}]);
        assert_eq!(addresses(&links), ["192.0.2.50/24", "2001:db8::1/64"]);
    }

    #[test]
    fn a_page_is_got_with_its_status() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = client.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /a?b HTTP/1.0\r\nHost: web\r\n"));
            client.write_all(b"HTTP/1.0 404 No\r\n\r\nnothing").unwrap();
        });
        let request = Get {
            url: format!("http://localhost:{port}/a?b"),
            host: Some("web".into()),
            contains: String::new(),
        };
        assert_eq!(get(&request).unwrap(), (404, "nothing".to_owned()));
    }
}
