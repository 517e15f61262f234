//! What the kernel has, and doing a plan's steps: rtnetlink(7), and a few of
//! `/proc/sys/net/ipv6`.

use std::net::IpAddr;
use std::path::Path;

use aios_config::BondMode;
use anyhow::{Context, Result};
use futures_util::{Stream, StreamExt};
use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressProtocol};
use netlink_packet_route::link::{
    BondMode as KernelBondMode, InfoBond, InfoBondPort, InfoData, InfoPortData, InfoVlan,
    LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol,
};
use rtnetlink::{Handle, LinkBond, LinkUnspec, LinkVlan, RouteMessageBuilder};

use crate::plan::{Action, Address, Link, Made, Seen, Six, Way};

/// Marks addresses as ours (`IFA_PROTO`, one byte of the administrator's choice).
const OURS: u8 = b'a';

/// Marks interfaces that we made (`IFLA_IFALIAS`).
const ALIAS: &str = "aios-network";

/// How often a bond looks at its members' links, ms (Linux's documentation names 100).
const MIIMON: u32 = 100;

/// The kernel's table of ordinary routes (`RT_TABLE_MAIN`).
const MAIN: u8 = 254;

/// Looks at everything.
///
/// # Errors
/// When the kernel does not answer.
pub async fn look(handle: &Handle) -> Result<Seen> {
    let mut links: Vec<Link> = Vec::new();
    let all = collect(handle.link().get().execute())
        .await
        .context("list interfaces")?;
    links.extend(all.into_iter().filter_map(link));
    for message in collect(handle.address().get().execute())
        .await
        .context("list addresses")?
    {
        let index = message.header.index;
        if let (Some(link), Some(found)) = (
            links.iter_mut().find(|link| link.index == index),
            address(&message),
        ) {
            link.addresses.push(found);
        }
    }
    links.sort_by_key(|link| link.index);
    let mut routes = Vec::new();
    let families = [
        RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(),
        RouteMessageBuilder::<std::net::Ipv6Addr>::new().build(),
    ];
    for family in families {
        let all = collect(handle.route().get(family).execute())
            .await
            .context("list routes")?;
        routes.extend(all.iter().filter_map(way));
    }
    Ok(Seen { links, routes })
}

async fn collect<T>(stream: impl Stream<Item = Result<T, rtnetlink::Error>>) -> Result<Vec<T>> {
    let mut stream = std::pin::pin!(stream);
    let mut all = Vec::new();
    while let Some(item) = stream.next().await {
        all.push(item?);
    }
    Ok(all)
}

fn link(message: LinkMessage) -> Option<Link> {
    let mut link = Link {
        index: message.header.index,
        up: message.header.flags.contains(LinkFlags::Up),
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        ..Link::default()
    };
    let (mut below, mut abroad, mut ours, mut info, mut before_bond) =
        (0, false, false, None, None);
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(index) => link.controller = Some(index),
            LinkAttribute::Link(index) => below = index,
            LinkAttribute::LinkNetNsId(_) => abroad = true, // another namespace's number
            LinkAttribute::IfAlias(alias) => ours = alias == ALIAS,
            LinkAttribute::Address(bytes) => link.mac = mac(&bytes),
            LinkAttribute::PermAddress(bytes) => link.permanent = mac(&bytes),
            LinkAttribute::LinkInfo(infos) => {
                before_bond = infos.iter().find_map(mac_before_bond);
                info = infos.into_iter().find_map(|info| match info {
                    LinkInfo::Data(data) => Some(data),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    if message.header.link_layer_type == LinkLayerType::Loopback {
        return None;
    }
    link.permanent = link.permanent.or(before_bond);
    let is_vlan = matches!(info, Some(InfoData::Vlan(_)));
    link.below = (is_vlan && !abroad).then_some(below);
    link.made = info.filter(|_| ours).and_then(|info| made(&info, below));
    let ethernet = message.header.link_layer_type == LinkLayerType::Ether;
    let device = Path::new("/sys/class/net").join(&link.name).join("device");
    link.hardware = ethernet && device.exists();
    link.ipv6 = six(&link.name);
    Some(link)
}

/// Of Ethernet; zeros are none.
fn mac(bytes: &[u8]) -> Option<String> {
    let is_one = bytes.len() == 6 && bytes.iter().any(|byte| *byte != 0);
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    is_one.then(|| bytes.join(":"))
}

/// What a bond's member gets back when it leaves.
fn mac_before_bond(info: &LinkInfo) -> Option<String> {
    let LinkInfo::PortData(InfoPortData::BondPort(infos)) = info else {
        return None;
    };
    infos.iter().find_map(|info| match info {
        InfoBondPort::PermHwaddr(bytes) => mac(bytes),
        _ => None,
    })
}

fn made(info: &InfoData, below: u32) -> Option<Made> {
    match info {
        InfoData::Vlan(infos) => infos.iter().find_map(|info| match info {
            InfoVlan::Id(id) => Some(Made::Vlan(below, *id)),
            _ => None,
        }),
        InfoData::Bond(infos) => infos.iter().find_map(|info| match info {
            InfoBond::Mode(KernelBondMode::BalanceRr) => Some(Made::Bond(BondMode::BalanceRr)),
            InfoBond::Mode(KernelBondMode::BalanceXor) => Some(Made::Bond(BondMode::BalanceXor)),
            InfoBond::Mode(KernelBondMode::Ieee8023Ad) => Some(Made::Bond(BondMode::Lacp)),
            InfoBond::Mode(_) => Some(Made::Bond(BondMode::ActiveBackup)),
            _ => None,
        }),
        _ => None,
    }
}

fn address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut peer, mut ours) = (None, None, false);
    for attribute in &message.attributes {
        match attribute {
            // IPv4 names its own address local; IPv6 has only the other one.
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => peer = Some(*address),
            AddressAttribute::Protocol(AddressProtocol::Other(OURS)) => ours = true,
            _ => {}
        }
    }
    let net = IpNet::new(local.or(peer)?, message.header.prefix_len).ok()?;
    Some(Address { net, ours })
}

/// Our routes, and default routes of others.
fn way(message: &RouteMessage) -> Option<Way> {
    let (mut index, mut via, mut to, mut metric) = (None, None, None, 0);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(oif) => index = Some(*oif),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => {
                via = Some(IpAddr::from(*address))
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => {
                via = Some(IpAddr::from(*address))
            }
            RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                to = Some(IpAddr::from(*address))
            }
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => {
                to = Some(IpAddr::from(*address))
            }
            RouteAttribute::Priority(priority) => metric = *priority,
            _ => {}
        }
    }
    let ours = message.header.protocol == RouteProtocol::Static;
    let length = message.header.destination_prefix_length;
    if message.header.table != MAIN || (!ours && length != 0) {
        return None;
    }
    let via = via?;
    let any = match via {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    Some(Way {
        index: index?,
        to: IpNet::new(to.unwrap_or(any), length).ok()?,
        via,
        direct: message.header.flags.contains(RouteFlags::Onlink),
        metric,
        ours,
    })
}

fn six(name: &str) -> Option<Six> {
    let read = |key: &str| std::fs::read_to_string(sysctl(name, key)).ok();
    let disabled = read("disable_ipv6")?.trim() != "0";
    let accepts = read("accept_ra")?.trim() != "0";
    Some(Six {
        disabled,
        // Nothing is accepted where there is no IPv6.
        accepts_routers: accepts && !disabled,
    })
}

fn sysctl(name: &str, key: &str) -> std::path::PathBuf {
    Path::new("/proc/sys/net/ipv6/conf").join(name).join(key)
}

/// Does one step.
///
/// # Errors
/// What the kernel answered.
pub async fn act(handle: &Handle, action: &Action) -> Result<()> {
    let links = handle.link();
    let set = |message| links.set(message).execute();
    match action {
        Action::Delete { index } => links.del(*index).execute().await?,
        Action::Rename { index, to } => {
            set(LinkUnspec::new_with_index(*index).down().build()).await?;
            set(LinkUnspec::new_with_index(*index).name(to).build()).await?;
        }
        Action::AddBond { name, mode } => {
            let mode = match mode {
                BondMode::BalanceRr => KernelBondMode::BalanceRr,
                BondMode::ActiveBackup => KernelBondMode::ActiveBackup,
                BondMode::BalanceXor => KernelBondMode::BalanceXor,
                BondMode::Lacp => KernelBondMode::Ieee8023Ad,
            };
            let bond = LinkBond::new(name).mode(mode).miimon(MIIMON);
            links.add(marked(bond.build())).execute().await?;
            mark(handle, name).await?;
        }
        Action::AddVlan { name, parent, id } => {
            let vlan = LinkVlan::new(name, *parent, *id);
            links.add(marked(vlan.build())).execute().await?;
            mark(handle, name).await?;
        }
        Action::Enslave { index, controller } => {
            // A bond only takes members that are down, and brings them up itself.
            set(LinkUnspec::new_with_index(*index).down().build()).await?;
            let link = LinkUnspec::new_with_index(*index);
            let link = link.controller(controller.unwrap_or(0));
            set(link.build()).await?;
        }
        Action::Mtu { index, mtu } => {
            set(LinkUnspec::new_with_index(*index).mtu(*mtu).build()).await?;
        }
        Action::Ipv6 { name, six } => {
            let write =
                |key: &str, on: bool| std::fs::write(sysctl(name, key), if on { "1" } else { "0" });
            write("accept_ra", six.accepts_routers)?;
            write("disable_ipv6", six.disabled)?;
        }
        Action::Up { index } => set(LinkUnspec::new_with_index(*index).up().build()).await?,
        Action::Down { index } => set(LinkUnspec::new_with_index(*index).down().build()).await?,
        Action::AddAddress { index, net } => {
            let mut add = handle.address().add(*index, net.addr(), net.prefix_len());
            let ours = AddressAttribute::Protocol(AddressProtocol::Other(OURS));
            add.message_mut().attributes.push(ours);
            add.execute().await?;
        }
        Action::RemoveAddress { index, net } => {
            let add = handle.address().add(*index, net.addr(), net.prefix_len());
            let mut add = add;
            let message = add.message_mut().clone();
            handle.address().del(message).execute().await?;
        }
        Action::AddRoute(way) => {
            handle.route().add(route(way)?).replace().execute().await?;
        }
        Action::RemoveRoute(way) => handle.route().del(route(way)?).execute().await?,
    }
    Ok(())
}

fn marked(mut message: LinkMessage) -> LinkMessage {
    message
        .attributes
        .push(LinkAttribute::IfAlias(ALIAS.to_owned()));
    message
}

/// Some kernels do not take an alias when an interface is made.
async fn mark(handle: &Handle, name: &str) -> Result<()> {
    let message = marked(LinkUnspec::new_with_name(name).build());
    Ok(handle.link().set(message).execute().await?)
}

fn route(way: &Way) -> Result<RouteMessage> {
    let message = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(way.to.addr(), way.to.prefix_len())?
        .gateway(way.via)?
        .output_interface(way.index)
        .priority(way.metric)
        .protocol(RouteProtocol::Static);
    let mut message = message.build();
    if way.direct {
        message.header.flags |= RouteFlags::Onlink;
    }
    Ok(message)
}

#[cfg(test)]
#[path = "netlink_tests.rs"]
mod tests;
