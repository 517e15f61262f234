//! `net.check_port`: is a TCP port open, here or elsewhere?

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use caps::Capability;

use super::names;
use crate::procfs::{process, sockets};
use aios_tool::argument::{HostName, Port};
use aios_tool::prelude::*;

/// The tool `net.check_port`.
pub struct CheckPort;

/// Stands for this machine: then its own table is looked at, and no connection made.
const HERE: &str = "localhost";
/// How long each address of another host gets to answer.
const CONNECT: Duration = Duration::from_secs(3);

arguments! {
    /// Arguments of `net.check_port`.
    pub struct Input {
        /// TCP port.
        pub port: Port,
        /// Name or address of the host. Default: this machine.
        pub host: Option<HostName>,
    }
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Does something listen there?
    pub open: bool,
    /// Addresses that are listened on, or that answered.
    pub addresses: Vec<String>,
    /// Who listens, when known.
    pub process: Option<String>,
    /// Its process id, when known.
    pub pid: Option<u32>,
}

impl Tool for CheckPort {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "net.check_port",
            "Checks whether a TCP port is open, here or on another host.",
        )
        .example(json!({"port": 443, "host": "example.org"}))
        .timeout_ms(15_000)
        .kernel(&[Capability::CAP_DAC_READ_SEARCH, Capability::CAP_SYS_PTRACE])
        .reading_the_machine()
    }

    fn complete(input: &mut Input) {
        input.host.get_or_insert_with(|| HostName::of(HERE));
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let port = match input.host.as_ref().map(HostName::as_str) {
            None | Some(HERE) => format!("port {}", input.port),
            Some(host) => format!("port {} of {host}", input.port),
        };
        match (output.open, &output.process) {
            (true, Some(process)) => format!("{port} is open: {process} listens on it"),
            (true, None) => format!("{port} is open"),
            (false, _) => format!("{port} is closed"),
        }
    }
}

impl Look for CheckPort {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        match input.host.as_ref().map(HostName::as_str) {
            None | Some(HERE) => here(input.port.get()),
            Some(host) => there(host, input.port.get(), context),
        }
    }
}

fn here(port: u16) -> Result<Output, ToolError> {
    let mut listeners = sockets::listeners()?;
    listeners.retain(|listener| listener.local.port() == port);
    let owners = sockets::Owners::look();
    let first = listeners.first();
    let process = first.and_then(|listener| owners.of(listener));
    Ok(Output {
        open: !listeners.is_empty(),
        addresses: listeners
            .iter()
            .map(|listener| listener.local.ip().to_string())
            .collect(),
        pid: process.map(|process| process.stat.pid),
        process: process
            .map(|process| process.name.clone())
            .or_else(|| first.map(|listener| process::account(listener.uid))),
    })
}

fn there(host: &str, port: u16, context: &Context) -> Result<Output, ToolError> {
    let answers = |address: &SocketAddr| {
        let limit = CONNECT
            .min(context.remaining())
            .max(Duration::from_millis(1));
        TcpStream::connect_timeout(address, limit).is_ok()
    };
    let addresses = names::lookup(host, context)?;
    let found = addresses
        .iter()
        .map(|ip| SocketAddr::new(*ip, port))
        .find(answers);
    Ok(Output {
        open: found.is_some(),
        addresses: found
            .iter()
            .map(|address| address.ip().to_string())
            .collect(),
        process: None,
        pid: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{call, needs};
    use aios_tool::tool::look;
    use serde_json::json;
    use std::net::TcpListener;

    #[test]
    fn an_open_port_is_found_with_who_listens_and_a_closed_one_is_closed() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let done = call::<CheckPort>(json!({"port": port})).unwrap();
        assert_eq!(done.output["pid"], std::process::id());
        let name = process::of(std::process::id()).unwrap().name;
        assert_eq!(
            done.summary,
            format!("port {port} is open: {name} listens on it")
        );
        let remote = call::<CheckPort>(json!({"port": port, "host": "127.0.0.1"})).unwrap();
        assert_eq!(remote.summary, format!("port {port} of 127.0.0.1 is open"));
        drop(socket);
        let done = call::<CheckPort>(json!({"port": port})).unwrap();
        assert_eq!(done.summary, format!("port {port} is closed"));
        let remote = call::<CheckPort>(json!({"port": port, "host": "127.0.0.1"})).unwrap();
        assert_eq!(
            remote.summary,
            format!("port {port} of 127.0.0.1 is closed")
        );
    }

    #[test]
    fn the_capability_names_host_and_port() {
        let needs = |arguments| needs(look::<CheckPort>().as_ref(), arguments);
        assert_eq!(
            needs(json!({"port": 22})).unwrap(),
            ["net:connect:localhost:22"]
        );
        assert_eq!(
            needs(json!({"port": 22, "host": "a.b"})).unwrap(),
            ["net:connect:a.b:22"]
        );
        assert!(needs(json!({"port": 0})).is_err());
        assert!(needs(json!({"port": 65536})).is_err());
    }
}
