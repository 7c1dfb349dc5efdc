//! The head's file: little-endian, no padding.
//!
//! ```text
//! 8   magic "SPNDHEAD"
//! u32 version (4; 3 has no `pooled`)
//! u32 tags, u32 width, u32 hidden, u32 reach, u32 pooled      width 0: no network
//! u64 features, u64 entries
//! f32 bias          × tags
//! u64 hashes        × features, rising
//! u32 offsets       × features + 1
//! u16 tags          × entries
//! f32 weights       × entries
//! f32 network       × (as `Layout::weights` says)
//! ```

use super::{Entry, Head, HeadError, Layout, Network, Sparse};

const MAGIC: &[u8; 8] = b"SPNDHEAD";
pub(super) const VERSION: u32 = 4;
/// The oldest version that is read.
const OLDEST: u32 = 3;

pub(super) fn write(head: &Head) -> Vec<u8> {
    let layout = head.network.as_ref().map(Network::layout);
    let sizes = |layout: Layout| [layout.width, layout.hidden, layout.reach, layout.pooled.into()];
    let sizes = layout.map_or([0; 4], sizes);
    let sparse = &head.sparse;
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((head.tags as u32).to_le_bytes());
    out.extend(sizes.iter().flat_map(|&size| (size as u32).to_le_bytes()));
    out.extend((sparse.hashes().len() as u64).to_le_bytes());
    out.extend((sparse.entries().len() as u64).to_le_bytes());
    out.extend(head.bias.iter().flat_map(|score| score.to_le_bytes()));
    out.extend(sparse.hashes().iter().flat_map(|hash| hash.to_le_bytes()));
    out.extend(sparse.offsets().iter().flat_map(|offset| offset.to_le_bytes()));
    out.extend(sparse.entries().iter().flat_map(|entry| entry.tag.to_le_bytes()));
    out.extend(sparse.entries().iter().flat_map(|entry| entry.weight.to_le_bytes()));
    if let Some(network) = &head.network {
        out.extend(network.weights().into_iter().flat_map(|weight| weight.to_le_bytes()));
    }
    out
}

pub(super) fn read(bytes: &[u8]) -> Result<Head, HeadError> {
    let mut reader = Reader { rest: bytes };
    if reader.rest.len() < MAGIC.len() || reader.take(MAGIC.len()) != MAGIC {
        return Err(HeadError::Foreign);
    }
    let header = Header::read(&mut reader, bytes.len() as u64)?;
    let Header { layout, features, entries } = header;
    let bias = reader.values(layout.tags, f32::from_le_bytes);
    let hashes = reader.values(features, u64::from_le_bytes);
    let offsets = reader.values(features + 1, u32::from_le_bytes);
    let tags = reader.values(entries, u16::from_le_bytes);
    let weights = reader.values(entries, f32::from_le_bytes);
    let entries = tags.into_iter().zip(weights).map(|(tag, weight)| Entry { tag, weight }).collect();
    let sparse = Sparse::new(hashes, offsets, entries)?;
    let network = match layout.width {
        0 => None,
        _ => Some(Network::new(layout, &reader.values(layout.weights(), f32::from_le_bytes))?),
    };
    Head::new(bias, sparse, network)
}

struct Header {
    layout: Layout,
    features: usize,
    entries: usize,
}

impl Header {
    /// Reads the sizes and proves that the file has exactly the bytes they announce, before anything is allocated.
    fn read(reader: &mut Reader<'_>, length: u64) -> Result<Self, HeadError> {
        let short = |needed| HeadError::Length { expected: (MAGIC.len() + needed) as u64, found: length };
        let version = reader.rest.first_chunk().map(|&bytes| u32::from_le_bytes(bytes));
        let version = version.ok_or(short(size_of::<u32>()))?;
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(HeadError::Version(version));
        }
        let numbers = if version == OLDEST { 5 } else { 6 };
        let sizes = numbers * size_of::<u32>() + 2 * size_of::<u64>();
        if reader.rest.len() < sizes {
            return Err(short(sizes));
        }
        let [_, tags, width, hidden, reach] = [(); 5].map(|()| u64::from(reader.number(u32::from_le_bytes)));
        let pooled = if version == OLDEST { 0 } else { u64::from(reader.number(u32::from_le_bytes)) };
        let announced = (MAGIC.len() + sizes) as u64;
        if pooled > 1 {
            return Err(HeadError::Invalid(format!("{pooled} says neither pooled nor not")));
        }
        let [features, entries] = [(); 2].map(|()| reader.number(u64::from_le_bytes));
        let network = || -> Option<u64> {
            let places = reach.checked_mul(2)?.checked_add(1 + pooled)?;
            let outputs = places.checked_mul(hidden)?.checked_mul(tags)?;
            let inputs = width.checked_mul(2u64.checked_add(tags)?.checked_add(hidden)?)?;
            outputs.checked_add(inputs)?.checked_add(hidden)
        };
        let total = || -> Option<u64> {
            let network = if width == 0 { 0 } else { network()? };
            let words = tags.checked_add(network)?.checked_add(features)?.checked_add(1)?.checked_mul(4)?;
            let rows = features.checked_mul(8)?.checked_add(entries.checked_mul(6)?)?;
            announced.checked_add(words)?.checked_add(rows)
        };
        let expected = total().unwrap_or(u64::MAX);
        if expected != length {
            return Err(HeadError::Length { expected, found: length });
        }
        let [tags, width, hidden, reach] = [tags, width, hidden, reach].map(|size| size as usize);
        let layout = Layout { width, hidden, reach, pooled: pooled == 1, tags };
        Ok(Self { layout, features: features as usize, entries: entries as usize })
    }
}

/// Hands out pieces of a file whose length has been proved.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn values<const N: usize, T>(&mut self, count: usize, read: fn([u8; N]) -> T) -> Vec<T> {
        self.take(count * N).as_chunks().0.iter().map(|&bytes| read(bytes)).collect()
    }

    fn number<const N: usize, T>(&mut self, read: fn([u8; N]) -> T) -> T {
        let (bytes, rest) = self.rest.split_first_chunk().expect("length was proved");
        self.rest = rest;
        read(*bytes)
    }
}
