use std::net::IpAddr;

use super::consts::{af, netlink};
use super::reader::align;
use crate::types::Family;

/// Writes netlink messages to the end of a buffer that is used again and again.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

/// What stands in the header of a message.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// A message with the body that `body` writes.
    pub(crate) fn message(&mut self, header: Header, body: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        let [k0, k1] = header.kind.to_ne_bytes();
        let [f0, f1] = header.flags.to_ne_bytes();
        let [s0, s1, s2, s3] = header.sequence.to_ne_bytes();
        self.out
            .extend_from_slice(&[0, 0, 0, 0, k0, k1, f0, f1, s0, s1, s2, s3, 0, 0, 0, 0]);
        body(self);
        let len = u32::try_from(self.out.len() - start).unwrap_or(u32::MAX);
        if let Some(field) = self.out.get_mut(start..start + 4) {
            field.copy_from_slice(&len.to_ne_bytes());
        }
        self.pad();
    }

    /// A generic-netlink message.
    pub(crate) fn generic(
        &mut self,
        header: Header,
        command: u8,
        version: u8,
        body: impl FnOnce(&mut Self),
    ) {
        self.message(header, |writer| {
            writer.out.extend_from_slice(&[command, version, 0, 0]);
            body(writer);
        });
    }

    /// An attribute that holds attributes.
    pub(crate) fn nested(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 2]);
        self.out
            .extend_from_slice(&(kind | netlink::NESTED).to_ne_bytes());
        body(self);
        let len = u16::try_from(self.out.len() - start).unwrap_or(u16::MAX);
        if let Some(field) = self.out.get_mut(start..start + 2) {
            field.copy_from_slice(&len.to_ne_bytes());
        }
    }

    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        // Every value of this family is shorter than 64 KiB by its type.
        let len = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.head(len, kind);
        self.out.extend_from_slice(value);
        self.pad();
    }

    pub(crate) fn u8(&mut self, kind: u16, value: u8) {
        self.bytes(kind, &[value]);
    }

    pub(crate) fn u16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    pub(crate) fn u16_be(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    pub(crate) fn u32_be(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Text with its closing NUL.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        let len = u16::try_from(value.len() + 5).unwrap_or(u16::MAX);
        self.head(len, kind);
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(0);
        self.pad();
    }

    pub(crate) fn family(&mut self, kind: u16, family: Family) {
        self.u16(
            kind,
            match family {
                Family::V4 => af::INET,
                Family::V6 => af::INET6,
            },
        );
    }

    /// An address in the kernel's union of 16 bytes.
    pub(crate) fn address(&mut self, kind: u16, address: IpAddr) {
        let mut union = [0; 16];
        match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                union = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            }
            IpAddr::V6(v6) => union.copy_from_slice(&v6.octets()),
        }
        self.bytes(kind, &union);
    }

    #[cfg(feature = "fake")]
    /// Raw bytes, for the fixed parts of acknowledgements.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn head(&mut self, len: u16, kind: u16) {
        let [l0, l1] = len.to_ne_bytes();
        let [k0, k1] = kind.to_ne_bytes();
        self.out.extend_from_slice(&[l0, l1, k0, k1]);
    }

    fn pad(&mut self) {
        let len = self.out.len();
        if len != align(len) {
            self.out.resize(align(len), 0);
        }
    }
}
