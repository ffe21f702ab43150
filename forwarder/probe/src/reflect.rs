//! An answer made from the datagram it answers. Invariant: it is as long as that datagram, so that both
//! directions carry the same load and an answer never amplifies what a sender sent.

use super::wire::{Block, Came, FULL_LEN, Header, Kind, Turned};

/// Turns a `Data` into its `Reply`; false if it is too short for one.
pub fn reply(datagram: &mut [u8], header: &Header, turned: Turned) -> bool {
    datagram.len() >= FULL_LEN
        && Header { kind: Kind::Reply, ..*header }.write(datagram)
        && turned.write(datagram)
}

/// Turns an `End` into its `Ack`.
pub fn acknowledge(datagram: &mut [u8], header: &Header, received: u64, came: Came) -> bool {
    Header { kind: Kind::Ack, number: received, ..*header }.write(datagram) && came.write(datagram)
}

#[cfg(test)]
mod tests;
