//! The size of each datagram. Invariant: the size of datagram n follows from n alone.

use std::fmt;
use std::str::FromStr;

use super::wire::FULL_LEN;

/// The longest payload that UDP over IPv4 can carry.
pub const LARGEST: u32 = 65_507;

/// UDP payloads in bytes, used in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    sizes: Vec<u32>,
    text: String,
}

impl Sizes {
    pub fn one(size: u32) -> Self {
        Self { sizes: vec![size], text: size.to_string() }
    }

    pub fn nth(&self, n: u64) -> u32 {
        let count = self.sizes.len().max(1) as u64;
        self.sizes.get((n % count) as usize).copied().unwrap_or(FULL_LEN as u32)
    }

    pub fn smallest(&self) -> u32 {
        self.sizes.iter().copied().min().unwrap_or(0)
    }

    pub fn largest(&self) -> u32 {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    /// Rounded down.
    pub fn mean(&self) -> u64 {
        let sum: u64 = self.sizes.iter().map(|size| u64::from(*size)).sum();
        sum / self.sizes.len().max(1) as u64
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::one(FULL_LEN as u32)
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "\"{text}\" is not a payload: expected up to {LARGEST} bytes, a list, or a range, \
                 e.g. \"64\", \"64,512,1400\" or \"64..1400\""
            )
        };
        let size = |text: &str| {
            let size = text.parse::<u32>().ok();
            size.filter(|size| *size <= LARGEST).ok_or_else(invalid)
        };
        let mut sizes = Vec::new();
        for part in text.split(',') {
            match part.split_once("..") {
                Some((low, high)) => {
                    let (low, high) = (size(low)?, size(high)?);
                    if low > high {
                        return Err(invalid());
                    }
                    sizes.extend(low..=high);
                }
                None => sizes.push(size(part)?),
            }
        }
        Ok(Self { sizes, text: text.to_owned() })
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests;
