//! What a word of the command line names: a real server, a virtual server, an address.

use std::net::{IpAddr, SocketAddr};

/// A real server as an operator writes it: `10.0.0.4:80`, `10.0.0.4`, or `VIRTUAL_SERVER/10.0.0.4:80`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerTarget {
    virtual_server: Option<String>,
    address: IpAddr,
    port: Option<u16>,
}

/// The word names no real server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no real server; write ADDRESS:PORT, ADDRESS, or VIRTUAL_SERVER/ADDRESS:PORT as `director status` shows them"
)]
pub(crate) struct TargetError(String);

impl ServerTarget {
    /// Understands a word.
    pub(crate) fn parse(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError(text.chars().take(200).collect());
        let (virtual_server, server) = match text.rsplit_once('/') {
            Some((before, server)) => (Some(before.trim().to_owned()), server.trim()),
            None => (None, text.trim()),
        };
        let (address, port) = if let Ok(both) = server.parse::<SocketAddr>() {
            (both.ip(), Some(both.port()))
        } else {
            let bare = server.trim_start_matches('[').trim_end_matches(']');
            (bare.parse().map_err(|_| wrong())?, None)
        };
        Ok(Self {
            virtual_server,
            address,
            port,
        })
    }

    /// Whether it names this real server of a virtual server with this name and these services.
    pub(crate) fn names<S: AsRef<str>>(
        &self,
        name: &str,
        services: &[S],
        server: SocketAddr,
    ) -> bool {
        self.address == server.ip()
            && self.port.is_none_or(|port| port == server.port())
            && self
                .virtual_server
                .as_ref()
                .is_none_or(|wanted| names_virtual_server(wanted, name, services))
    }
}

/// Whether a word names a virtual server: its name, one of its services as `director status` shows them, or address and
/// port of one.
pub(crate) fn names_virtual_server<S: AsRef<str>>(word: &str, name: &str, services: &[S]) -> bool {
    let same_service = |service: &S| {
        let service = service.as_ref();
        let (_, address) = service.split_once(' ').unwrap_or(("", service));
        service.eq_ignore_ascii_case(word) || (!service.starts_with("FWM") && address == word)
    };
    name == word || services.iter().any(same_service)
}

/// Whether a virtual server has a service on this address.
pub(crate) fn has_address<S: AsRef<str>>(services: &[S], address: IpAddr) -> bool {
    services.iter().any(|service| {
        let address_and_port = service.as_ref().split_once(' ').map(|(_, rest)| rest);
        let parsed = address_and_port.and_then(|text| text.parse::<SocketAddr>().ok());
        parsed.is_some_and(|parsed| parsed.ip() == address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "[172.16.1.8]:tcp:80";
    const SERVICES: [&str; 1] = ["TCP 172.16.1.8:80"];

    fn names(text: &str, server: &str) -> bool {
        let target = ServerTarget::parse(text).unwrap();
        target.names(NAME, &SERVICES, server.parse().unwrap())
    }

    #[test]
    fn real_servers_are_named_in_three_ways() {
        for text in [
            "10.0.0.4:80",
            "10.0.0.4",
            "[172.16.1.8]:tcp:80/10.0.0.4:80",
            "172.16.1.8:80/10.0.0.4",
            "tcp 172.16.1.8:80/10.0.0.4",
        ] {
            assert!(names(text, "10.0.0.4:80"), "{text}");
        }
        for text in [
            "10.0.0.4:81",
            "10.0.0.5",
            "other/10.0.0.4:80",
            "172.16.1.8:81/10.0.0.4",
        ] {
            assert!(!names(text, "10.0.0.4:80"), "{text}");
        }
        assert!(names("[fd00::4]:80", "[fd00::4]:80"));
        assert!(names("fd00::4", "[fd00::4]:80"));
        for wrong in ["", "web1", "10.0.0:80", "a/b"] {
            assert!(ServerTarget::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn virtual_servers_are_named_by_name_or_service() {
        assert!(names_virtual_server(NAME, NAME, &SERVICES));
        assert!(names_virtual_server("172.16.1.8:80", NAME, &SERVICES));
        assert!(!names_virtual_server("172.16.1.8", NAME, &SERVICES));
        assert!(names_virtual_server("fwm 7", "FWM 7", &["FWM 7"]));
        assert!(!names_virtual_server("7", "FWM 7", &["FWM 7"]));
        let address = |text: &str| text.parse().unwrap();
        assert!(has_address(&SERVICES, address("172.16.1.8")));
        assert!(!has_address(&SERVICES, address("172.16.1.9")));
    }
}
