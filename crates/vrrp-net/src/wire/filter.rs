//! A classic BPF program that lets only packets for the socket's own virtual routers wake the thread.

use std::collections::BTreeSet;

use vrrp_proto::{PROTOCOL_AH, PROTOCOL_VRRP};

use super::SocketKey;

// Instruction codes, put together as in `linux/bpf_common.h`.
const LOAD_BYTE_AT_X: u16 = 0x50;
const LOAD_WORD_AT_X: u16 = 0x40;
const LOAD_LENGTH: u16 = 0x80;
const LOAD_VALUE: u16 = 0x00;
const LOAD_STORED: u16 = 0x60;
const STORE: u16 = 0x02;
const STORE_X: u16 = 0x03;
const LOAD_STORED_X: u16 = 0x61;
const JUMP: u16 = 0x05;
const X_HEADER_LENGTH: u16 = 0xb1;
const X_FROM_A: u16 = 0x07;
const ADD_VALUE: u16 = 0x04;
const ADD_X: u16 = 0x0c;
const SUBTRACT_VALUE: u16 = 0x14;
const SHIFT_LEFT: u16 = 0x64;
const SHIFT_RIGHT: u16 = 0x74;
const SHIFT_RIGHT_BY_X: u16 = 0x7c;
const AND_VALUE: u16 = 0x54;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_X: u16 = 0x2d;
const JUMP_SET: u16 = 0x45;
const RETURN: u16 = 0x06;

const WHOLE_PACKET: u32 = u32::MAX;
const NOTHING: u32 = 0;

/// One instruction, as `struct sock_filter` of `linux/filter.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    /// Instructions left out when a comparison holds, and when it does not.
    pub(super) yes: u8,
    pub(super) no: u8,
    pub(super) value: u32,
}

/// The program for a socket with these virtual router ids, and the last words of these addresses: a packet with another
/// id passes if the first address it lists ends in one of them. Of the `ordinary` ids only resignations pass.
///
/// Raw IPv4 sockets see the packet from its IP header on, raw IPv6 sockets from the payload on. A packet too short to
/// have a virtual router id passes: who sends such things is to be told of. Behind an authentication header only VRRP
/// passes, so that other IPsec traffic of the machine is left alone.
pub(super) fn program(
    key: SocketKey,
    vrids: &BTreeSet<u8>,
    ordinary: &BTreeSet<u8>,
    addresses: &BTreeSet<u32>,
) -> Vec<Instruction> {
    let mut program = Program(Vec::new());
    program.find_id(key, WHOLE_PACKET);
    let at_once: BTreeSet<u8> = vrids.difference(ordinary).copied().collect();
    program.match_ids(&at_once, |program| program.put(RETURN, 0, 0, WHOLE_PACKET));
    program.match_ids(ordinary, |program| program.judge(WHOLE_PACKET, NOTHING));
    program.pass_addresses(key, addresses);
    program.put(RETURN, 0, 0, NOTHING);
    program.0
}

/// The program for the socket that takes what [`program`] leaves of the `ordinary` ids: adverts that do not resign.
pub(super) fn ordinary(key: SocketKey, vrids: &BTreeSet<u8>) -> Vec<Instruction> {
    let mut program = Program(Vec::new());
    program.find_id(key, NOTHING);
    program.match_ids(vrids, |program| program.judge(NOTHING, WHOLE_PACKET));
    program.put(RETURN, 0, 0, NOTHING);
    program.0
}

/// More addresses than this are not looked for: the kernel bounds the memory of a program.
const MOST_ADDRESSES: usize = 256;

struct Program(Vec<Instruction>);

impl Program {
    fn put(&mut self, code: u16, yes: u8, no: u8, value: u32) {
        self.0.push(Instruction {
            code,
            yes,
            no,
            value,
        });
    }

    /// Puts the place of the message into the second store, the id into the first, and its lower five bits into X. What
    /// is too short for that returns `short`.
    fn find_id(&mut self, key: SocketKey, short: u32) {
        if key.ipv6 {
            self.put(LOAD_VALUE, 0, 0, 0);
            self.put(X_FROM_A, 0, 0, 0);
        } else {
            self.put(X_HEADER_LENGTH, 0, 0, 0);
        }
        if key.protocol == PROTOCOL_AH {
            self.return_short_packets(short);
            self.put(LOAD_BYTE_AT_X, 0, 0, 0);
            self.put(JUMP_EQUAL, 1, 0, u32::from(PROTOCOL_VRRP));
            self.put(RETURN, 0, 0, NOTHING);
            // The header tells its length in words, less two.
            self.put(LOAD_BYTE_AT_X, 0, 0, 1);
            self.put(ADD_VALUE, 0, 0, 2);
            self.put(SHIFT_LEFT, 0, 0, 2);
            self.put(ADD_X, 0, 0, 0);
            self.put(X_FROM_A, 0, 0, 0);
        }
        self.return_short_packets(short);
        self.put(STORE_X, 0, 0, 1);
        // The id is the second byte.
        self.put(LOAD_BYTE_AT_X, 0, 0, 1);
        self.put(STORE, 0, 0, 0);
        self.put(AND_VALUE, 0, 0, 31);
        self.put(X_FROM_A, 0, 0, 0);
    }

    /// Does what `then` puts, which must return, for packets with one of these ids. The upper three bits of an id choose
    /// a word of the map of ids, X the bit in it.
    fn match_ids(&mut self, vrids: &BTreeSet<u8>, then: impl Fn(&mut Self)) {
        self.put(LOAD_STORED, 0, 0, 0);
        self.put(SHIFT_RIGHT, 0, 0, 5);
        let mut elsewhere = Vec::new();
        for word in 0..8_u8 {
            let ids = (0..32_u8).filter(|bit| vrids.contains(&(word * 32 + bit)));
            let map = ids.fold(0_u32, |map, bit| map | 1 << bit);
            if map == 0 {
                continue;
            }
            let this_word = self.0.len();
            self.put(JUMP_EQUAL, 0, 0, u32::from(word));
            self.put(LOAD_VALUE, 0, 0, map);
            self.put(SHIFT_RIGHT_BY_X, 0, 0, 0);
            let this_bit = self.0.len();
            self.put(JUMP_SET, 0, 0, 1);
            then(self);
            self.else_here(this_bit);
            elsewhere.push(self.0.len());
            self.put(JUMP, 0, 0, 0);
            self.else_here(this_word);
        }
        for at in elsewhere {
            self.jump_here(at);
        }
    }

    /// Returns one thing for an advert of priority 0, another for all others.
    fn judge(&mut self, resigning: u32, other: u32) {
        self.put(LOAD_STORED_X, 0, 0, 1);
        self.put(LOAD_BYTE_AT_X, 0, 0, 2);
        self.put(JUMP_EQUAL, 0, 1, 0);
        self.put(RETURN, 0, 0, resigning);
        self.put(RETURN, 0, 0, other);
    }

    /// Lets the comparison at that place lead to what comes next when it does not hold.
    fn else_here(&mut self, at: usize) {
        let distance = self.0.len().saturating_sub(at + 1);
        if let (Some(jump), Ok(distance)) = (self.0.get_mut(at), u8::try_from(distance)) {
            jump.no = distance;
        }
    }

    /// Lets the jump at that place lead to what comes next.
    fn jump_here(&mut self, at: usize) {
        let distance = self.0.len().saturating_sub(at + 1);
        if let (Some(jump), Ok(distance)) = (self.0.get_mut(at), u32::try_from(distance)) {
            jump.value = distance;
        }
    }

    /// Lets a packet pass whose first address is one of these. One that ends before it is dropped.
    fn pass_addresses(&mut self, key: SocketKey, addresses: &BTreeSet<u32>) {
        if addresses.is_empty() {
            return;
        }
        self.put(LOAD_STORED_X, 0, 0, 1);
        let before = if key.ipv6 { 8 + 12 } else { 8 };
        self.put(LOAD_WORD_AT_X, 0, 0, before);
        for address in addresses.iter().take(MOST_ADDRESSES) {
            self.put(JUMP_EQUAL, 0, 1, *address);
            self.put(RETURN, 0, 0, WHOLE_PACKET);
        }
    }

    /// Returns `what` for a packet that has less than two bytes after X; reading there would drop it.
    fn return_short_packets(&mut self, what: u32) {
        self.put(LOAD_LENGTH, 0, 0, 0);
        self.put(JUMP_GREATER_X, 0, 2, 0);
        self.put(SUBTRACT_VALUE, 0, 0, 1);
        self.put(JUMP_GREATER_X, 1, 0, 0);
        self.put(RETURN, 0, 0, what);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the kernel does with a program, for the instructions that are used here.
    fn passes(program: &[Instruction], packet: &[u8]) -> bool {
        let (mut a, mut x, mut stored, mut next) = (0_u32, 0_u32, [0_u32; 2], 0);
        loop {
            let Instruction {
                code,
                yes,
                no,
                value,
            } = program[next];
            next += 1;
            let mut jump = |holds: bool| next += usize::from(if holds { yes } else { no });
            match code {
                LOAD_BYTE_AT_X => match packet.get((x + value) as usize) {
                    Some(byte) => a = u32::from(*byte),
                    None => return false,
                },
                LOAD_LENGTH => a = u32::try_from(packet.len()).unwrap(),
                LOAD_VALUE => a = value,
                LOAD_WORD_AT_X => match packet
                    .get((x + value) as usize..)
                    .and_then(|rest| rest.first_chunk())
                {
                    Some(word) => a = u32::from_be_bytes(*word),
                    None => return false,
                },
                LOAD_STORED => a = stored[value as usize],
                STORE => stored[value as usize] = a,
                STORE_X => stored[value as usize] = x,
                LOAD_STORED_X => x = stored[value as usize],
                JUMP => next += value as usize,
                X_HEADER_LENGTH => match packet.first() {
                    Some(byte) => x = u32::from(byte & 15) * 4,
                    None => return false,
                },
                X_FROM_A => x = a,
                ADD_VALUE => a += value,
                ADD_X => a += x,
                SUBTRACT_VALUE => a -= value,
                SHIFT_LEFT => a <<= value,
                SHIFT_RIGHT => a >>= value,
                SHIFT_RIGHT_BY_X => a >>= x,
                AND_VALUE => a &= value,
                JUMP_EQUAL => jump(a == value),
                JUMP_GREATER_X => jump(a > x),
                JUMP_SET => jump(a & value != 0),
                RETURN => return value != 0,
                other => panic!("no instruction {other:#x}"),
            }
        }
    }

    fn key(ipv6: bool, protocol: u8) -> SocketKey {
        SocketKey {
            index: 1,
            ipv6,
            protocol,
        }
    }

    #[test]
    fn the_longest_program_is_within_the_kernel_s_limit_for_unprivileged_sockets() {
        let all: BTreeSet<u8> = (1..=255).collect();
        assert!(
            program(
                key(false, PROTOCOL_AH),
                &all,
                &BTreeSet::new(),
                &BTreeSet::new()
            )
            .len()
                < 128
        );
    }

    proptest! {
        #[test]
        fn exactly_the_own_ids_pass(
            vrids in proptest::collection::btree_set(1_u8.., 0..40),
            vrid: u8,
            ipv6: bool,
            authenticated: bool,
            options in 0_u8..11,
            rest in proptest::collection::vec(any::<u8>(), 0..40),
            addresses in proptest::collection::btree_set(any::<u32>(), 0..300),
            listed in proptest::option::of(any::<proptest::sample::Index>()),
        ) {
            let protocol = if authenticated { PROTOCOL_AH } else { PROTOCOL_VRRP };
            let mut packet = Vec::new();
            if !ipv6 {
                packet.push(0x45 + options);
                packet.resize(20 + usize::from(options) * 4, 0);
            }
            if authenticated {
                packet.extend([PROTOCOL_VRRP, 4]);
                packet.resize(packet.len() + 22, 0);
            }
            packet.extend([0x31, vrid]);
            let before = if ipv6 { 18 } else { 6 };
            let addresses: Vec<u32> = addresses.into_iter().take(MOST_ADDRESSES).collect();
            match listed.filter(|_| !addresses.is_empty()) {
                Some(index) => {
                    packet.resize(packet.len() + before, 7);
                    packet.extend(index.get(&addresses).to_be_bytes());
                }
                None => packet.extend(rest.into_iter().take(before)),
            }
            let known = listed.is_some() && !addresses.is_empty();
            let addresses = addresses.into_iter().collect();
            let key = key(ipv6, protocol);
            let all = program(key, &vrids, &BTreeSet::new(), &addresses);
            prop_assert_eq!(passes(&all, &packet), known || vrids.contains(&vrid));
            // Of some of them all but resignations go to the other socket, and nothing goes to both.
            let quiet: BTreeSet<u8> = vrids.iter().copied().filter(|id| id % 2 == 0).collect();
            let header = if ipv6 { 0 } else { 20 + usize::from(options) * 4 };
            let at = header + if authenticated { 24 } else { 0 } + 2;
            let resigns = packet.get(at).map(|priority| *priority == 0);
            let ours = quiet.contains(&vrid);
            let loud = passes(&program(key, &vrids, &quiet, &addresses), &packet);
            let hushed = passes(&ordinary(key, &quiet), &packet);
            prop_assert_eq!(hushed, ours && resigns == Some(false));
            if ours {
                prop_assert_eq!(loud, resigns == Some(true));
            } else {
                prop_assert_eq!(loud, known || vrids.contains(&vrid));
            }
        }

        #[test]
        fn short_packets_pass(length in 20_usize..22, authenticated: bool) {
            let protocol = if authenticated { PROTOCOL_AH } else { PROTOCOL_VRRP };
            let mut packet = vec![0; length];
            packet[0] = 0x45;
            let program = program(key(false, protocol), &BTreeSet::from([7]), &BTreeSet::new(), &BTreeSet::new());
            prop_assert!(passes(&program, &packet));
        }

        #[test]
        fn other_traffic_behind_an_authentication_header_stays_outside(next in 0_u8..112) {
            let mut packet = vec![7; 80];
            packet[0] = 0x45;
            packet[20] = next;
            packet[21] = 4;
            let program = program(key(false, PROTOCOL_AH), &BTreeSet::from([7]), &BTreeSet::new(), &BTreeSet::from([3]));
            prop_assert!(!passes(&program, &packet));
        }
    }
}
