//! Links, addresses, routes and sysctls, by rtnetlink in the calling thread's network namespace.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use futures_util::TryStreamExt;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{
    Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
};
use thiserror::Error;

use crate::scenario::{Node, Prefix, Route};

/// A piece of the topology that could not be made.
#[derive(Debug, Error)]
pub(crate) enum NetworkError {
    #[error("cannot {doing}: {source}")]
    Netlink {
        doing: String,
        source: rtnetlink::Error,
    },
    #[error("there is no interface {0}")]
    NoInterface(String),
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[from] io::Error),
    #[error("cannot set {key} to {value}: {source}")]
    Sysctl {
        key: String,
        value: String,
        source: io::Error,
    },
}

fn failed(doing: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> NetworkError {
    let doing = doing.into();
    move |source| NetworkError::Netlink { doing, source }
}

/// A handle for the network namespace of the calling thread, on the current runtime.
pub(crate) fn connect() -> io::Result<Handle> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    tokio::task::spawn_local(connection);
    Ok(handle)
}

/// Makes a bridge without spanning tree and multicast snooping; returns its index.
pub(crate) async fn make_bridge(handle: &Handle, name: &str) -> Result<u32, NetworkError> {
    let bridge = LinkBridge::new(name).mcast_snooping(false).up().build();
    handle
        .link()
        .add(bridge)
        .execute()
        .await
        .map_err(failed(format!("make the bridge {name}")))?;
    index_of(handle, name).await
}

/// Joins a node's interface to a bridge: `port` stays here, its peer appears in the node.
pub(crate) async fn plug(
    handle: &Handle,
    bridge: u32,
    port: &str,
    interface: &str,
    node: BorrowedFd<'_>,
) -> Result<(), NetworkError> {
    let peer = LinkMessageBuilder::<LinkUnspec>::new()
        .name(interface)
        .setns_by_fd(node.as_raw_fd())
        .build();
    let pair = LinkVeth::new(port, interface)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .controller(bridge)
        .up()
        .build();
    handle
        .link()
        .add(pair)
        .execute()
        .await
        .map_err(failed(format!("make the link {port} to {interface}")))
}

/// Sets up everything of a node: sysctls first, so that they hold from the first packet on.
pub(crate) async fn configure(handle: &Handle, node: &Node) -> Result<(), NetworkError> {
    let mut defaults = vec![
        ("net/ipv4/ip_forward".to_owned(), "0"),
        ("net/ipv4/conf/all/rp_filter".to_owned(), "0"),
        ("net/ipv4/conf/default/rp_filter".to_owned(), "0"),
        ("net/ipv6/conf/all/accept_dad".to_owned(), "0"),
        ("net/ipv6/conf/default/accept_dad".to_owned(), "0"),
    ];
    for interface in &node.interfaces {
        defaults.push((format!("net/ipv4/conf/{}/rp_filter", interface.name), "0"));
        defaults.push((format!("net/ipv6/conf/{}/accept_dad", interface.name), "0"));
    }
    for (key, value) in &defaults {
        // A kernel without IPv6 has no such keys.
        match set_sysctl(key, value) {
            Err(error) if !key.starts_with("net/ipv6/") => return Err(error),
            _ => {}
        }
    }
    for (key, value) in &node.sysctls {
        set_sysctl(key, value)?;
    }
    let loopback = index_of(handle, "lo").await?;
    set_link(handle, "lo", true).await?;
    for prefix in &node.loopback {
        add_address(handle, "lo", loopback, *prefix).await?;
    }
    for interface in &node.interfaces {
        let index = index_of(handle, &interface.name).await?;
        for prefix in &interface.addresses {
            add_address(handle, &interface.name, index, *prefix).await?;
        }
        set_link(handle, &interface.name, true).await?;
    }
    for route in &node.routes {
        add_route(handle, route).await?;
    }
    Ok(())
}

/// Sets an interface up or down.
pub(crate) async fn set_link(handle: &Handle, name: &str, up: bool) -> Result<(), NetworkError> {
    let index = index_of(handle, name).await?;
    let builder = LinkUnspec::new_with_index(index);
    let message = if up { builder.up() } else { builder.down() }.build();
    let direction = if up { "up" } else { "down" };
    handle
        .link()
        .set(message)
        .execute()
        .await
        .map_err(failed(format!("set {name} {direction}")))
}

async fn add_address(
    handle: &Handle,
    name: &str,
    index: u32,
    prefix: Prefix,
) -> Result<(), NetworkError> {
    handle
        .address()
        .add(index, prefix.address, prefix.length)
        .execute()
        .await
        .map_err(failed(format!("add {prefix} to {name}")))
}

async fn add_route(handle: &Handle, route: &Route) -> Result<(), NetworkError> {
    let message = match route.via {
        IpAddr::V4(gateway) => {
            let builder = RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway);
            match route.to {
                Some(Prefix {
                    address: IpAddr::V4(to),
                    length,
                }) => builder.destination_prefix(to, length).build(),
                _ => builder.build(),
            }
        }
        IpAddr::V6(gateway) => {
            let builder = RouteMessageBuilder::<Ipv6Addr>::new().gateway(gateway);
            match route.to {
                Some(Prefix {
                    address: IpAddr::V6(to),
                    length,
                }) => builder.destination_prefix(to, length).build(),
                _ => builder.build(),
            }
        }
    };
    handle
        .route()
        .add(message)
        .execute()
        .await
        .map_err(failed(format!("add a route via {}", route.via)))
}

async fn index_of(handle: &Handle, name: &str) -> Result<u32, NetworkError> {
    let mut links = handle.link().get().match_name(name.to_owned()).execute();
    match links.try_next().await {
        Ok(Some(link)) => Ok(link.header.index),
        Ok(None) => Err(NetworkError::NoInterface(name.to_owned())),
        Err(source) => Err(NetworkError::Netlink {
            doing: format!("find the interface {name}"),
            source,
        }),
    }
}

fn set_sysctl(key: &str, value: &str) -> Result<(), NetworkError> {
    // With slashes, as sysctl(8) takes them too, for interfaces with a dot in their name.
    let below = if key.contains('/') {
        key.to_owned()
    } else {
        key.replace('.', "/")
    };
    let path = format!("/proc/sys/{below}");
    fs::write(path, value).map_err(|source| NetworkError::Sysctl {
        key: key.to_owned(),
        value: value.to_owned(),
        source,
    })
}
