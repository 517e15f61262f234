//! `net.ping`: does a host answer, and how fast?

use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use caps::Capability;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};

use super::names;
use aios_tool::argument::{HostName, Whole, defaulted};
use aios_tool::prelude::*;

/// The tool `net.ping`.
pub struct Ping;

/// So many echoes are asked for when no number is given.
const COUNT: Whole<1, 10> = Whole::of(3);
/// How long each is waited for. Farther than the moon is nobody.
const WAIT: Duration = Duration::from_secs(2);
/// Between two requests to a host that answers, so that none takes it for a flood.
const PAUSE: Duration = Duration::from_millis(200);
/// What is sent along, in bytes, as ping(8) does.
const PAYLOAD: usize = 56;
/// The header of an echo, in bytes (RFC 792, RFC 4443).
const HEADER: usize = 8;

arguments! {
    /// Arguments of `net.ping`.
    pub struct Input {
        /// Name or address of the host.
        pub host: HostName,
        /// How many echoes to ask for, from 1 to 10. Default: 3.
        pub count: Option<Whole<1, 10>>,
    }
}

/// What came back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The address that was asked.
    pub address: String,
    /// Echoes asked for.
    pub sent: u32,
    /// Echoes that came within 2 s.
    pub received: u32,
    /// The time of each there and back, in milliseconds.
    pub times_ms: Vec<f64>,
}

impl Tool for Ping {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "net.ping",
            "Asks a host for an echo (ICMP) and measures how long it takes.",
        )
        .timeout_ms(30_000)
        .kernel(&[Capability::CAP_NET_RAW])
        .reading_the_machine()
        .example(json!({"host": "192.0.2.1", "count": 3}))
    }

    fn complete(input: &mut Input) {
        input.count.get_or_insert(COUNT);
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let host = match input.host.as_str() == output.address {
            true => output.address.clone(),
            false => format!("{} ({})", input.host, output.address),
        };
        let Output { sent, received, .. } = output;
        let sum: f64 = output.times_ms.iter().sum();
        match output.times_ms.len() {
            0 => format!("{host} does not answer: 0 of {sent} echoes came back"),
            many => format!(
                "{host} answers: {received} of {sent} echoes came back, {:.1} ms on average",
                sum / many as f64
            ),
        }
    }
}

impl Look for Ping {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let count = defaulted(&input.count)?.count();
        let addresses = names::lookup(input.host.as_str(), context)?;
        let Some(&address) = addresses.first() else {
            return Err(ToolError::Precondition(format!(
                "{} has no address",
                input.host
            )));
        };
        let socket = Echo::open(address, context.execution())
            .map_err(|error| ToolError::io(format!("asking {address} for an echo"), error))?;
        let mut times_ms = Vec::new();
        for number in 0..count {
            let limit = WAIT.min(context.remaining());
            let time = socket
                .ask(number as u16, limit)
                .map_err(|error| ToolError::io(format!("asking {address} for an echo"), error))?;
            let Some(time) = time else { continue };
            times_ms.push((time.as_secs_f64() * 10_000.0).round() / 10.0);
            if number + 1 < count {
                poll(&mut [], Some(&timeout(PAUSE)))
                    .map_err(|error| ToolError::io("waiting", error))?;
            }
        }
        Ok(Output {
            address: address.to_string(),
            sent: u32::try_from(count).unwrap_or(u32::MAX),
            received: u32::try_from(times_ms.len()).unwrap_or(u32::MAX),
            times_ms,
        })
    }
}

fn timeout(time: Duration) -> rustix::event::Timespec {
    rustix::event::Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// A socket on which one host is asked for echoes.
struct Echo {
    socket: OwnedFd,
    address: IpAddr,
    /// Tells our echoes from those of others.
    id: u16,
}

impl Echo {
    fn open(address: IpAddr, execution: &str) -> std::io::Result<Self> {
        let (family, protocol) = match address {
            IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
            IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
        };
        let socket = rustix::net::socket_with(
            family,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(protocol),
        )?;
        // The kernel gives only what comes from there.
        rustix::net::connect(&socket, &SocketAddr::new(address, 0))?;
        let id = execution.bytes().fold(0, |id: u16, byte| {
            id.wrapping_mul(31).wrapping_add(byte.into())
        });
        Ok(Self {
            socket,
            address,
            id,
        })
    }

    /// Asks once; how long the answer took, `None` when none came.
    fn ask(&self, number: u16, limit: Duration) -> std::io::Result<Option<Duration>> {
        let request = request(self.address, self.id, number);
        let began = Instant::now();
        rustix::net::send(&self.socket, &request, SendFlags::empty())?;
        let mut buffer = [MaybeUninit::new(0); 2048];
        loop {
            let left = limit.saturating_sub(began.elapsed());
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            if left.is_zero() || poll(&mut fds, Some(&timeout(left)))? == 0 {
                return Ok(None);
            }
            let received = rustix::net::recv(&self.socket, &mut buffer, RecvFlags::empty());
            match received {
                Ok(((packet, _), _)) if is_answer(self.address, packet, self.id, number) => {
                    return Ok(Some(began.elapsed()));
                }
                Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Type, code, checksum, identifier and sequence number, then the payload.
fn request(address: IpAddr, id: u16, number: u16) -> Vec<u8> {
    let kind = match address {
        IpAddr::V4(_) => 8,
        IpAddr::V6(_) => 128,
    };
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(id.to_be_bytes());
    packet.extend(number.to_be_bytes());
    packet.resize(HEADER + PAYLOAD, 0);
    if address.is_ipv4() {
        // Of IPv6, the kernel makes it.
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
    }
    packet
}

/// The Internet checksum (RFC 1071) of a packet of even length.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks_exact(2);
    let sum: u32 = words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

/// Is it the answer to our request? Of IPv4, the kernel gives the header of IP too.
fn is_answer(address: IpAddr, packet: &[u8], id: u16, number: u16) -> bool {
    let (header, kind) = match address {
        IpAddr::V4(_) => (usize::from(packet.first().unwrap_or(&0) & 0xf) * 4, 0),
        IpAddr::V6(_) => (0, 129),
    };
    let Some(&[found, code, _, _, a, b, c, d]) = packet.get(header..header + HEADER) else {
        return false;
    };
    let numbers = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    (found, code, numbers) == (kind, 0, [id, number])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{call, needs};
    use aios_tool::tool::look;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    #[test]
    fn a_request_is_as_the_rfcs_say() {
        let packet = request(V4, 0x1234, 5);
        assert_eq!(packet[..2], [8, 0]);
        assert_eq!(packet[4..8], [0x12, 0x34, 0, 5]);
        assert_eq!(packet.len(), 64);
        assert_eq!(checksum(&packet), 0, "over itself it is 0");
        assert_eq!(request(V6, 1, 1)[..4], [128, 0, 0, 0]);
    }

    #[test]
    fn only_the_answer_to_our_own_request_is_one() {
        let answer = |kind, id: u16, number: u16| {
            let [a, b] = id.to_be_bytes();
            let [c, d] = number.to_be_bytes();
            vec![kind, 0, 0, 0, a, b, c, d]
        };
        let behind = |mut header: Vec<u8>, answer: Vec<u8>| {
            header.resize(usize::from(header[0] & 0xf) * 4, 0);
            header.extend(answer);
            header
        };
        let check = |address, packet: &[u8], is| {
            assert_eq!(is_answer(address, packet, 7, 1), is, "{packet:?}");
        };
        check(V4, &behind(vec![0x45], answer(0, 7, 1)), true);
        check(V4, &behind(vec![0x4f], answer(0, 7, 1)), true);
        check(V4, &behind(vec![0x45], answer(8, 7, 1)), false);
        check(V4, &behind(vec![0x45], answer(0, 8, 1)), false);
        check(V4, &behind(vec![0x45], answer(0, 7, 2)), false);
        check(V4, &[0x4f], false);
        check(V4, &[], false);
        check(V6, &answer(129, 7, 1), true);
        check(V6, &answer(128, 7, 1), false);
        check(V6, &[129, 0], false);
    }

    #[test]
    fn this_machine_answers_by_both_protocols() {
        if !aios_testkit::needs::root() {
            return;
        }
        let done = call::<Ping>(json!({"host": "127.0.0.1", "count": 2})).unwrap();
        assert_eq!(done.output["received"], 2, "{}", done.summary);
        assert!(
            done.summary
                .starts_with("127.0.0.1 answers: 2 of 2 echoes came back"),
            "{}",
            done.summary
        );
        let six = call::<Ping>(json!({"host": "::1", "count": 1}));
        if std::path::Path::new("/proc/net/if_inet6").exists() {
            assert_eq!(six.unwrap().output["received"], 1);
        }
    }

    #[test]
    fn the_capability_names_the_host() {
        let needed = needs(look::<Ping>().as_ref(), json!({"host": "a.b"})).unwrap();
        assert_eq!(needed, ["net:connect:a.b"]);
        assert!(needs(look::<Ping>().as_ref(), json!({"host": "a.b", "count": 11})).is_err());
    }
}
