//! Identifiers: ports, sets of ports, MAC addresses. Invariant: a `PortSet` never contains an id at or above
//! `MAX_PORTS`, so its members index any table of that size.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// The number of port slots in the whole forwarder, the same as in the XDP program's maps.
pub const MAX_PORTS: usize = 1024;
/// The most workers, for the same reason.
pub const MAX_WORKERS: usize = 64;

/// A port's slot: assigned when the port is added, and reused when the port is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortId(pub u16);

impl PortId {
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

const WORDS: usize = MAX_PORTS / 64;
const _: () = assert!(MAX_PORTS.is_multiple_of(64) && WORDS <= u16::BITS as usize);

/// A set of ports: one bit for each, and a summary of the words that have any. Testing for emptiness and
/// iterating touch only words with members.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PortSet {
    words: [u64; WORDS],
    /// A bit for each word that is not zero.
    used: u16,
}

/// The port of a bit in a word.
#[inline]
const fn id(word: usize, bit: u32) -> PortId {
    PortId((word * 64) as u16 + bit as u16)
}

impl PortSet {
    pub const EMPTY: Self = Self { words: [0; WORDS], used: 0 };

    /// Returns true if the port was not in the set before. An id out of range is never a member.
    #[inline]
    pub fn insert(&mut self, port: PortId) -> bool {
        let (at, bit) = (port.index() / 64, 1u64 << (port.0 & 63));
        let Some(word) = self.words.get_mut(at) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        self.used |= 1 << at;
        new
    }

    /// Returns true if the port was in the set.
    #[inline]
    pub fn remove(&mut self, port: PortId) -> bool {
        let (at, bit) = (port.index() / 64, 1u64 << (port.0 & 63));
        let word = self.words.get_mut(at).filter(|word| **word & bit != 0);
        let Some(word) = word else { return false };
        *word &= !bit;
        if *word == 0 {
            self.used &= !(1 << at);
        }
        true
    }

    #[inline]
    pub fn contains(&self, port: PortId) -> bool {
        self.words.get(port.index() / 64).is_some_and(|word| word >> (port.0 & 63) & 1 == 1)
    }

    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The lowest member.
    #[inline]
    pub fn first(&self) -> Option<PortId> {
        let at = self.used.trailing_zeros() as usize;
        self.words.get(at).map(|word| id(at, word.trailing_zeros()))
    }

    /// The first member at or after `start`, wrapping around: one step of a round robin.
    #[inline]
    pub fn next_from(&self, start: PortId) -> Option<PortId> {
        let at = start.index() / 64 % WORDS;
        let above = self.words.get(at).map_or(0, |word| word & u64::MAX << (start.0 & 63));
        if above != 0 {
            return Some(id(at, above.trailing_zeros()));
        }
        let later = self.used & !1 << at;
        // Without a member at or above `start`, the lowest of all is the next.
        let words = if later == 0 { self.used } else { later };
        let at = words.trailing_zeros() as usize;
        self.words.get(at).map(|word| id(at, word.trailing_zeros()))
    }

    /// Members in ascending order.
    #[inline]
    pub const fn iter(&self) -> PortSetIter<&[u64; WORDS]> {
        PortSetIter::new(&self.words, self.used)
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|port| port.0)).finish()
    }
}

impl FromIterator<PortId> for PortSet {
    fn from_iter<I: IntoIterator<Item = PortId>>(ports: I) -> Self {
        let mut set = Self::EMPTY;
        for port in ports {
            set.insert(port);
        }
        set
    }
}

impl IntoIterator for PortSet {
    type Item = PortId;
    type IntoIter = PortSetIter<[u64; WORDS]>;
    fn into_iter(self) -> Self::IntoIter {
        PortSetIter::new(self.words, self.used)
    }
}

impl<'a> IntoIterator for &'a PortSet {
    type Item = PortId;
    type IntoIter = PortSetIter<&'a [u64; WORDS]>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterates over a set: over `&[u64; WORDS]`, or over its own copy of the words, so that the set may change
/// meanwhile.
#[derive(Clone, Debug)]
pub struct PortSetIter<W> {
    words: W,
    /// The words still to be visited, and the remaining bits of the current one.
    used: u16,
    at: usize,
    word: u64,
}

impl<W> PortSetIter<W> {
    const fn new(words: W, used: u16) -> Self {
        Self { words, used, at: 0, word: 0 }
    }
}

impl<W: Borrow<[u64; WORDS]>> Iterator for PortSetIter<W> {
    type Item = PortId;

    #[inline]
    fn next(&mut self) -> Option<PortId> {
        if self.word == 0 {
            self.at = self.used.trailing_zeros() as usize;
            self.word = *self.words.borrow().get(self.at)?;
            self.used &= self.used - 1;
        }
        let bit = self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(id(self.at, bit))
    }
}

/// A MAC address in the low 48 bits, the first byte highest, so that comparing and hashing it takes one word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(u64);

impl Mac {
    pub const ZERO: Self = Self(0);

    #[inline]
    pub const fn new(octets: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = octets;
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    #[inline]
    pub const fn octets(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        [a, b, c, d, e, f]
    }

    #[inline]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The group bit: multicast, and broadcast with it.
    #[inline]
    pub const fn is_multicast(self) -> bool {
        self.0 >> 40 & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.octets();
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl serde::Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not a MAC address: expected six pairs of hexadecimal digits with colons, e.g. \"02:00:00:00:00:01\""
)]
pub struct MacError(String);

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let octet = |part: &str| {
            // `from_str_radix` alone would accept a sign.
            let is_pair = part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
            u8::from_str_radix(part, 16).ok().filter(|_| is_pair)
        };
        let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
        let octets = octets.and_then(|octets| octets.try_into().ok());
        octets.map(Self::new).ok_or_else(|| MacError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
