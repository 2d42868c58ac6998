use super::consts::stats;
use super::reader::{Attribute, Attributes, DecodeError};
#[cfg(feature = "fake")]
use super::writer::Writer;
use crate::types::Stats;

/// The 64-bit block if there is one, else the old one.
pub(super) fn read_widest(
    wide: Option<Attribute<'_>>,
    narrow: Option<Attribute<'_>>,
) -> Result<Stats, DecodeError> {
    let block = wide.or(narrow);
    block.map_or_else(|| Ok(Stats::default()), |block| read(block.nested()))
}

fn read(attributes: Attributes<'_>) -> Result<Stats, DecodeError> {
    let mut read = Stats::default();
    for attribute in attributes {
        let attribute = attribute?;
        let field = match attribute.kind {
            stats::CONNS => &mut read.counters.connections,
            stats::INPKTS => &mut read.counters.packets_in,
            stats::OUTPKTS => &mut read.counters.packets_out,
            stats::INBYTES => &mut read.counters.bytes_in,
            stats::OUTBYTES => &mut read.counters.bytes_out,
            stats::CPS => &mut read.rates.connections,
            stats::INPPS => &mut read.rates.packets_in,
            stats::OUTPPS => &mut read.rates.packets_out,
            stats::INBPS => &mut read.rates.bytes_in,
            stats::OUTBPS => &mut read.rates.bytes_out,
            _ => continue,
        };
        *field = attribute.counter()?;
    }
    Ok(read)
}

#[cfg(feature = "fake")]
fn fields(stats: &Stats) -> [(u16, u64); 10] {
    let (counters, rates) = (&stats.counters, &stats.rates);
    [
        (stats::CONNS, counters.connections),
        (stats::INPKTS, counters.packets_in),
        (stats::OUTPKTS, counters.packets_out),
        (stats::INBYTES, counters.bytes_in),
        (stats::OUTBYTES, counters.bytes_out),
        (stats::CPS, rates.connections),
        (stats::INPPS, rates.packets_in),
        (stats::OUTPPS, rates.packets_out),
        (stats::INBPS, rates.bytes_in),
        (stats::OUTBPS, rates.bytes_out),
    ]
}

/// The old block: 32 bits but for the byte counters.
#[cfg(feature = "fake")]
pub(super) fn write_32(writer: &mut Writer<'_>, stats: &Stats) {
    for (kind, value) in fields(stats) {
        if kind == stats::INBYTES || kind == stats::OUTBYTES {
            writer.bytes(kind, &value.to_ne_bytes());
        } else {
            writer.u32(
                kind,
                u32::try_from(value & u64::from(u32::MAX)).unwrap_or(u32::MAX),
            );
        }
    }
}

#[cfg(feature = "fake")]
pub(super) fn write_64(writer: &mut Writer<'_>, stats: &Stats) {
    for (kind, value) in fields(stats) {
        writer.bytes(kind, &value.to_ne_bytes());
    }
}
