//! What a port has taken is not lost while the far end takes nothing from the device, of a tap for a second.
//! Packets that cannot leave stay with the sender, and the queue in front of the port grows. These tests need
//! root; without it each reports that it was skipped.
//!
//! ```text
//!   queue ── XskPort ── a0 ══ veth ══ b0: its poll is kept off its core for 200 ms
//!   queue ── XskPort ── tap: its reader stops for 200 ms
//! ```
#![allow(unsafe_code, reason = "namespaces, taps and scheduling are system calls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod bed;

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bed::consumer::{Hog, Reader, open_tap};
use bed::{
    Tap, config, end, frame, in_namespace, ip, on_core, polled_on_core_0, received, superframe,
    veth, without_tso,
};
use weir_core::Reason;
use weir_port::{Packet, Pool, Port, Refused, XskPort, ethtool, sys};

const FRAMES: u32 = 16_384;
const PAUSE: Duration = Duration::from_millis(200);
/// 100 000 packets a second.
const EVERY: Duration = Duration::from_micros(10);

/// The sender in front of a port: an unbounded queue that records its greatest length.
struct Sender {
    pool: Pool,
    port: XskPort,
    queue: VecDeque<Packet>,
    made: u32,
    accepted: u64,
    longest: usize,
}

impl Sender {
    fn new(name: &str) -> Self {
        let (pool, umem) = Pool::umem(FRAMES).unwrap();
        let port = XskPort::bind(&umem, config(name)).unwrap();
        Self { pool, port, queue: VecDeque::new(), made: 0, accepted: 0, longest: 0 }
    }

    fn turn(&mut self) {
        while let Some(packet) = self.queue.pop_front() {
            match self.port.send(&mut self.pool, packet) {
                Ok(()) => self.accepted += 1,
                Err(Refused::Full(packet)) => {
                    self.queue.push_front(packet);
                    break;
                }
                Err(Refused::Lost(packet, reason)) => {
                    self.pool.release(packet);
                    panic!("lost: {reason:?}, {:?}", self.port.stats());
                }
            }
        }
        self.port.kick(&mut self.pool);
        self.port.complete(&mut self.pool);
        self.longest = self.longest.max(self.queue.len());
    }

    /// Offers numbered frames at an even pace, as far as there are frames to make them of.
    fn offer(&mut self, make: impl Fn(u32, &mut Pool) -> Option<Packet>, lasting: Duration) {
        let start = Instant::now();
        let mut due = 0;
        while start.elapsed() < lasting {
            for _ in 0..64 {
                if start.elapsed() < EVERY * due {
                    break;
                }
                due += 1;
                if let Some(packet) = make(self.made, &mut self.pool) {
                    self.made += 1;
                    self.queue.push_back(packet);
                }
            }
            self.turn();
        }
    }

    /// Turns until nothing waits.
    fn settle(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.queue.is_empty() || self.port.tx_outstanding() > 0 {
            self.turn();
            assert!(Instant::now() < deadline, "{:?}", self.port.stats());
        }
    }

    fn finish(&mut self) {
        self.settle();
        assert_eq!(self.accepted, u64::from(self.made));
        let stats = self.port.stats();
        assert!(stats.losses.is_empty(), "{stats:?}");
        assert_eq!(stats.tx_packets, self.accepted + stats.segments_made, "{stats:?}");
    }
}

/// A frame that contains its number.
fn numbered(number: u32, pool: &mut Pool) -> Option<Packet> {
    let mut bytes = [0xaa; 100];
    bytes[96..].copy_from_slice(&number.to_be_bytes());
    pool.compose(&bytes, &weir_abi::Meta::default())
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[bytes.len() - 4..].try_into().unwrap())
}

#[test]
fn nothing_is_lost_while_a_veths_poll_does_not_run() {
    in_namespace("veth stalls", || {
        veth("a0", "b0", 1500);
        // With TSO at this end the kernel delivers each frame on the sender's core, within the call: no far
        // end could stall.
        without_tso("a0");
        polled_on_core_0("b0");
        let tc = Command::new("tc").args("qdisc add dev a0 root pfifo".split(' ')).status();
        assert!(tc.unwrap().success());
        let tap = Tap::on("b0");
        let before = received("b0");
        on_core(1, 0);
        let mut sender = Sender::new("a0");
        sender.offer(numbered, PAUSE / 10);
        let hog = Hog::on_core_0();
        sender.offer(numbered, PAUSE);
        let waited = (sender.longest, sender.port.stats().kick_again);
        hog.end();
        sender.offer(numbered, PAUSE / 10);
        sender.finish();
        // 256 frames fit in its ring and 2048 in this port's: the rest of 20 000 waited in the queue.
        assert!(waited.0 > 1000 && waited.1 > 0, "{waited:?}: it did not stand still");
        for expected in 0..sender.made {
            assert_eq!(number(&tap.next().unwrap()), expected);
        }
        assert_eq!(received("b0") - before, u64::from(sender.made));
        end(sender.port, &mut sender.pool);
    });
}

#[test]
fn nothing_is_lost_in_a_veth_with_tso_that_delivers_at_once() {
    in_namespace("veth with TSO", || {
        veth("a0", "b0", 1500);
        let before = received("b0");
        let tap = Tap::on("b0");
        let mut sender = Sender::new("a0");
        sender.offer(numbered, PAUSE);
        sender.finish();
        for expected in 0..sender.made {
            assert_eq!(number(&tap.next().unwrap()), expected);
        }
        assert_eq!(received("b0") - before, u64::from(sender.made));
        end(sender.port, &mut sender.pool);
    });
}

const LAST: u32 = u32::MAX;

#[test]
fn nothing_is_lost_while_nobody_reads_a_tap() {
    in_namespace("tap stalls", || {
        let tap = open_tap("t0", false);
        let reader = Reader::new(tap, |bytes| number(bytes) == LAST);
        let mut sender = Sender::new("t0");
        sender.offer(numbered, PAUSE / 10);
        reader.pause(true);
        sender.offer(numbered, PAUSE);
        let waited = (sender.longest, sender.port.stats().vnet_refused);
        reader.pause(false);
        sender.offer(numbered, PAUSE / 10);
        sender.finish();
        assert!(waited.0 > 1000 && waited.1 > 0, "{waited:?}: it did not stand still");
        let made = sender.made;
        sender.queue.extend(numbered(LAST, &mut sender.pool));
        sender.made += 1;
        sender.finish();
        let frames = reader.thread.join().unwrap();
        let numbers: Vec<u32> = frames.iter().map(|bytes| number(bytes)).collect();
        assert!(numbers.into_iter().eq((0..made).chain([LAST])));
        end(sender.port, &mut sender.pool);
    });
}

#[test]
fn superframes_wait_for_a_tap_as_well_and_stay_in_order() {
    in_namespace("tap stalls, superframes", || {
        const BIG: usize = 20_000;
        let tap = open_tap("t0", true);
        assert!(ethtool::tx_features("t0").unwrap().tso4);
        let reader = Reader::new(tap, |bytes| number(bytes) == LAST);
        let mut sender = Sender::new("t0");
        let big = frame(0, false, false, BIG);
        let make = |nth: u32, pool: &mut Pool| {
            if !nth.is_multiple_of(10) {
                return numbered(nth, pool);
            }
            let mut bytes = big.clone();
            let at = bytes.len() - 4;
            bytes[at..].copy_from_slice(&nth.to_be_bytes());
            (pool.available() > 6).then(|| superframe(pool, &bytes, 1400))
        };
        reader.pause(true);
        sender.offer(make, PAUSE);
        let refused = sender.port.stats().vnet_refused;
        reader.pause(false);
        sender.finish();
        assert!(refused > 0, "it did not stand still");
        let made = sender.made;
        sender.queue.extend(numbered(LAST, &mut sender.pool));
        sender.made += 1;
        sender.finish();
        let frames = reader.thread.join().unwrap();
        let numbers: Vec<u32> = frames.iter().map(|bytes| number(bytes)).collect();
        assert!(numbers.into_iter().eq((0..made).chain([LAST])));
        let whole = frames.iter().filter(|bytes| bytes.len() > BIG).count() as u64;
        assert_eq!(whole, sender.port.stats().tx_superframes);
        end(sender.port, &mut sender.pool);
    });
}

/// The payload of segments, which starts 54 bytes after `skip`.
fn payload<'a>(segments: impl Iterator<Item = &'a Vec<u8>>, skip: usize) -> Vec<u8> {
    segments.flat_map(|bytes| bytes[skip + 54..].to_vec()).collect()
}

#[test]
fn a_superframe_that_waits_very_long_is_cut_and_not_lost() {
    in_namespace("tap stalls for long", || {
        let tap = open_tap("t0", true);
        let reader = Reader::new(tap, |bytes| number(bytes) == LAST);
        reader.pause(true);
        let mut sender = Sender::new("t0");
        while sender.port.stats().vnet_refused == 0 {
            sender.queue.extend(numbered(0, &mut sender.pool));
            sender.made += 1;
            sender.turn();
        }
        // Empties both the tap's ring and the line: frames in them would be sent first.
        reader.pause(false);
        sender.finish();
        reader.pause(true);
        let big = frame(0, false, false, 20_000);
        let stalled = Instant::now();
        while sender.port.stats().segmented == 0 {
            let packet = superframe(&mut sender.pool, &big, 1400);
            sender.queue.push_back(packet);
            sender.made += 1;
            while !sender.queue.is_empty() && sender.port.stats().segmented == 0 {
                sender.turn();
                assert!(stalled.elapsed() < 50 * PAUSE, "{:?}", sender.port.stats());
            }
        }
        assert!(sender.port.stats().losses.is_empty());
        reader.pause(false);
        sender.queue.extend(numbered(LAST, &mut sender.pool));
        sender.made += 1;
        sender.finish();
        let frames = reader.thread.join().unwrap();
        let cut = frames.iter().filter(|bytes| (1000..2000).contains(&bytes.len()));
        let vnet = 10;
        assert!(payload(cut, vnet).starts_with(&big[54..54 + 14 * 1400]));
        end(sender.port, &mut sender.pool);
    });
}

#[test]
fn a_device_that_drops_every_superframe_gets_segments_after_a_while() {
    in_namespace("drops superframes", || {
        veth("a0", "b0", 1500);
        // The port is configured with features that the device no longer has.
        let mut sender = Sender::new("a0");
        without_tso("a0");
        let tap = Tap::on("b0");
        let big = frame(0, false, false, 20_000);
        let packet = superframe(&mut sender.pool, &big, 1400);
        sender.queue.push_back(packet);
        sender.made += 1;
        sender.finish();
        let count = 20_000_usize.div_ceil(1400);
        let segments: Vec<_> = (0..count).map(|_| tap.next().unwrap()).collect();
        assert!(payload(segments.iter(), 0) == big[54..]);
        end(sender.port, &mut sender.pool);
    });
}

#[test]
fn what_waits_for_a_tap_that_nobody_reads_is_lost_after_a_second() {
    in_namespace("tap stalls for very long", || {
        // More than the tap and the line hold: the rest waits in the queue, and has another second.
        const OFFERED: u32 = 4000;
        let tap = open_tap("t0", false);
        let reader = Reader::new(tap, |bytes| number(bytes) == LAST);
        reader.pause(true);
        let mut sender = Sender::new("t0");
        let stalled = Instant::now();
        for number in 0..OFFERED {
            sender.queue.extend(numbered(number, &mut sender.pool));
        }
        sender.settle();
        let (stats, took) = (sender.port.stats(), stalled.elapsed());
        assert!(took >= Duration::from_secs(2), "{took:?}");
        assert_eq!(stats.losses.total(), stats.losses.get(Reason::TxBusy), "{stats:?}");
        assert_eq!(stats.tx_packets + stats.losses.total(), u64::from(OFFERED), "{stats:?}");
        assert_eq!(sender.pool.census().tx, 0);
        reader.pause(false);
        sender.queue.extend(numbered(LAST, &mut sender.pool));
        sender.settle();
        let frames = reader.thread.join().unwrap();
        let numbers: Vec<u32> = frames.iter().map(|bytes| number(bytes)).collect();
        assert!(numbers.into_iter().eq((0..stats.tx_packets as u32).chain([LAST])));
        end(sender.port, &mut sender.pool);
    });
}

#[test]
fn superframes_for_a_tap_that_nobody_reads_are_lost_with_what_is_before_them() {
    in_namespace("tap stalls for very long, superframes", || {
        let _tap = open_tap("t0", true);
        let mut sender = Sender::new("t0");
        let big = frame(0, false, false, 20_000);
        for number in 0..2000 {
            sender.queue.extend(numbered(number, &mut sender.pool));
        }
        // The tap is full. With a second for each of these, it would take too long.
        sender.settle();
        for number in 0..50 {
            sender.queue.extend(numbered(number, &mut sender.pool));
            sender.queue.push_back(superframe(&mut sender.pool, &big, 1400));
        }
        sender.settle();
        let stats = sender.port.stats();
        assert_eq!(stats.losses.total(), stats.losses.get(Reason::TxBusy), "{stats:?}");
        let ended = stats.tx_packets + stats.losses.total();
        assert_eq!(ended, 2100 + stats.segments_made, "{stats:?}");
        assert_eq!(sender.pool.census().tx, 0);
        end(sender.port, &mut sender.pool);
    });
}

#[test]
fn what_waits_for_a_tap_that_nobody_holds_is_lost_by_name() {
    in_namespace("tap left alone", || {
        let tap = open_tap("t0", false);
        let persist: libc::c_ulong = 1;
        // SAFETY: the argument is a number.
        let kept = unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETPERSIST as _, persist) };
        assert_eq!(kept, 0);
        let mut sender = Sender::new("t0");
        drop(tap);
        let deadline = Instant::now() + Duration::from_secs(5);
        while sys::interface_index("t0").is_ok() {
            sender.queue.extend(numbered(0, &mut sender.pool));
            sender.turn();
            if sender.port.stats().losses.get(Reason::TxBusy) >= 10 {
                break;
            }
            assert!(Instant::now() < deadline, "{:?}", sender.port.stats());
        }
        assert_eq!(sender.port.tx_outstanding(), sender.pool.census().tx);
        for packet in sender.queue.drain(..) {
            sender.pool.release(packet);
        }
        end(sender.port, &mut sender.pool);
    });
}

#[test]
fn a_tap_that_goes_down_keeps_what_waits_and_comes_back() {
    in_namespace("tap down and up", || {
        let tap = open_tap("t0", false);
        let mut sender = Sender::new("t0");
        ip("link set t0 down");
        sender.queue.extend(numbered(7, &mut sender.pool));
        sender.turn();
        assert_eq!((sender.accepted, sender.port.tx_outstanding()), (1, 1));
        let refused = numbered(8, &mut sender.pool).unwrap();
        match sender.port.send(&mut sender.pool, refused) {
            Err(Refused::Lost(packet, Reason::PortGone)) => sender.pool.release(packet),
            other => panic!("{other:?}"),
        }
        ip("link set t0 up");
        let reader = Reader::new(tap, |bytes| number(bytes) == 7);
        sender.made = 1;
        sender.finish();
        assert_eq!(reader.thread.join().unwrap().len(), 1);
        assert_eq!(reader.read.load(Ordering::Relaxed), 1);
        end(sender.port, &mut sender.pool);
    });
}
