//! `net.dns_lookup`: the addresses of a name.

use super::names;
use aios_tool::argument::HostName;
use aios_tool::prelude::*;

/// The tool `net.dns_lookup`.
pub struct DnsLookup;

arguments! {
    /// Arguments of `net.dns_lookup`.
    pub struct Input {
        /// Name of the host.
        pub host: HostName,
    }
}

/// The addresses.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// IPv4 and IPv6 addresses.
    pub addresses: Vec<String>,
}

impl Tool for DnsLookup {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("net.dns_lookup", "Looks up the addresses of a host name.")
            .example(json!({"host": "example.org"}))
            .reading_the_machine()
    }

    fn summarize(input: &Input, output: &Output) -> String {
        match output.addresses.as_slice() {
            [one] => format!("{} has the address {one}", input.host),
            all => format!("{} has the addresses {}", input.host, all.join(", ")),
        }
    }
}

impl Look for DnsLookup {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let addresses = names::lookup(input.host.as_str(), context)?;
        Ok(Output {
            addresses: addresses.iter().map(ToString::to_string).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{call, context};
    use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
    use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
    use hickory_resolver::proto::rr::{RData, Record, RecordType, rdata::A};
    use hickory_resolver::proto::xfer::Protocol;
    use serde_json::json;
    use std::net::{SocketAddr, UdpSocket};

    /// A name server that knows `here.test.` alone.
    fn server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let mut message = Message::from_vec(&buffer[..length]).unwrap();
                let query = message.queries()[0].clone();
                message.set_message_type(MessageType::Response);
                if query.name().to_ascii() != "here.test." {
                    message.set_response_code(ResponseCode::NXDomain);
                } else if query.query_type() == RecordType::A {
                    let data = RData::A(A::new(192, 0, 2, 7));
                    message.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                }
                socket.send_to(&message.to_vec().unwrap(), from).unwrap();
            }
        });
        address
    }

    #[test]
    fn the_addresses_are_those_of_the_name_server() {
        let mut config = ResolverConfig::new();
        config.add_name_server(NameServerConfig::new(server(), Protocol::Udp));
        let context = context(std::path::Path::new("/nonexistent"));
        let look = |host: &str| {
            names::lookup_with(config.clone(), ResolverOpts::default(), host, &context)
        };
        assert_eq!(
            look("here.test.").unwrap(),
            ["192.0.2.7".parse::<std::net::IpAddr>().unwrap()]
        );
        let error = look("absent.test.").unwrap_err();
        assert_eq!(
            error,
            ToolError::Precondition("there is no host absent.test.".into())
        );
    }

    #[test]
    fn a_silent_name_server_costs_seconds_and_not_the_deadline() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut config = ResolverConfig::new();
        let address = silent.local_addr().unwrap();
        config.add_name_server(NameServerConfig::new(address, Protocol::Udp));
        let context = context(std::path::Path::new("/nonexistent"));
        let error = names::lookup_with(config, ResolverOpts::default(), "here.test.", &context);
        assert!(matches!(error, Err(ToolError::Unavailable(_))), "{error:?}");
    }

    #[test]
    fn addresses_and_the_local_host_need_no_server_and_nonsense_is_refused() {
        let summary = |host: &str| call::<DnsLookup>(json!({"host": host})).unwrap().summary;
        assert_eq!(summary("192.0.2.1"), "192.0.2.1 has the address 192.0.2.1");
        assert_eq!(
            summary("localhost"),
            "localhost has the addresses 127.0.0.1, ::1"
        );
        for host in ["", "a b", "x/../y", "\u{e9}.test"] {
            let error = call::<DnsLookup>(json!({"host": host})).unwrap_err();
            assert!(matches!(error, ToolError::Invalid(_)), "{host}");
        }
    }
}
