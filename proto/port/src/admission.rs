//! Who is let in, and who goes for them. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// One connection, from its start to its end.
pub type Id = u64;

/// How much a peer may do: the last places are kept for those who may do most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Looks only.
    Viewer,
    /// Acts, and stops everything in an emergency.
    Operator,
    /// May do all.
    Admin,
}

/// What a handshake found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who holds the connection; connections are limited by it. A certificate, or an address where
    /// there is none.
    pub holder: String,
    /// What may be done with it.
    pub rank: Rank,
}

/// The places of a port.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Peers at once that have not said who they are in a whole first message (ClientHello). One costs
    /// a descriptor and little else.
    pub silent: usize,
    /// Those of them from one source address; an IPv6 network of 64 bits counts as one.
    pub silent_of_source: usize,
    /// Handshakes under way at once.
    pub handshakes: usize,
    /// Those of them from one source.
    pub handshakes_of_source: usize,
    /// Connections at once after their handshake.
    pub connections: usize,
    /// Those of them that only operators and admins can have.
    pub kept_for_operators: usize,
    /// Those of them that only admins can have, besides.
    pub kept_for_admins: usize,
    /// Connections of one holder.
    pub connections_of_holder: usize,
}

impl Limits {
    /// Connections at once beyond which nobody of this rank gets another.
    fn connections_for(&self, rank: Rank) -> usize {
        let kept = match rank {
            Rank::Viewer => self.kept_for_operators + self.kept_for_admins,
            Rank::Operator => self.kept_for_admins,
            Rank::Admin => 0,
        };
        self.connections.saturating_sub(kept)
    }
}

#[derive(Debug)]
struct Stranger {
    id: Id,
    source: IpAddr,
}

/// Strangers in the order of their arrival, at most so many, and so many of one source.
#[derive(Debug)]
struct Strangers {
    most: usize,
    most_of_source: usize,
    list: Vec<Stranger>,
}

impl Strangers {
    fn new(most: usize, most_of_source: usize) -> Self {
        Self {
            most,
            most_of_source,
            list: Vec::new(),
        }
    }

    /// Adds one. Who goes for it: the oldest of the same source; or, when all places are taken, the
    /// oldest of the source that has most of them.
    fn add(&mut self, stranger: Stranger) -> Option<Id> {
        let from = match self.of(stranger.source) >= self.most_of_source {
            true => Some(stranger.source),
            false if self.list.len() >= self.most => {
                let sources = self.list.iter().map(|one| one.source);
                sources.max_by_key(|source| self.of(*source))
            }
            false => None,
        };
        let oldest = self.list.iter().find(|one| Some(one.source) == from);
        let goes = oldest.map(|one| one.id);
        if let Some(goes) = goes {
            self.take(goes);
        }
        self.list.push(stranger);
        goes
    }

    fn take(&mut self, id: Id) -> Option<Stranger> {
        let at = self.list.iter().position(|one| one.id == id)?;
        Some(self.list.remove(at))
    }

    fn of(&self, source: IpAddr) -> usize {
        let of = self.list.iter().filter(|one| one.source == source);
        of.count()
    }
}

#[derive(Debug)]
struct Guest {
    id: Id,
    standing: Standing,
}

/// The connections of a port. All lists are in the order of arrival.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    last: Id,
    silent: Strangers,
    handshakes: Strangers,
    guests: Vec<Guest>,
}

impl Admission {
    /// An empty house.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            last: 0,
            silent: Strangers::new(limits.silent, limits.silent_of_source),
            handshakes: Strangers::new(limits.handshakes, limits.handshakes_of_source),
            guests: Vec::new(),
        }
    }

    /// Somebody connects, and always gets a place. With it, who goes for them.
    pub fn arrives(&mut self, source: IpAddr) -> (Id, Option<Id>) {
        self.last += 1;
        let id = self.last;
        let source = network(source);
        (id, self.silent.add(Stranger { id, source }))
    }

    /// A whole first message has come: the handshake begins. Who goes for it.
    ///
    /// # Errors
    /// When it has gone itself.
    pub fn speaks(&mut self, id: Id) -> Result<Option<Id>, String> {
        let stranger = self.silent.take(id).ok_or("another took its place")?;
        Ok(self.handshakes.add(stranger))
    }

    /// A handshake is over: the peer gets a place among those who are known. With it, who goes.
    ///
    /// # Errors
    /// Why there is none.
    pub fn enters(
        &mut self,
        id: Id,
        standing: Standing,
        is_busy: impl Fn(Id) -> bool,
    ) -> Result<Option<Id>, String> {
        self.handshakes.take(id).ok_or("another took its place")?;
        let goes = self.room_for(&standing, is_busy)?;
        if let Some(goes) = goes {
            self.leaves(goes);
        }
        self.guests.push(Guest { id, standing });
        Ok(goes)
    }

    /// A connection has ended, wherever it was.
    pub fn leaves(&mut self, id: Id) {
        self.silent.take(id);
        self.handshakes.take(id);
        self.guests.retain(|one| one.id != id);
    }

    /// Who goes for this newcomer, if somebody must: the oldest quiet connection of the same holder;
    /// or, when the house is full, that of the holder with most, who may do no more than the newcomer.
    fn room_for(
        &self,
        standing: &Standing,
        is_busy: impl Fn(Id) -> bool,
    ) -> Result<Option<Id>, String> {
        let Standing { holder, rank } = standing;
        let quiet_of = |holder: &String| {
            let mut of = self
                .guests
                .iter()
                .filter(|one| one.standing.holder == *holder);
            of.find(|one| !is_busy(one.id)).map(|one| one.id)
        };
        if self.held(holder) >= self.limits.connections_of_holder {
            let most = self.limits.connections_of_holder;
            let goes = quiet_of(holder).map(Some);
            return goes.ok_or_else(|| format!("it has {most} connections at work already"));
        }
        let most = self.limits.connections_for(*rank);
        if self.guests.len() < most {
            return Ok(None);
        }
        let below = self.guests.iter().filter(|one| one.standing.rank <= *rank);
        let quiet = below.filter(|one| !is_busy(one.id));
        let fullest = quiet.max_by_key(|one| self.held(&one.standing.holder));
        let goes = fullest.and_then(|one| quiet_of(&one.standing.holder));
        goes.map(Some)
            .ok_or_else(|| format!("there are {most} connections at work already"))
    }

    fn held(&self, holder: &str) -> usize {
        let of = self
            .guests
            .iter()
            .filter(|one| one.standing.holder == holder);
        of.count()
    }
}

/// What counts as one source: an IPv4 address, or an IPv6 network of 64 bits, of which whoever has
/// one address has all.
pub fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        silent: 8,
        silent_of_source: 4,
        handshakes: 8,
        handshakes_of_source: 4,
        connections: 12,
        kept_for_operators: 4,
        kept_for_admins: 2,
        connections_of_holder: 3,
    };

    fn source(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// Admits a connection of this holder, from a source of its own. Returns who went.
    fn enter(
        house: &mut Admission,
        holder: &str,
        rank: Rank,
        busy: &[Id],
    ) -> Result<Option<Id>, String> {
        let (id, goes) = house.arrives(source(200));
        assert_eq!((goes, house.speaks(id)), (None, Ok(None)));
        let standing = Standing {
            holder: holder.to_owned(),
            rank,
        };
        house.enters(id, standing, |id| busy.contains(&id))
    }

    #[test]
    fn the_oldest_silent_one_of_the_same_source_goes_and_never_the_newest() {
        let mut house = Admission::new(LIMITS);
        let ids: Vec<Id> = (0..4).map(|_| house.arrives(source(1)).0).collect();
        assert_eq!(house.speaks(ids[0]), Ok(None));
        assert_eq!(house.arrives(source(1)).1, None, "a place was left");
        assert_eq!(house.arrives(source(1)).1, Some(ids[1]));
        assert_eq!(house.arrives(source(2)).1, None, "another has its own");
        assert!(enter_as(&mut house, ids[0]).is_ok());
        assert!(house.speaks(ids[1]).is_err(), "it has gone");
    }

    #[test]
    fn silent_ones_take_no_handshake_and_handshakes_no_connection() {
        let mut house = Admission::new(LIMITS);
        let (other, _) = house.arrives(source(9));
        let gone = (0..1000).filter_map(|_| house.arrives(source(1)).1);
        assert!(!gone.collect::<Vec<_>>().contains(&other));
        assert_eq!(house.speaks(other), Ok(None));
        for _ in 0..1000 {
            let (id, _) = house.arrives(source(1));
            assert_ne!(house.speaks(id), Ok(Some(other)));
        }
        assert!(enter_as(&mut house, other).is_ok());
    }

    fn enter_as(house: &mut Admission, id: Id) -> Result<Option<Id>, String> {
        let standing = Standing {
            holder: "ann".into(),
            rank: Rank::Operator,
        };
        house.enters(id, standing, |_| false)
    }

    #[test]
    fn when_all_places_are_taken_the_source_with_most_gives_one() {
        let mut house = Admission::new(LIMITS);
        let one = house.arrives(source(1)).0;
        let ids: Vec<Id> = (0..4).map(|_| house.arrives(source(2)).0).collect();
        for last in 3..6 {
            assert_eq!(house.arrives(source(last)).1, None);
        }
        assert_eq!(house.arrives(source(7)).1, Some(ids[0]));
        assert_eq!(house.speaks(one), Ok(None));
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_a_mapped_address_is_ipv4() {
        let mut house = Admission::new(LIMITS);
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = house.arrives(from("2001:db8::1")).0;
        for last in 2..5 {
            assert_eq!(house.arrives(from(&format!("2001:db8::{last}"))).1, None);
        }
        assert_eq!(house.arrives(from("2001:db8::ffff")).1, Some(first));
        assert_eq!(house.arrives(from("2001:db8:0:1::1")).1, None);
        assert_eq!(network(from("::ffff:192.0.2.1")), source(1));
    }

    #[test]
    fn a_holder_with_all_its_connections_gives_the_oldest_quiet_one() {
        let mut house = Admission::new(LIMITS);
        for _ in 0..3 {
            assert_eq!(enter(&mut house, "eve", Rank::Viewer, &[]), Ok(None));
        }
        assert_eq!(enter(&mut house, "eve", Rank::Viewer, &[1]), Ok(Some(2)));
        let refused = enter(&mut house, "eve", Rank::Viewer, &[1, 3, 4]).unwrap_err();
        assert_eq!(refused, "it has 3 connections at work already");
        assert_eq!(enter(&mut house, "bob", Rank::Viewer, &[1, 3, 4]), Ok(None));
    }

    #[test]
    fn viewers_leave_places_to_operators_and_these_to_admins() {
        let mut house = Admission::new(LIMITS);
        let all: Vec<Id> = (0..100).collect();
        let mut fill = |rank: Rank| {
            let mut count = 0;
            while enter(&mut house, &format!("{rank:?}{count}"), rank, &all).is_ok() {
                count += 1;
            }
            count
        };
        assert_eq!(fill(Rank::Viewer), 6);
        assert_eq!(fill(Rank::Operator), 4);
        assert_eq!(fill(Rank::Admin), 2);
    }

    #[test]
    fn a_full_house_closes_a_quiet_connection_of_those_who_may_do_no_more() {
        let mut house = Admission::new(LIMITS);
        for holder in ["ann", "bob"] {
            for _ in 0..3 {
                assert_eq!(enter(&mut house, holder, Rank::Operator, &[]), Ok(None));
            }
        }
        assert!(enter(&mut house, "eve", Rank::Viewer, &[]).is_err());
        for _ in 0..2 {
            assert_eq!(enter(&mut house, "joe", Rank::Operator, &[]), Ok(None));
        }
        for _ in 0..2 {
            assert_eq!(enter(&mut house, "kim", Rank::Operator, &[]), Ok(None));
        }
        // The house is full for operators: one of those with most goes.
        assert!(
            enter(&mut house, "liz", Rank::Operator, &[])
                .unwrap()
                .is_some()
        );
        assert_eq!(house.guests.len(), 10);
    }
}
