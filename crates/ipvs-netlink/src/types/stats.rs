/// Totals since the service or destination was made or zeroed (`IPVS_STATS_ATTR_CONNS` and on).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; only what passes the director counts, so zero with direct routing.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients, as for `packets_out`.
    pub bytes_out: u64,
}

/// Rates, an average over the last seconds that the kernel keeps (`IPVS_STATS_ATTR_CPS` and on).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rates {
    /// Connections per second.
    pub connections: u64,
    /// Packets from clients per second.
    pub packets_in: u64,
    /// Packets to clients per second.
    pub packets_out: u64,
    /// Bytes from clients per second.
    pub bytes_in: u64,
    /// Bytes to clients per second.
    pub bytes_out: u64,
}

/// Totals and rates of a service or destination.
///
/// From the 64-bit block (`IPVS_SVC_ATTR_STATS64`, `IPVS_DEST_ATTR_STATS64`, since Linux 4.1);
/// an older kernel's 32-bit block is read instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stats {
    /// Totals.
    pub counters: Counters,
    /// Rates per second.
    pub rates: Rates,
}
