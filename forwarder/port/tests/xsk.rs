//! The port over AF_XDP, against the kernel. These tests need root; without it each reports that it was
//! skipped. Each test has a separate network namespace, which ends with its thread.
//!
//! ```text
//!   XskPort (this program) ── a0 ══ veth ══ b0 ── packet socket (what arrived, as it arrived)
//! ```
#![allow(unsafe_code, reason = "namespaces and packet sockets are system calls")]

mod bed;

use std::process::Command;
use std::time::{Duration, Instant};

use bed::{
    FRAMES, Tap, config, drain, end, frame, in_namespace, ip, packet, received, send,
    slow_receiver, superframe, veth, without_outer_tag,
};
use weir_abi::{Meta, classify, meta_flags};
use weir_core::{PortId, Reason};
use weir_port::{BindError, Kick, Pool, Port, Refused, TxFeatures, XskConfig, XskPort, ethtool};

#[test]
fn the_same_interface_is_bound_and_dropped_fifty_times() {
    in_namespace("bind 50 times", || {
        veth("a0", "b0", 1500);
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let tap = Tap::on("b0");
        for round in 0..50_u8 {
            let mut port = XskPort::bind(&umem, config("a0")).unwrap();
            port.refill(&mut pool);
            assert_eq!(pool.census().fill, 512);
            let packet = packet(&mut pool, &[round; 60]);
            send(&mut port, &mut pool, packet);
            drain(&mut port, &mut pool);
            assert_eq!(tap.next().unwrap(), [round; 60]);
            assert_eq!(port.stats().tx_packets, 1);
            end(port, &mut pool);
        }
    });
}

#[test]
fn a_device_that_comes_and_goes_takes_no_other_with_it() {
    in_namespace("device goes", || {
        veth("a0", "b0", 1500);
        veth("a1", "b1", 1500);
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut first = XskPort::bind(&umem, config("a0")).unwrap();
        let other = XskConfig { slot: PortId(2), ..config("a1") };
        let mut second = XskPort::bind(&umem, other).unwrap();
        first.refill(&mut pool);

        ip("link set a0 down");
        let waits = packet(&mut pool, &[1; 60]);
        send(&mut first, &mut pool, waits);
        assert_eq!(first.kick(&mut pool), Kick::Down);
        let refused = packet(&mut pool, &[2; 60]);
        match first.send(&mut pool, refused) {
            Err(Refused::Lost(packet, Reason::PortGone)) => pool.release(packet),
            other => panic!("{other:?}"),
        }
        ip("link set a0 up");
        let tap = Tap::on("b0");
        assert!(matches!(first.kick(&mut pool), Kick::Progress(1)));
        assert_eq!(tap.next().unwrap(), [1; 60]);
        drain(&mut first, &mut pool);

        ip("link del a0");
        let waits = packet(&mut pool, &[3; 60]);
        send(&mut first, &mut pool, waits);
        assert_eq!(first.kick(&mut pool), Kick::Down);
        assert_eq!(first.tx_outstanding(), 1);
        first.stats();
        first.close();
        assert_eq!(pool.reclaim(PortId(1)), 513);

        // The other port continues to work, and the name can be bound again.
        let tap = Tap::on("b1");
        let one = packet(&mut pool, &[4; 60]);
        send(&mut second, &mut pool, one);
        drain(&mut second, &mut pool);
        assert_eq!(tap.next().unwrap(), [4; 60]);
        veth("a0", "b0", 1500);
        let again = XskPort::bind(&umem, config("a0")).unwrap();
        second.close();
        pool.reclaim(PortId(2));
        end(again, &mut pool);
    });
}

#[test]
fn what_is_bound_already_is_said() {
    in_namespace("anchors", || {
        veth("a0", "b0", 1500);
        let (mut pool, umem) = Pool::umem(64).unwrap();
        let port = XskPort::bind(&umem, config("a0")).unwrap();
        // A namespace has one `lo`, which the first pool has bound.
        let refused = Pool::umem(64).unwrap_err().to_string();
        assert!(refused.contains("on lo") && refused.contains("is bound there"), "{refused}");
        let (tell, told) = std::sync::mpsc::channel();
        in_namespace("elsewhere", move || tell.send(Pool::umem(64).unwrap()).unwrap());
        let (_pool, other) = told.recv().unwrap();
        match XskPort::bind(&other, config("a0")) {
            Err(error @ BindError::Taken { .. }) => {
                assert!(error.to_string().contains("queue 0 of a0"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        end(port, &mut pool);
    });
}

#[test]
fn configurations_that_cannot_be_are_refused() {
    in_namespace("configurations", || {
        veth("a0", "b0", 1500);
        let (_pool, umem) = Pool::umem(64).unwrap();
        let bind = |config| XskPort::bind(&umem, config).unwrap_err().to_string();
        let good = config("a0");
        assert!(bind(XskConfig { name: "x9".into(), ..good.clone() }).contains("no interface x9"));
        assert!(bind(XskConfig { ifindex: 9999, ..good.clone() }).contains("replaced"));
        assert!(bind(XskConfig { rx_ring: 1000, ..good.clone() }).contains("queue 0 of a0"));
        assert!(bind(XskConfig { queues: 4, ..good }).contains("queue 1 of a0"));
    });
}

/// Reports if the device was never full. The receiver's speed depends on the machine; nothing may be lost in
/// either case.
fn said_if_never(refusals: u64) {
    if refusals == 0 {
        eprintln!("the receiver kept up: the device was never full");
    }
}

#[test]
fn a_full_device_with_a_qdisc_loses_nothing() {
    in_namespace("back-pressure", || {
        const COUNT: u64 = 100_000;
        veth("a0", "b0", 1500);
        // With GRO the far end has its own ring and poll, and the qdisc makes it push back.
        slow_receiver("b0", "a0");
        let _tap = Tap::on("b0");
        let tc = Command::new("tc").args("qdisc add dev a0 root pfifo".split(' ')).status();
        assert!(tc.unwrap().success());
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut port = XskPort::bind(&umem, config("a0")).unwrap();
        let before = received("b0");
        for _ in 0..COUNT {
            let packet = packet(&mut pool, &[0xaa; 60]);
            send(&mut port, &mut pool, packet);
        }
        drain(&mut port, &mut pool);
        let stats = port.stats();
        assert_eq!((stats.tx_packets, stats.losses.total()), (COUNT, 0));
        said_if_never(stats.kick_again);
        let deadline = Instant::now() + Duration::from_secs(2);
        while received("b0") - before < COUNT {
            assert!(Instant::now() < deadline, "{} of {COUNT}", received("b0") - before);
        }
        end(port, &mut pool);
    });
}

#[test]
fn a_full_device_loses_no_chain_either() {
    in_namespace("back-pressure, chains", || {
        const COUNT: u64 = 2000;
        veth("a0", "b0", 1500);
        // Without TSO there are no superframes: the chains of this test are jumbo frames.
        slow_receiver("b0", "a0");
        let _tap = Tap::on("b0");
        let tc = Command::new("tc").args("qdisc add dev a0 root pfifo".split(' ')).status();
        assert!(tc.unwrap().success());
        ip("link set a0 mtu 9000");
        ip("link set b0 mtu 9000");
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut port = XskPort::bind(&umem, XskConfig { mtu: 9000, ..config("a0") }).unwrap();
        let before = received("b0");
        let bytes = frame(0, false, true, 8000);
        let meta = Meta::new(&classify(&bytes[..]).unwrap(), 1, bytes.len() as u32, 3);
        // Sends until the device was full once, within a bound.
        let mut sent = 0;
        while sent < COUNT || port.stats().vnet_refused == 0 && sent < 20 * COUNT {
            let chain = pool.compose(&bytes, &meta).unwrap();
            send(&mut port, &mut pool, chain);
            if sent % 3 == 0 {
                let single = packet(&mut pool, &[0xaa; 60]);
                send(&mut port, &mut pool, single);
            }
            sent += 1;
        }
        drain(&mut port, &mut pool);
        let stats = port.stats();
        said_if_never(stats.vnet_refused);
        assert!(stats.losses.is_empty(), "{stats:?}");
        assert_eq!(stats.vnet_packets, sent);
        let deadline = Instant::now() + Duration::from_secs(2);
        while received("b0") - before < stats.tx_packets {
            assert!(Instant::now() < deadline, "{}, {stats:?}", received("b0") - before);
        }
        end(port, &mut pool);
    });
}

#[test]
fn every_drop_of_a_device_without_a_qdisc_has_a_name() {
    in_namespace("drops", || {
        const COUNT: u64 = 50_000;
        veth("a0", "b0", 1500);
        slow_receiver("b0", "a0");
        let _tap = Tap::on("b0");
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut port = XskPort::bind(&umem, config("a0")).unwrap();
        let before = received("b0");
        for _ in 0..COUNT {
            let packet = packet(&mut pool, &[0xaa; 60]);
            send(&mut port, &mut pool, packet);
        }
        drain(&mut port, &mut pool);
        let stats = port.stats();
        assert_eq!(stats.tx_packets + stats.losses.get(Reason::TxBusy), COUNT);
        said_if_never(stats.losses.get(Reason::TxBusy));
        let deadline = Instant::now() + Duration::from_secs(2);
        while received("b0") - before < stats.tx_packets {
            assert!(Instant::now() < deadline, "{}, {stats:?}", received("b0") - before);
        }
        end(port, &mut pool);
    });
}

#[test]
fn a_port_whose_far_end_is_down_drops_by_name_and_does_not_stall() {
    in_namespace("no carrier", || {
        veth("a0", "b0", 1500);
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut port = XskPort::bind(&umem, config("a0")).unwrap();
        ip("link set b0 down");
        for _ in 0..100 {
            let packet = packet(&mut pool, &[1; 60]);
            send(&mut port, &mut pool, packet);
        }
        drain(&mut port, &mut pool);
        let stats = port.stats();
        assert_eq!((stats.tx_packets, stats.losses.get(Reason::TxBusy)), (0, 100));
        let big = frame(0, false, false, 20_000);
        let mut lost = 0;
        let mut waits = superframe(&mut pool, &big, 1400);
        let deadline = Instant::now() + Duration::from_secs(3);
        while lost < 10 {
            match port.send(&mut pool, waits) {
                Err(Refused::Lost(packet, Reason::TxBusy)) => {
                    lost += 1;
                    waits = packet;
                }
                // The kernel reports the loss of carrier a little later.
                Err(Refused::Full(packet)) if lost == 0 => waits = packet,
                other => panic!("{other:?}"),
            }
            assert!(Instant::now() < deadline, "{:?}", port.stats());
        }
        ip("link set b0 up");
        let tap = Tap::on("b0");
        send(&mut port, &mut pool, waits);
        assert!(tap.next().unwrap() == big);
        end(port, &mut pool);
    });
}

#[test]
fn superframes_arrive_whole() {
    in_namespace("superframes", || {
        veth("a0", "b0", 1500);
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut port = XskPort::bind(&umem, config("a0")).unwrap();
        let tap = Tap::on("b0");
        for tags in 0..3 {
            for (v6, udp) in [(false, false), (true, false), (false, true), (true, true)] {
                for payload in [1200, 3000, 30_000, 60_000] {
                    let bytes = frame(tags, v6, udp, payload);
                    let packet = superframe(&mut pool, &bytes, 1400);
                    send(&mut port, &mut pool, packet);
                    let arrived = tap.next();
                    let what = format!("tags {tags} v6 {v6} udp {udp} payload {payload}");
                    let arrived = arrived.unwrap_or_else(|| panic!("{what}: {:?}", port.stats()));
                    assert_eq!(arrived.len(), bytes.len() - 4 * tags.min(1), "{what}");
                    assert!(arrived == without_outer_tag(&bytes, tags), "{what}");
                }
            }
        }
        assert_eq!(port.stats().tx_superframes, 48);
        end(port, &mut pool);
    });
}

#[test]
fn a_device_without_segmentation_gets_segments() {
    in_namespace("segments", || {
        veth("a0", "b0", 1500);
        for feature in ["tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-udp-segmentation"] {
            ethtool::set_feature("a0", feature, false).unwrap();
        }
        assert_eq!(ethtool::tx_features("a0").unwrap(), TxFeatures::default());
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut port = XskPort::bind(&umem, config("a0")).unwrap();
        let tap = Tap::on("b0");
        for (v6, udp) in [(false, false), (true, false), (false, true), (true, true)] {
            let bytes = frame(0, v6, udp, 30_000);
            let packet = superframe(&mut pool, &bytes, 1400);
            send(&mut port, &mut pool, packet);
            drain(&mut port, &mut pool);
            let headers = bytes.len() - 30_000;
            let mut payload = Vec::new();
            for _ in 0..30_000_usize.div_ceil(1400) {
                let segment = tap.next().unwrap();
                let verdict = classify(&segment[..]).unwrap();
                let layout =
                    weir_core::offload::Layout::parse(&segment, verdict.l3_off, verdict.l4_off)
                        .unwrap();
                let right = weir_core::offload::checksum::verify([&segment[..]], &layout);
                assert!(right);
                payload.extend_from_slice(&segment[headers..]);
            }
            assert!(payload == bytes[headers..]);
        }
        let stats = port.stats();
        assert_eq!((stats.segmented, stats.segments_made, stats.tx_packets), (4, 84, 88));
        end(port, &mut pool);
    });
}

#[test]
fn the_two_ways_out_keep_the_order() {
    in_namespace("order", || {
        veth("a0", "b0", 1500);
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut port = XskPort::bind(&umem, config("a0")).unwrap();
        let tap = Tap::on("b0");
        let big = frame(0, false, false, 20_000);
        for round in 0..200_usize {
            for small in 0..round % 5 {
                let packet = packet(&mut pool, &[small as u8; 60]);
                send(&mut port, &mut pool, packet);
            }
            let packet = superframe(&mut pool, &big, 1448);
            send(&mut port, &mut pool, packet);
            for small in 0..round % 5 {
                assert_eq!(tap.next().unwrap(), [small as u8; 60]);
            }
            assert_eq!(tap.next().unwrap().len(), big.len());
        }
        drain(&mut port, &mut pool);
        end(port, &mut pool);
    });
}

#[test]
fn jumbo_frames_leave_as_chains() {
    in_namespace("jumbo", || {
        veth("a0", "b0", 9000);
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut port = XskPort::bind(&umem, XskConfig { mtu: 9000, ..config("a0") }).unwrap();
        let tap = Tap::on("b0");
        for tags in 0..2 {
            let bytes = frame(tags, false, true, 8972);
            let mut meta = Meta::new(&classify(&bytes[..]).unwrap(), 1, bytes.len() as u32, 3);
            meta.flags |= meta_flags::CSUM_PARTIAL;
            let packet = pool.compose(&bytes, &meta).unwrap();
            assert_eq!(packet.frames(), 3);
            send(&mut port, &mut pool, packet);
            assert!(tap.next().unwrap() == without_outer_tag(&bytes, tags));
        }
        let long = packet(&mut pool, &[0; 9015]);
        match port.send(&mut pool, long) {
            Err(Refused::Lost(packet, Reason::MtuExceeded)) => pool.release(packet),
            other => panic!("{other:?}"),
        }
        end(port, &mut pool);
    });
}
