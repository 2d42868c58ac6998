//! The request of a check, byte for byte as keepalived sends it.

use std::net::SocketAddr;

use super::HttpProtocol;

/// A `GET` request without a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request<'a> {
    /// Version, and whether it asks the server to close.
    pub protocol: HttpProtocol,
    /// What stands in the request line.
    pub path: &'a str,
    /// The `Host` field; the address and port of the target if `None`.
    pub virtual_host: Option<&'a str>,
    /// Where the request goes.
    pub target: SocketAddr,
}

impl Request<'_> {
    /// True if the text can stand in a request: without blanks and control characters.
    #[must_use]
    pub fn is_safe(text: &str) -> bool {
        !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
    }

    /// The request as it goes over the wire. Path and host must be [safe](Self::is_safe).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (version, connection) = match self.protocol {
            HttpProtocol::Http10 => ("1.0", ""),
            HttpProtocol::Http10Close => ("1.0", "Connection: close\r\n"),
            HttpProtocol::Http10KeepAlive => ("1.0", "Connection: keep-alive\r\n"),
            HttpProtocol::Http11 => ("1.1", "Connection: close\r\n"),
            HttpProtocol::Http11KeepAlive => ("1.1", "Connection: keep-alive\r\n"),
        };
        let address;
        let host = match self.virtual_host {
            Some(host) => host,
            None => {
                address = self.target.to_string();
                &address
            }
        };
        format!(
            "GET {} HTTP/{version}\r\nUser-Agent: KeepAliveClient\r\n{connection}Host: {host}\r\n\r\n",
            self.path
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_request_of_each_protocol() {
        let target = SocketAddr::from(([10, 0, 0, 1], 8080));
        let mut request = Request {
            protocol: HttpProtocol::Http10,
            path: "/a",
            virtual_host: None,
            target,
        };
        let text = |request: &Request<'_>| String::from_utf8(request.encode()).unwrap();
        assert_eq!(
            text(&request),
            "GET /a HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.0.0.1:8080\r\n\r\n"
        );
        request.protocol = HttpProtocol::Http11;
        request.virtual_host = Some("www.example.org");
        assert_eq!(
            text(&request),
            "GET /a HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\n\
             Host: www.example.org\r\n\r\n"
        );
        request.virtual_host = None;
        request.target = "[2001:db8::1]:80".parse().unwrap();
        assert!(text(&request).contains("Host: [2001:db8::1]:80\r\n"));
    }

    #[test]
    fn text_that_would_break_the_request_is_not_safe() {
        assert!(Request::is_safe("/a?b=%20"));
        for text in ["", "/a b", "/a\r\nX: y", "/\t", "/\u{7f}"] {
            assert!(!Request::is_safe(text), "{text:?}");
        }
    }
}
