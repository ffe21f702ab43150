//! Several transmit queues, and the order of what leaves by ring and by packet socket. The test needs root.
//!
//! ```text
//!   XskPort, on core 1 ── a0 ══ veth, 4 queues ══ b0, a thread per queue ── packet socket
//! ```
#![allow(unsafe_code, reason = "namespaces and packet sockets are system calls")]

mod bed;

use bed::{
    FRAMES, Tap, config, drain, end, frame, in_namespace, ip, on_core, packet, polled_by_threads,
    send, without_tso,
};
use weir_abi::{Meta, classify};
use weir_port::{Pool, Port, XskConfig, XskPort};

const ALTERNATIONS: u32 = 20_000;
/// The number of frames sent before any is read.
const AT_ONCE: u32 = 50;

/// The offset of the number: in the payload, after the headers of a UDP datagram.
const AT: usize = 60;

fn numbered(mut bytes: Vec<u8>, number: u32) -> Vec<u8> {
    bytes[AT..AT + 4].copy_from_slice(&number.to_be_bytes());
    bytes
}

#[test]
fn singles_and_chains_take_the_same_one_of_several_queues() {
    in_namespace("queues", || {
        if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
            eprintln!("SKIPPED: queues: takes two cores");
            return;
        }
        let queues = "numtxqueues 4 numrxqueues 4";
        ip(&format!("link add a0 mtu 9000 {queues} type veth peer name b0 mtu 9000 {queues}"));
        for end in ["a0", "b0"] {
            ip(&format!("link set {end} addrgenmode none"));
            ip(&format!("link set {end} up"));
        }
        without_tso("a0");
        assert_eq!(polled_by_threads("b0").len(), 4);
        // The packet socket uses the sending core's queue, the ring uses the first.
        on_core(1, 0);
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut port = XskPort::bind(&umem, XskConfig { mtu: 9000, ..config("a0") }).unwrap();
        let tap = Tap::on("b0");
        let (small, large) = (frame(0, false, true, 100), frame(0, false, true, 8000));
        let meta = Meta::new(&classify(&large[..]).unwrap(), 1, large.len() as u32, 3);
        for first in (0..ALTERNATIONS).step_by(AT_ONCE as usize) {
            for number in first..first + AT_ONCE {
                let packet = if number % 2 == 0 {
                    packet(&mut pool, &numbered(small.clone(), number))
                } else {
                    pool.compose(&numbered(large.clone(), number), &meta).unwrap()
                };
                send(&mut port, &mut pool, packet);
            }
            drain(&mut port, &mut pool);
            for number in first..first + AT_ONCE {
                let arrived = tap.next().unwrap_or_else(|| panic!("{:?}", port.stats()));
                let found = u32::from_be_bytes(arrived[AT..AT + 4].try_into().unwrap());
                assert_eq!(found, number, "in its place");
            }
        }
        let stats = port.stats();
        assert_eq!(stats.tx_packets, u64::from(ALTERNATIONS), "{stats:?}");
        end(port, &mut pool);
    });
}
