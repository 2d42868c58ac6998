//! Tables, sets, chains and rules as messages. Numbers are those of `linux/netfilter/nf_tables.h`.

use super::rule::{Action, Field, Match, Rule};
use super::table::{Chain, ChainKind, Element, Family, Set, Table, Type, Value};
use super::wire::{
    APPEND, Attributes, Batch, CREATE, DELETE_TABLE, NEW_CHAIN, NEW_ELEMENTS, NEW_RULE, NEW_SET,
    NEW_TABLE,
};

/// Elements per message: an attribute has room for 64 KiB, an element takes up to 120 bytes.
const PORTION: usize = 400;
/// `NFTA_LIST_ELEM`.
const ITEM: u16 = 1;
/// `NFT_REG_VERDICT`, and the first of the registers of four bytes.
const VERDICT: u32 = 0;
const FIRST_REGISTER: u32 = 8;

/// Adds an empty table if there is none.
pub(super) fn add_table(batch: &mut Batch, family: Family, name: &str) {
    let subject = format!("table {family} {name}");
    batch.push(NEW_TABLE, CREATE, family, subject, |attributes| {
        attributes.text(1, name).number(2, 0);
    });
}

pub(super) fn delete_table(batch: &mut Batch, family: Family, name: &str) {
    let subject = format!("deleting table {family} {name}");
    batch.push(DELETE_TABLE, 0, family, subject, |attributes| {
        attributes.text(1, name);
    });
}

/// The table with all that is in it.
pub(super) fn table(batch: &mut Batch, table: &Table) {
    add_table(batch, table.family, &table.name);
    for (number, set) in (1..).zip(&table.sets) {
        self::set(batch, table, set, number);
        elements(batch, NEW_ELEMENTS, table, &set.name, &set.elements);
    }
    // Chains first: rules may go to any of them.
    for chain in &table.chains {
        self::chain(batch, table, chain);
    }
    for chain in &table.chains {
        for rule in &chain.rules {
            self::rule(batch, table, &chain.name, rule);
        }
    }
}

fn set(batch: &mut Batch, table: &Table, set: &Set, number: u32) {
    const MAP: u32 = 8;
    let subject = format!("set {} in table {} {}", set.name, table.family, table.name);
    batch.push(NEW_SET, CREATE, table.family, subject, |attributes| {
        let flags = if set.value.is_some() { MAP } else { 0 };
        let kind = set
            .key
            .iter()
            .fold(0, |kind, part| kind << 6 | part.number());
        attributes
            .text(1, &table.name)
            .text(2, &set.name)
            .number(3, flags)
            .number(4, kind)
            .number(5, key_length(&set.key));
        if let Some(value) = set.value {
            attributes
                .number(6, value.number())
                .number(7, u32::try_from(value.length()).unwrap_or(0));
        }
        attributes.number(10, number);
        attributes.bytes(13, &byte_orders(set));
    });
}

/// A single part has its own length, parts of a longer key are filled up to words.
fn key_length(key: &[Type]) -> u32 {
    let length = match key {
        [single] => single.length(),
        parts => parts
            .iter()
            .map(|part| part.length().next_multiple_of(4))
            .sum(),
    };
    u32::try_from(length).unwrap_or(0)
}

/// Tells `nft list` how to read keys and values (`NFTNL_UDATA_SET_KEYBYTEORDER` and `_DATABYTEORDER`).
fn byte_orders(set: &Set) -> Vec<u8> {
    const HOST: u32 = 1;
    const NETWORK: u32 = 2;
    let mut bytes = Vec::new();
    let mut tell = |what: u8, kind: Type| {
        let order = if kind.in_host_order() { HOST } else { NETWORK };
        bytes.extend([what, 4]);
        bytes.extend(order.to_ne_bytes());
    };
    if let [single] = *set.key {
        tell(0, single);
    }
    if let Some(value) = set.value {
        tell(1, value);
    }
    bytes
}

/// Adds elements to a set or, with the other kind of message, removes them.
pub(super) fn elements(
    batch: &mut Batch,
    kind: u16,
    table: &Table,
    set: &str,
    elements: &[Element],
) {
    let flags = if kind == NEW_ELEMENTS { CREATE } else { 0 };
    for portion in elements.chunks(PORTION) {
        let (family, name) = (table.family, &table.name);
        let subject = format!("elements of set {set} in table {family} {name}");
        batch.push(kind, flags, family, subject, |attributes| {
            attributes.text(1, name).text(2, set);
            attributes.nested(3, |list| {
                for element in portion {
                    list.nested(ITEM, |item| {
                        data(item, 1, &key_bytes(&element.key));
                        if let Some(value) = &element.value {
                            data(item, 2, &value.bytes());
                        }
                    });
                }
            });
        });
    }
}

fn key_bytes(key: &[Value]) -> Vec<u8> {
    if let [single] = key {
        return single.bytes();
    }
    let mut bytes = Vec::new();
    for part in key {
        bytes.extend(part.bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn data(attributes: &mut Attributes, kind: u16, value: &[u8]) {
    attributes.nested(kind, |data| {
        data.bytes(1, value);
    });
}

fn chain(batch: &mut Batch, table: &Table, chain: &Chain) {
    const ACCEPT: u32 = 1;
    let subject = format!(
        "chain {} in table {} {}",
        chain.name, table.family, table.name
    );
    batch.push(NEW_CHAIN, CREATE, table.family, subject, |attributes| {
        attributes.text(1, &table.name).text(3, &chain.name);
        let Some((hook, priority)) = chain.hook else {
            return;
        };
        attributes.nested(4, |place| {
            place
                .number(1, hook.number())
                .bytes(2, &priority.to_be_bytes());
            if let Some(device) = &chain.device {
                place.text(3, device);
            }
        });
        attributes.number(5, ACCEPT);
        let kind = match chain.kind {
            ChainKind::Filter => "filter",
            ChainKind::Route => "route",
        };
        attributes.text(7, kind);
    });
}

fn rule(batch: &mut Batch, table: &Table, chain: &str, rule: &Rule) {
    let subject = format!(
        "a rule of chain {chain} in table {} {}",
        table.family, table.name
    );
    let flags = CREATE | APPEND;
    batch.push(NEW_RULE, flags, table.family, subject, |attributes| {
        attributes.text(1, &table.name).text(2, chain);
        attributes.nested(4, |list| {
            let mut expressions = Expressions {
                list,
                family: table.family,
                told: Told::default(),
            };
            for condition in &rule.matches {
                expressions.condition(condition);
            }
            if let Action::SetMarkFrom(fields, _) = &rule.action {
                expressions.require(fields);
            }
            if rule.counted {
                expressions.put("counter", |_| ());
            }
            expressions.action(&rule.action);
        });
    });
}

/// The expressions of one rule.
struct Expressions<'a> {
    list: &'a mut Attributes,
    family: Family,
    told: Told,
}

/// What the rule has made sure of so far.
#[derive(Debug, Default)]
struct Told {
    ipv4: bool,
    ipv6: bool,
    icmpv6: bool,
}

impl Expressions<'_> {
    fn put(&mut self, name: &str, fill: impl FnOnce(&mut Attributes)) {
        self.list.nested(ITEM, |expression| {
            expression.text(1, name).nested(2, fill);
        });
    }

    fn condition(&mut self, condition: &Match) {
        match condition {
            Match::Is(field, value) => self.compare(*field, value, true),
            Match::IsNot(field, value) => self.compare(*field, value, false),
            Match::Prefix(field, value, length) => {
                self.require(&[*field]);
                self.load(*field, FIRST_REGISTER);
                let value = value.bytes();
                let mask = mask(value.len(), *length);
                let masked: Vec<u8> = value.iter().zip(&mask).map(|(v, m)| v & m).collect();
                self.mask(&mask);
                self.compare_register(&masked, true);
            }
            Match::InSet(fields, set) => self.look_up(fields, set, false),
            Match::NotInSet(fields, set) => self.look_up(fields, set, true),
        }
    }

    fn compare(&mut self, field: Field, value: &Value, equal: bool) {
        self.require(&[field]);
        self.load(field, FIRST_REGISTER);
        self.compare_register(&value.bytes(), equal);
    }

    fn compare_register(&mut self, value: &[u8], equal: bool) {
        self.put("cmp", |cmp| {
            cmp.number(1, FIRST_REGISTER).number(2, u32::from(!equal));
            data(cmp, 3, value);
        });
    }

    fn mask(&mut self, mask: &[u8]) {
        let length = u32::try_from(mask.len()).unwrap_or(0);
        self.put("bitwise", |bitwise| {
            bitwise
                .number(1, FIRST_REGISTER)
                .number(2, FIRST_REGISTER)
                .number(3, length);
            data(bitwise, 4, mask);
            data(bitwise, 5, &vec![0; mask.len()]);
        });
    }

    fn look_up(&mut self, fields: &[Field], set: &str, inverted: bool) {
        self.require(fields);
        self.load_all(fields);
        self.put("lookup", |lookup| {
            lookup.text(1, set).number(2, FIRST_REGISTER);
            if inverted {
                lookup.number(5, 1);
            }
        });
    }

    /// Loads the parts of a key one after the other.
    fn load_all(&mut self, fields: &[Field]) {
        let mut register = FIRST_REGISTER;
        for field in fields {
            self.load(*field, register);
            register += u32::try_from(field.length().div_ceil(4)).unwrap_or(0);
        }
    }

    fn load(&mut self, field: Field, register: u32) {
        const NETWORK: u32 = 1;
        const TRANSPORT: u32 = 2;
        let (base, offset) = match field {
            Field::Ipv4Source => (NETWORK, 12),
            Field::Ipv4Destination => (NETWORK, 16),
            Field::Ipv6Source => (NETWORK, 8),
            Field::Ipv6Destination => (NETWORK, 24),
            Field::SourcePort | Field::Icmpv6Type => (TRANSPORT, 0),
            Field::DestinationPort => (TRANSPORT, 2),
            Field::Mark => return self.load_meta(3, register),
            Field::InputIndex => return self.load_meta(4, register),
            Field::OutputIndex => return self.load_meta(5, register),
            Field::InputName => return self.load_meta(6, register),
            Field::OutputName => return self.load_meta(7, register),
            Field::Protocol => return self.load_meta(16, register),
        };
        let length = u32::try_from(field.length()).unwrap_or(0);
        self.put("payload", |payload| {
            payload
                .number(1, register)
                .number(2, base)
                .number(3, offset)
                .number(4, length);
        });
    }

    fn load_meta(&mut self, key: u32, register: u32) {
        self.put("meta", |meta| {
            meta.number(1, register).number(2, key);
        });
    }

    /// Makes sure that the fields are where they are looked for.
    fn require(&mut self, fields: &[Field]) {
        const ICMPV6: u8 = 58;
        for field in fields {
            match field {
                Field::Ipv4Source | Field::Ipv4Destination => self.require_family(true),
                Field::Ipv6Source | Field::Ipv6Destination => self.require_family(false),
                Field::Icmpv6Type if !self.told.icmpv6 => {
                    self.told.icmpv6 = true;
                    self.load(Field::Protocol, FIRST_REGISTER);
                    self.compare_register(&[ICMPV6], true);
                }
                _ => {}
            }
        }
    }

    fn require_family(&mut self, ipv4: bool) {
        const ETHERNET_PROTOCOL: u32 = 1;
        const NETFILTER_PROTOCOL: u32 = 15;
        let told = if ipv4 {
            &mut self.told.ipv4
        } else {
            &mut self.told.ipv6
        };
        if std::mem::replace(told, true) {
            return;
        }
        match self.family {
            Family::Ip | Family::Ip6 => {}
            Family::Inet => {
                self.load_meta(NETFILTER_PROTOCOL, FIRST_REGISTER);
                let number = if ipv4 { Family::Ip } else { Family::Ip6 }.number();
                self.compare_register(&[number], true);
            }
            Family::Netdev | Family::Bridge => {
                self.load_meta(ETHERNET_PROTOCOL, FIRST_REGISTER);
                let number = if ipv4 { 0x0800_u16 } else { 0x86dd };
                self.compare_register(&number.to_be_bytes(), true);
            }
        }
    }

    fn action(&mut self, action: &Action) {
        const DROP: i32 = 0;
        const ACCEPT: i32 = 1;
        const JUMP: i32 = -3;
        const GOTO: i32 = -4;
        const RETURN: i32 = -5;
        match action {
            Action::Accept => self.verdict(ACCEPT, None),
            Action::Drop => self.verdict(DROP, None),
            Action::Return => self.verdict(RETURN, None),
            Action::Goto(chain) => self.verdict(GOTO, Some(chain)),
            Action::Jump(chain) => self.verdict(JUMP, Some(chain)),
            Action::Continue => {}
            Action::SetMark(mark) => {
                self.put("immediate", |immediate| {
                    immediate.number(1, FIRST_REGISTER);
                    data(immediate, 2, &mark.to_ne_bytes());
                });
                self.set_mark();
            }
            Action::SetMarkFrom(fields, map) => {
                self.load_all(fields);
                self.put("lookup", |lookup| {
                    lookup
                        .text(1, map)
                        .number(2, FIRST_REGISTER)
                        .number(3, FIRST_REGISTER);
                });
                self.set_mark();
            }
        }
    }

    fn set_mark(&mut self) {
        const MARK: u32 = 3;
        self.put("meta", |meta| {
            meta.number(2, MARK).number(3, FIRST_REGISTER);
        });
    }

    fn verdict(&mut self, code: i32, chain: Option<&String>) {
        self.put("immediate", |immediate| {
            immediate.number(1, VERDICT);
            immediate.nested(2, |data| {
                data.nested(2, |verdict| {
                    verdict.bytes(1, &code.to_be_bytes());
                    if let Some(chain) = chain {
                        verdict.text(2, chain);
                    }
                });
            });
        });
    }
}

impl Field {
    const fn length(self) -> usize {
        match self {
            Self::Ipv4Source
            | Self::Ipv4Destination
            | Self::Mark
            | Self::InputIndex
            | Self::OutputIndex => 4,
            Self::Ipv6Source | Self::Ipv6Destination | Self::InputName | Self::OutputName => 16,
            Self::Protocol | Self::Icmpv6Type => 1,
            Self::SourcePort | Self::DestinationPort => 2,
        }
    }
}

/// The first `length` bits of that many bytes.
fn mask(bytes: usize, length: u8) -> Vec<u8> {
    (0..bytes)
        .map(|position| {
            let bits = usize::from(length).saturating_sub(position * 8).min(8);
            u8::try_from(0xff00_u16 >> bits & 0xff).unwrap_or(0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_cover_the_first_bits() {
        assert_eq!(mask(4, 0), [0, 0, 0, 0]);
        assert_eq!(mask(4, 10), [0xff, 0xc0, 0, 0]);
        assert_eq!(mask(2, 16), [0xff, 0xff]);
        assert_eq!(mask(2, 200), [0xff, 0xff]);
    }

    #[test]
    fn parts_of_a_key_are_filled_up_to_words() {
        assert_eq!(key_bytes(&[Value::U8(6)]), [6]);
        assert_eq!(
            key_bytes(&[Value::from([10, 0, 0, 1]), Value::U8(6), Value::U16(80)]),
            [10, 0, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0]
        );
        assert_eq!(key_length(&[Type::Protocol]), 1);
        assert_eq!(key_length(&[Type::Ipv6Address, Type::Protocol]), 20);
    }
}
