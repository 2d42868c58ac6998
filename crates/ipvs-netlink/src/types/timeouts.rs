use std::fmt;

/// How long idle connections are kept, in seconds (`IPVS_CMD_SET_CONFIG`, `ipvsadm --set`).
///
/// Each is 1 to `i32::MAX / HZ` (the kernel refuses more). When setting, `0` leaves a value as
/// it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timeouts {
    /// Established TCP connections; the kernel starts with 900.
    pub tcp: u32,
    /// TCP connections after a FIN; 120.
    pub tcp_fin: u32,
    /// UDP; 300.
    pub udp: u32,
}

impl Timeouts {
    /// What a kernel has that nobody has told otherwise.
    pub const KERNEL_DEFAULT: Self = Self {
        tcp: 900,
        tcp_fin: 120,
        udp: 300,
    };

    /// What the kernel has after `self` is set while `before` is in force.
    #[must_use]
    pub const fn over(self, before: Self) -> Self {
        const fn pick(new: u32, old: u32) -> u32 {
            if new == 0 { old } else { new }
        }
        Self {
            tcp: pick(self.tcp, before.tcp),
            tcp_fin: pick(self.tcp_fin, before.tcp_fin),
            udp: pick(self.udp, before.udp),
        }
    }
}

impl fmt::Display for Timeouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tcp {} tcpfin {} udp {}",
            self.tcp, self.tcp_fin, self.udp
        )
    }
}
