//! The lines, octet by octet as keepalived writes them.

/// One line for the FIFOs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    vrrp: bool,
    octets: Vec<u8>,
}

impl Line {
    /// `INSTANCE "VI_1" MASTER 150`
    pub(crate) fn instance(name: &str, state: &str, priority: u8) -> Self {
        Self::vrrp("INSTANCE", name, state, priority)
    }

    /// `GROUP "VG_1" MASTER 0`: a group has no priority.
    pub(crate) fn group(name: &str, state: &str) -> Self {
        Self::vrrp("GROUP", name, state, 0)
    }

    /// `VS [172.16.1.8]:tcp:80 UP`
    pub(crate) fn virtual_server(name: &str, up: bool) -> Self {
        Self::lvs(&format!("VS {name} {}", word(up)))
    }

    /// `RS [10.0.0.1]:tcp:80 [172.16.1.8]:tcp:80 DOWN`
    pub(crate) fn real_server(name: &str, virtual_server: &str, up: bool) -> Self {
        Self::lvs(&format!("RS {name} {virtual_server} {}", word(up)))
    }

    fn vrrp(kind: &str, name: &str, state: &str, priority: u8) -> Self {
        Self {
            vrrp: true,
            octets: format!("{kind} \"{name}\" {state} {priority}\n").into_bytes(),
        }
    }

    /// keepalived ends these with a NUL behind the line break, and readers in C count on it.
    fn lvs(text: &str) -> Self {
        Self {
            vrrp: false,
            octets: format!("{text}\n\0").into_bytes(),
        }
    }

    pub(super) const fn is_vrrp(&self) -> bool {
        self.vrrp
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.octets
    }
}

const fn word(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_keepalived_s() {
        for (line, octets) in [
            (
                Line::instance("V1", "MASTER", 100),
                &b"INSTANCE \"V1\" MASTER 100\n"[..],
            ),
            (
                Line::instance("V2", "MASTER_PRIORITY", 80),
                b"INSTANCE \"V2\" MASTER_PRIORITY 80\n",
            ),
            (Line::group("G", "BACKUP"), b"GROUP \"G\" BACKUP 0\n"),
            (Line::virtual_server("FWM 7", true), b"VS FWM 7 UP\n\0"),
            (
                Line::real_server("[127.0.0.1]:tcp:8081", "[10.9.0.9]:tcp:80", false),
                b"RS [127.0.0.1]:tcp:8081 [10.9.0.9]:tcp:80 DOWN\n\0",
            ),
        ] {
            assert_eq!(line.as_bytes(), octets);
        }
    }
}
