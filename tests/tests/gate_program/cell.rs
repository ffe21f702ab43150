//! The gate's message to the program behind it, as words of a map. Invariant: the words are laid out as
//! in `weir_abi::gate::Cell`.

use weir_abi::{META_LEN, Meta, Tag};

/// `weir_abi::gate::Cell` as the map has it.
pub(crate) const CELL_WORDS: usize = META_LEN / 8 + 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CellWords(pub(crate) [u64; CELL_WORDS]);

impl CellWords {
    pub(crate) fn new(meta: &Meta, csum_len: u32, tag: Option<Tag>, places: u64) -> Self {
        let mut words = [0; CELL_WORDS];
        for (word, bytes) in words.iter_mut().zip(meta.to_bytes().as_chunks::<8>().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        let tag = tag.map_or(0, |tag| u64::from(tag.proto) << 16 | u64::from(tag.tci));
        words[META_LEN / 8] = u64::from(csum_len) | tag << 32;
        words[META_LEN / 8 + 1] = places;
        Self(words)
    }

    pub(crate) fn meta(&self) -> Meta {
        let mut bytes = [0; META_LEN];
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *bytes = word.to_ne_bytes();
        }
        Meta::from_bytes(bytes)
    }
}
