//! An answer made of the datagram it answers. Invariant: it is as long as the question, so that
//! both ways are loaded alike and nobody is hit with more than he sent.

use super::wire::{Block, Came, FULL_LEN, Header, Kind, Turned};

/// Turns a `Data` into its `Reply`; false where it is too short for one.
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
mod tests {
    use super::super::wire::{DATA_LEN, Session};
    use super::*;

    const DATA: Header = Header {
        kind: Kind::Data,
        flow: 3,
        session: Session(4),
        number: 5,
        monotonic_ns: 6,
        realtime_ns: 7,
    };

    #[test]
    fn a_reply_is_its_question_with_the_reflectors_times() {
        let mut datagram = [9; 100];
        DATA.write(&mut datagram);
        let turned = Turned { received_ns: 10, sent_ns: 11, number: 12 };
        assert!(reply(&mut datagram, &DATA, turned));
        assert_eq!(Header::read(&datagram), Some(Header { kind: Kind::Reply, ..DATA }));
        assert_eq!(Turned::read(&datagram), turned);
        assert_eq!(datagram[FULL_LEN..], [9; 36]);
    }

    #[test]
    fn what_is_too_short_gets_none() {
        let mut datagram = [0; FULL_LEN - 1];
        DATA.write(&mut datagram[..DATA_LEN]);
        assert!(!reply(&mut datagram, &DATA, Turned::default()));
        assert_eq!(Header::read(&datagram), Some(DATA));
    }
}
