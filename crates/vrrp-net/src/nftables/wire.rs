//! Netlink messages of nf_tables, byte by byte. Numbers are those of `linux/netfilter/nf_tables.h`.

use super::table::Family;

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NESTED: u16 = 0x8000;

pub(super) const NEW_TABLE: u16 = 0;
pub(super) const GET_TABLE: u16 = 1;
pub(super) const DELETE_TABLE: u16 = 2;
pub(super) const NEW_CHAIN: u16 = 3;
pub(super) const NEW_RULE: u16 = 6;
pub(super) const NEW_SET: u16 = 9;
pub(super) const NEW_ELEMENTS: u16 = 12;
pub(super) const DELETE_ELEMENTS: u16 = 14;

pub(super) const REQUEST: u16 = 0x1;
pub(super) const ACKNOWLEDGE: u16 = 0x4;
pub(super) const DUMP: u16 = 0x300;
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;

const HEADER: usize = 16;

/// Attributes of one message.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        // Nothing here is longer: elements are sent in portions, names and values are short.
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// A number; all of nf_tables' are in network order.
    pub(super) fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(super) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(kind | NESTED, &inner.0)
    }
}

/// Messages that are carried out together or not at all.
#[derive(Debug)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    first: u32,
    /// What each message, from the one after the beginning on, is about.
    subjects: Vec<String>,
    last: usize,
}

impl Batch {
    /// The beginning has the sequence number `first`.
    pub(super) fn new(first: u32) -> Self {
        let mut batch = Self {
            bytes: Vec::new(),
            first,
            subjects: Vec::new(),
            last: 0,
        };
        message(
            &mut batch.bytes,
            BATCH_BEGIN,
            REQUEST,
            first,
            (0, SUBSYSTEM),
            &[],
        );
        batch
    }

    pub(super) fn push(
        &mut self,
        kind: u16,
        flags: u16,
        family: Family,
        subject: impl Into<String>,
        fill: impl FnOnce(&mut Attributes),
    ) {
        let mut attributes = Attributes::default();
        fill(&mut attributes);
        self.subjects.push(subject.into());
        self.last = self.bytes.len();
        let sequence = self.sequence(self.subjects.len());
        let kind = SUBSYSTEM << 8 | kind;
        message(
            &mut self.bytes,
            kind,
            REQUEST | flags,
            sequence,
            (family.number(), 0),
            &attributes.0,
        );
    }

    pub(super) fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    fn sequence(&self, position: usize) -> u32 {
        self.first
            .wrapping_add(u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// The bytes to send, and the sequence number of the message that is acknowledged when all went well.
    pub(super) fn finish(mut self) -> Sealed {
        let acknowledged = self.sequence(self.subjects.len());
        if let Some(flags) = self.bytes.get_mut(self.last + 6..self.last + 8) {
            let value = flags
                .first_chunk()
                .map_or(0, |chunk| u16::from_ne_bytes(*chunk));
            flags.copy_from_slice(&(value | ACKNOWLEDGE).to_ne_bytes());
        }
        let end = self.sequence(self.subjects.len() + 1);
        message(
            &mut self.bytes,
            BATCH_END,
            REQUEST,
            end,
            (0, SUBSYSTEM),
            &[],
        );
        Sealed {
            bytes: self.bytes,
            first: self.first,
            acknowledged,
            end,
            subjects: self.subjects,
        }
    }
}

/// A batch ready to go.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) bytes: Vec<u8>,
    first: u32,
    pub(super) acknowledged: u32,
    pub(super) end: u32,
    subjects: Vec<String>,
}

impl Sealed {
    /// Whether an answer with this sequence number is one to this batch.
    pub(super) fn covers(&self, sequence: u32) -> bool {
        sequence.wrapping_sub(self.first) <= self.end.wrapping_sub(self.first)
    }

    /// What the message of this sequence number is about.
    pub(super) fn subject(&self, sequence: u32) -> &str {
        let position = sequence.wrapping_sub(self.first).wrapping_sub(1);
        usize::try_from(position)
            .ok()
            .and_then(|position| self.subjects.get(position))
            .map_or("the whole", String::as_str)
    }
}

/// A request outside of a batch.
pub(super) fn single(kind: u16, flags: u16, sequence: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let kind = SUBSYSTEM << 8 | kind;
    message(&mut bytes, kind, REQUEST | flags, sequence, (0, 0), &[]);
    bytes
}

fn message(
    bytes: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    (family, resource): (u8, u16),
    attributes: &[u8],
) {
    let length = u32::try_from(HEADER + 4 + attributes.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend([family, 0]);
    bytes.extend(resource.to_be_bytes());
    bytes.extend(attributes);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A message of the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// What became of the message with this sequence number: an error number, or zero.
    Result(u32, i32),
    /// The end of a dump.
    Done(u32),
    /// A table that exists: family and name.
    Table(u8, String),
    Other,
}

/// Walks over the messages in one datagram; stops at what cannot be one.
pub(super) fn answers(datagram: &[u8]) -> impl Iterator<Item = Answer> {
    messages(datagram).map_while(answer)
}

fn messages(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?;
        if length < HEADER {
            return None;
        }
        let message = rest.get(..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Something that was changed, by whom and in which table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change<'a> {
    pub(super) by: u32,
    pub(super) family: u8,
    pub(super) table: &'a [u8],
}

/// Walks over the notices in one datagram.
pub(super) fn changes(datagram: &[u8]) -> impl Iterator<Item = Change<'_>> {
    messages(datagram).filter_map(change)
}

fn change(message: &[u8]) -> Option<Change<'_>> {
    /// The end of a transaction, which has no table.
    const NEW_GENERATION: u16 = SUBSYSTEM << 8 | 15;
    let kind = u16::from_ne_bytes(*message.get(4..)?.first_chunk()?);
    if kind >> 8 != SUBSYSTEM || kind == NEW_GENERATION {
        return None;
    }
    let by = u32::from_ne_bytes(*message.get(12..)?.first_chunk()?);
    let (family, table) = name(message.get(HEADER..)?)?;
    Some(Change { by, family, table })
}

fn answer(message: &[u8]) -> Option<Answer> {
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    const TABLE: u16 = SUBSYSTEM << 8 | NEW_TABLE;
    let kind = u16::from_ne_bytes(*message.get(4..)?.first_chunk()?);
    let sequence = u32::from_ne_bytes(*message.get(8..)?.first_chunk()?);
    let body = message.get(HEADER..)?;
    Some(match kind {
        ERROR => {
            let code = i32::from_ne_bytes(*body.first_chunk()?);
            Answer::Result(sequence, code.checked_neg().unwrap_or(i32::MAX))
        }
        DONE => Answer::Done(sequence),
        TABLE => table(body).unwrap_or(Answer::Other),
        _ => Answer::Other,
    })
}

fn table(body: &[u8]) -> Option<Answer> {
    let (family, name) = name(body)?;
    let name = String::from_utf8_lossy(name).into_owned();
    Some(Answer::Table(family, name))
}

/// Family and name of a table. The first attribute of all objects is the name of the table they are in.
fn name(body: &[u8]) -> Option<(u8, &[u8])> {
    const NAME: u16 = 1;
    let family = *body.first()?;
    let mut rest = body.get(4..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(4..length)?;
        if kind & !NESTED == NAME {
            let text = value.split(|byte| *byte == 0).next();
            return Some((family, text.unwrap_or_default()));
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, kind in 0_u16..8) {
            for _ in answers(&bytes) {}
            for _ in changes(&bytes) {}
            let length = u32::try_from(bytes.len() + HEADER).unwrap();
            let mut message = length.to_ne_bytes().to_vec();
            message.extend([2, 3, SUBSYSTEM << 8][usize::from(kind % 3)].to_ne_bytes());
            message.extend([0; 10]);
            message.extend(&bytes);
            for _ in answers(&message) {}
        }
    }

    #[test]
    fn a_batch_is_framed_and_its_last_message_is_acknowledged() {
        let mut batch = Batch::new(7);
        batch.push(
            NEW_TABLE,
            CREATE,
            Family::Inet,
            "table inet x",
            |attributes| {
                attributes.text(1, "x");
            },
        );
        let sealed = batch.finish();
        assert_eq!((sealed.acknowledged, sealed.end), (8, 9));
        assert_eq!(sealed.subject(8), "table inet x");
        assert!(sealed.covers(7) && sealed.covers(9) && !sealed.covers(10) && !sealed.covers(6));
        let flags = u16::from_ne_bytes(*sealed.bytes[20 + 6..].first_chunk().unwrap());
        assert_eq!(flags, REQUEST | CREATE | ACKNOWLEDGE);
        // Three messages: begin, the table with its name, end.
        assert_eq!(sealed.bytes.len(), 20 + 28 + 20);
    }
}
