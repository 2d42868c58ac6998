//! Errors of starting and changing the engine.

use std::io;

use crate::address::AddressError;

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration contradicts itself or the machine.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// Raw sockets are for root.
    #[error("{doing} is not permitted: run as root or with CAP_NET_ADMIN and CAP_NET_RAW")]
    Privilege {
        /// What was tried.
        doing: &'static str,
    },
    /// The kernel's routing socket cannot be used.
    #[error("cannot talk to the kernel's rtnetlink while {doing}")]
    Netlink {
        /// What was tried.
        doing: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The engine's thread, runtime or timer could not be made.
    #[error("cannot start the vrrp thread: {doing} failed")]
    Thread {
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The thread ended before it said that it runs.
    #[error("the vrrp thread ended while starting, this is a defect: please report it")]
    Died,
}

/// Why a configuration was refused; nothing has been changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// `interface` or `dev` names nothing.
    #[error(
        "instance {instance}: interface {interface} does not exist, create it first or allow late interfaces"
    )]
    NoSuchInterface {
        /// The instance.
        instance: String,
        /// The missing interface.
        interface: String,
    },
    /// A router without an interface of its own.
    #[error("instance {instance} has no interface: {problem}")]
    NoInterface {
        /// The instance.
        instance: String,
        /// What to do.
        problem: &'static str,
    },
    /// VRRP needs a link.
    #[error("instance {instance}: interface {interface} is a loopback, vrrp cannot run on it")]
    Loopback {
        /// The instance.
        instance: String,
        /// The interface.
        interface: String,
    },
    /// An interface on top of another one that cannot be made.
    #[error("instance {instance}: interface {name}: {problem}")]
    VirtualLink {
        /// The instance.
        instance: String,
        /// The interface to be made.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Names are keys.
    #[error("{kind} {name} is configured twice, give each its own name")]
    DuplicateName {
        /// `instance`, `group` or `tracker`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// One virtual router per interface, family and VRID.
    #[error(
        "instances {first} and {second} both use virtual router id {vrid} on {interface}, give one another id"
    )]
    DuplicateRouterId {
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// The number both have.
        vrid: u8,
        /// The interface both run on.
        interface: String,
    },
    /// Two instances cannot hold the same address.
    #[error("address {address} is in instances {first} and {second}, leave it in one")]
    DuplicateAddress {
        /// The address with its prefix length.
        address: String,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// An address that cannot be.
    #[error("instance {instance}: {problem}")]
    Address {
        /// The instance.
        instance: String,
        /// What is wrong.
        problem: AddressError,
    },
    /// A route or rule that cannot be.
    #[error(transparent)]
    Routing(#[from] crate::route::RoutingError),
    /// A route or static address names no interface that is there.
    #[error(
        "{entry}: interface {interface} does not exist, create it first or allow late interfaces"
    )]
    NoSuchDevice {
        /// The route or address.
        entry: String,
        /// The missing interface.
        interface: String,
    },
    /// A static address has no instance whose interface it could take.
    #[error("static address {address}: {problem}")]
    StaticAddress {
        /// The address.
        address: std::net::IpAddr,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A message carries one family and at most 255 addresses.
    #[error(
        "instance {instance}: advertised address {address} is not of the family of the others, exclude it"
    )]
    MixedFamilies {
        /// The instance.
        instance: String,
        /// The odd one.
        address: std::net::IpAddr,
    },
    /// Peers and source speak the family of the instance.
    #[error("instance {instance}: {what} {address} is not of the family of the virtual addresses")]
    WrongFamily {
        /// The instance.
        instance: String,
        /// `source`, `unicast peer` or `multicast group`.
        what: &'static str,
        /// The odd one.
        address: std::net::IpAddr,
    },
    /// The protocol's part is not possible.
    #[error("instance {instance}: {problem}")]
    Router {
        /// The instance.
        instance: String,
        /// What is wrong.
        problem: String,
    },
    /// A group names an instance that is not there, or that another group has.
    #[error("group {group}: member {member} is {problem}")]
    Group {
        /// The group.
        group: String,
        /// The member.
        member: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A track block names nothing.
    #[error("{user} tracks {tracker}, which is not configured")]
    NoSuchTracker {
        /// The instance or group.
        user: String,
        /// The name it uses.
        tracker: String,
    },
}

/// Why a reload did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The new configuration is refused; the running one stays in force.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The engine has been shut down.
    #[error("the vrrp engine has stopped")]
    Stopped,
}

/// Why an order did not reach an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// Nothing of that name runs.
    #[error("there is no instance {instance}, see the status for their names")]
    NoSuchInstance {
        /// The name asked for.
        instance: String,
    },
    /// The engine has been shut down.
    #[error("the vrrp engine has stopped")]
    Stopped,
}

/// The engine has been shut down, or its thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the vrrp engine has stopped")]
pub struct Stopped;
