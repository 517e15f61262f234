//! Packets as bytes.

use super::{
    AFTER_MAX, AFTER_TEXT_MAX, BootRecord, PACKET_MAX, Reply, Request, STATES, ServiceRecord,
    TEXT_MAX, UnitRecord, cut,
};

/// A text at its longest, with its length.
const TEXT: usize = size_of::<u16>() + TEXT_MAX;
/// Tag and kind.
const HEAD: usize = size_of::<u32>() + 1;
/// The longest request: a unit (`encode_unit`).
const UNIT: usize = HEAD
    + 2 * TEXT
    + 1
    + AFTER_MAX * (size_of::<u16>() + AFTER_TEXT_MAX)
    + 3
    + 4 * size_of::<u64>();
/// The longest reply: a service (`encode_service`).
const SERVICE: usize = HEAD + 5 * TEXT + 4 + 2 * size_of::<u32>() + 2 * size_of::<u64>();
#[allow(
    clippy::disallowed_macros,
    reason = "the compiler evaluates it: all parts of a packet are bounded, so that none is too long"
)]
const _: () = assert!(UNIT <= PACKET_MAX && SERVICE <= PACKET_MAX);

struct Writer(Vec<u8>);

impl Writer {
    fn new(tag: u32, kind: u8) -> Self {
        let mut writer = Self(Vec::with_capacity(64));
        writer.u32(tag);
        writer.u8(kind);
        writer
    }
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }
    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }
    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }
    fn text(&mut self, text: &str) {
        let cut = cut(text, TEXT_MAX);
        self.u16(cut.len() as u16);
        self.0.extend(cut.as_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
    fn u8(&mut self) -> Option<u8> {
        Some(u8::from_le_bytes(self.array()?))
    }
    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.array()?))
    }
    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }
    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }
    fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.u16()?);
        if length > TEXT_MAX {
            return None;
        }
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}

/// A request as a packet; `tag` comes back with its reply.
pub fn encode_request(tag: u32, request: &Request) -> Vec<u8> {
    let named = |kind, name: &str| {
        let mut writer = Writer::new(tag, kind);
        writer.text(name);
        writer
    };
    let placed = |kind, place: u16| {
        let mut writer = Writer::new(tag, kind);
        writer.u16(place);
        writer
    };
    let writer = match request {
        Request::At(place) => placed(1, *place),
        Request::Find(name) => named(2, name),
        Request::Start(name) => named(3, name),
        Request::Stop(name) => named(4, name),
        Request::Restart(name) => named(5, name),
        Request::Boot => Writer::new(tag, 6),
        Request::BootEvent(place) => placed(7, *place),
        Request::Power { reboot, reason } => {
            let mut writer = named(8, reason);
            writer.u8(u8::from(*reboot));
            writer
        }
        Request::Define(unit) => encode_unit(tag, unit),
        Request::KillAgents => Writer::new(tag, 10),
    };
    writer.0
}

fn encode_unit(tag: u32, unit: &UnitRecord) -> Writer {
    let mut writer = Writer::new(tag, 9);
    let after = unit.after.get(..AFTER_MAX).unwrap_or(&unit.after);
    writer.text(&unit.name);
    writer.text(&unit.description);
    writer.u8(after.len() as u8);
    for name in after {
        writer.text(cut(name, AFTER_TEXT_MAX));
    }
    writer.u8(u8::from(unit.oneshot));
    writer.u8(unit.restart);
    writer.u8(u8::from(unit.spares_rest));
    writer.u64(unit.restart_after);
    writer.u64(unit.start_timeout);
    writer.u64(unit.stop_timeout);
    writer.u64(unit.files_max);
    writer
}

fn decode_unit(reader: &mut Reader<'_>) -> Option<UnitRecord> {
    let (name, description) = (reader.text()?, reader.text()?);
    let count = usize::from(reader.u8()?);
    if count > AFTER_MAX {
        return None;
    }
    Some(UnitRecord {
        name,
        description,
        after: (0..count).map(|_| reader.text()).collect::<Option<_>>()?,
        oneshot: reader.flag()?,
        restart: reader.u8().filter(|&restart| restart <= 2)?,
        spares_rest: reader.flag()?,
        restart_after: reader.u64()?,
        start_timeout: reader.u64()?,
        stop_timeout: reader.u64()?,
        files_max: reader.u64()?,
    })
}

/// The request in a packet, with its tag.
pub fn decode_request(packet: &[u8]) -> Option<(u32, Request)> {
    let mut reader = Reader(packet);
    let tag = reader.u32()?;
    let request = match reader.u8()? {
        1 => Request::At(reader.u16()?),
        2 => Request::Find(reader.text()?),
        3 => Request::Start(reader.text()?),
        4 => Request::Stop(reader.text()?),
        5 => Request::Restart(reader.text()?),
        6 => Request::Boot,
        7 => Request::BootEvent(reader.u16()?),
        8 => Request::Power {
            reason: reader.text()?,
            reboot: reader.flag()?,
        },
        9 => Request::Define(decode_unit(&mut reader)?),
        10 => Request::KillAgents,
        _ => return None,
    };
    reader.0.is_empty().then_some((tag, request))
}

/// A reply as a packet.
pub fn encode_reply(tag: u32, reply: &Reply) -> Vec<u8> {
    let writer = match reply {
        Reply::Accepted => Writer::new(tag, 1),
        Reply::None => Writer::new(tag, 2),
        Reply::Refused(why) => {
            let mut writer = Writer::new(tag, 3);
            writer.text(why);
            writer
        }
        Reply::Service(service) => encode_service(tag, service),
        Reply::Boot(boot) => encode_boot(tag, boot),
        Reply::BootEvent { at, text } => {
            let mut writer = Writer::new(tag, 6);
            writer.u64(*at);
            writer.text(text);
            writer
        }
    };
    writer.0
}

fn encode_service(tag: u32, service: &ServiceRecord) -> Writer {
    let mut writer = Writer::new(tag, 4);
    let ServiceRecord {
        name,
        description,
        without,
        last_exit,
        status,
        ..
    } = service;
    for text in [name, description, without, last_exit, status] {
        writer.text(text);
    }
    writer.u8(service.state);
    writer.u8(service.phase);
    writer.u8(u8::from(service.unit));
    writer.u8(u8::from(service.agent));
    writer.u32(service.pid);
    writer.u32(service.restarts);
    writer.u64(service.since);
    writer.u64(service.patience);
    writer
}

fn encode_boot(tag: u32, boot: &BootRecord) -> Writer {
    let mut writer = Writer::new(tag, 5);
    for (start, end) in boot.phases {
        writer.u64(start);
        writer.u64(end);
    }
    writer.u64(boot.ready);
    writer.u8(u8::from(boot.degraded));
    writer.u8(u8::from(boot.container));
    writer
}

/// The reply in a packet, with its tag.
pub fn decode_reply(packet: &[u8]) -> Option<(u32, Reply)> {
    let mut reader = Reader(packet);
    let tag = reader.u32()?;
    let reply = match reader.u8()? {
        1 => Reply::Accepted,
        2 => Reply::None,
        3 => Reply::Refused(reader.text()?),
        4 => Reply::Service(decode_service(&mut reader)?),
        5 => Reply::Boot(decode_boot(&mut reader)?),
        6 => Reply::BootEvent {
            at: reader.u64()?,
            text: reader.text()?,
        },
        _ => return None,
    };
    reader.0.is_empty().then_some((tag, reply))
}

fn decode_service(reader: &mut Reader<'_>) -> Option<ServiceRecord> {
    Some(ServiceRecord {
        name: reader.text()?,
        description: reader.text()?,
        without: reader.text()?,
        last_exit: reader.text()?,
        status: reader.text()?,
        state: reader
            .u8()
            .filter(|&state| usize::from(state) < STATES.len())?,
        phase: reader.u8()?,
        unit: reader.flag()?,
        agent: reader.flag()?,
        pid: reader.u32()?,
        restarts: reader.u32()?,
        since: reader.u64()?,
        patience: reader.u64()?,
    })
}

fn decode_boot(reader: &mut Reader<'_>) -> Option<BootRecord> {
    let mut boot = BootRecord::default();
    for phase in &mut boot.phases {
        *phase = (reader.u64()?, reader.u64()?);
    }
    boot.ready = reader.u64()?;
    boot.degraded = reader.flag()?;
    boot.container = reader.flag()?;
    Some(boot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_request_and_reply_comes_back_as_it_was() {
        let name = || "memory".to_owned();
        let requests = [
            Request::At(3),
            Request::Find(name()),
            Request::Start(name()),
            Request::Stop(name()),
            Request::Restart(name()),
            Request::KillAgents,
            Request::Boot,
            Request::BootEvent(9),
            Request::Power {
                reboot: true,
                reason: name(),
            },
            Request::Define(UnitRecord {
                name: name(),
                after: vec![name(), name()],
                restart: 2,
                ..Default::default()
            }),
        ];
        for request in requests {
            let packet = encode_request(5, &request);
            assert_eq!(decode_request(&packet), Some((5, request)));
        }
        let service = ServiceRecord {
            name: name(),
            state: 7,
            agent: true,
            pid: 9,
            ..Default::default()
        };
        let boot = BootRecord {
            ready: 4321,
            degraded: true,
            ..Default::default()
        };
        let replies = [
            Reply::Accepted,
            Reply::None,
            Reply::Refused(name()),
            Reply::Service(service),
            Reply::Boot(boot),
            Reply::BootEvent {
                at: 1,
                text: name(),
            },
        ];
        for reply in replies {
            let packet = encode_reply(6, &reply);
            assert_eq!(decode_reply(&packet), Some((6, reply)));
        }
    }

    #[test]
    fn the_longest_texts_still_fit_a_packet() {
        let long = || "é".repeat(9_000);
        let service = ServiceRecord {
            name: long(),
            description: long(),
            without: long(),
            last_exit: long(),
            status: long(),
            ..Default::default()
        };
        let packet = encode_reply(1, &Reply::Service(service));
        assert_eq!(packet.len(), SERVICE);
        assert!(decode_reply(&packet).is_some());
        let unit = UnitRecord {
            name: long(),
            description: long(),
            after: vec![long(); 100],
            ..Default::default()
        };
        let packet = encode_request(1, &Request::Define(unit));
        assert_eq!(packet.len(), UNIT);
        assert!(decode_request(&packet).is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoders_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_request(&bytes);
            let _ = decode_reply(&bytes);
        }
    }
}
