//! The committed XDP program, loaded and run on crafted frames: its verdicts are those of user
//! space's parser, it completes checksums right, and it admits who may pass.
//!
//! Most frames enter through `BPF_PROG_TEST_RUN`, which says what became of them; the counters say
//! under which name. They pretend to come from `lo`, which nothing is attached to.

#[path = "program/harness.rs"]
mod harness;
#[path = "program/losses.rs"]
mod losses;
#[path = "program/shedding.rs"]
mod shedding;
#[path = "program/watching.rs"]
mod watching;

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::maps::HashMap;
use aya::programs::{Xdp, xdp::XdpMode};
use nix::sys::socket::{setsockopt, sockopt};
use system_tests::{Ns, ns, root_or_skip, wait_for};
use weir_abi::{
    Counter, GsoOffsets, IpLockKey, MacLockKey, Meta, classify, maps, meta_flags as f, port_flags,
};
use weir_port::probe::{KernelFacts, TestCtx, gso_offsets, test_run};

use harness::*;

#[test]
fn loads_with_all_without_and_with_half_of_what_a_kernel_may_offer() -> Result<()> {
    root_or_skip!();
    let object = object()?;
    Program::load_as(&object, &GsoOffsets::default().to_words()).context("no BTF")?;
    Program::load_as(&object, &gso_offsets().to_words()).context("offsets, no functions")?;
    let facts = KernelFacts::read();
    let (linked, offsets) = facts.link(&object);
    Program::load_as(&linked, &offsets).context("linked to the kernel's functions")?;
    if facts.offsets.valid != 0 {
        ensure!(linked != object, "the object has no placeholders");
    }
    Ok(())
}

#[test]
fn corpus_and_every_truncation_agree_with_user_space() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    for flags in [0, port_flags::SKB_MODE] {
        program.set_port(LO, flags)?;
        for (name, frame) in corpus()? {
            // The kernel takes no run of less than an Ethernet header. Of a long payload each
            // 13th length does: every remainder still comes up.
            let lengths =
                (14..=frame.len()).filter(|n| *n < 200 || n % 13 == 0 || *n == frame.len());
            for len in lengths {
                let frame = &frame[..len];
                let before = monotonic_ns()?;
                let (run, outcome) = program.run(frame).with_context(|| format!("{name} {len}"))?;
                let after = monotonic_ns()?;
                match classify(frame) {
                    Err(_) => ensure!(outcome == Counter::Malformed, "{name} {len}: {outcome:?}"),
                    Ok(v) => {
                        ensure!(outcome == Counter::Steered, "{name} {len}: {outcome:?}");
                        let meta = Meta::from_bytes(run.meta.as_slice().try_into()?);
                        check_steered(frame, &v, &meta, &run.data)
                            .with_context(|| format!("{name} {len}"))?;
                        ensure!((before..=after).contains(&meta.ingress_ns), "{name}: the clock");
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn partial_checksums_are_completed_as_etherparse_computes_them() -> Result<()> {
    root_or_skip!();
    let program = Program::load()?;
    // Random enough, and the same every time.
    let noise: Vec<u8> =
        (0u32..8000).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (tags, v6, tcp) in combinations() {
        for len in (0..150).chain((150..1440).step_by(7)).chain([2047, 2048, 3000, 3400]) {
            let right = build(tags, v6, tcp, &noise[len / 2..][..len])?;
            let mut frame = right.clone();
            make_partial(&mut frame)?;
            let what = || format!("tags {tags} v6 {v6} tcp {tcp} payload {len}");
            let (meta, data) = program.steered(&frame).with_context(what)?;
            ensure!(meta.flags & f::CSUM_COMPLETED != 0, "{} not completed", what());
            ensure!(data == right, "{} completed wrong", what());
            let (_, data) = program.steered(&right).with_context(what)?;
            ensure!(data == right, "{} was right before", what());
        }
    }
    Ok(())
}

#[test]
fn a_right_checksum_that_looks_partial_stays_right() -> Result<()> {
    root_or_skip!();
    let program = Program::load()?;
    for (tags, v6, tcp) in combinations() {
        for len in [2, 24, 25, 100, 1400] {
            // The first two bytes of the payload make up for what the sum lacks to be right.
            let mut payload = vec![0x5a; len];
            payload[..2].fill(0);
            let mut frame = build(tags, v6, tcp, &payload)?;
            make_partial(&mut frame)?;
            let v = classify(&frame[..]).ok().context("malformed")?;
            let at = frame.len() - len;
            let missing = 0xffff - residue(&frame, &v);
            frame[at..at + 2].copy_from_slice(&missing.to_be_bytes());
            ensure!(residue(&frame, &v) == 0xffff, "no such payload");
            let (meta, data) = program.steered(&frame)?;
            ensure!(meta.flags & f::CSUM_COMPLETED != 0, "it does look partial");
            ensure!(data == frame, "tags {tags} v6 {v6} tcp {tcp} {len}");
        }
    }
    Ok(())
}

#[test]
fn long_frames_keep_their_partial_checksum_and_say_so() -> Result<()> {
    root_or_skip!();
    let program = Program::load()?;
    for len in [4000, 9000, 30000, 60000] {
        let mut frame = build(0, false, true, &vec![9; len])?;
        make_partial(&mut frame)?;
        let (meta, data) = program.steered(&frame).with_context(|| format!("{len}"))?;
        ensure!(meta.flags & f::CSUM_PARTIAL != 0 && meta.flags & f::CSUM_COMPLETED == 0);
        ensure!(meta.len as usize == frame.len() && data == frame, "{len}");
    }
    Ok(())
}

#[test]
fn frames_without_a_socket_are_left_as_they_are() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    program.close_slot()?;
    let mut frame = build(0, false, false, &[1; 40])?;
    make_partial(&mut frame)?;
    // `run` checks that a frame that is not steered is unchanged: the kernel still holds its
    // checksum for partial, and would spoil a completed one.
    ensure!(program.outcome(&frame)? == Counter::PassedFallback);
    program.set_port(LO, port_flags::FALLBACK_DROP)?;
    ensure!(program.outcome(&frame)? == Counter::DroppedFallback);
    program.open_slot()?;
    ensure!(program.outcome(&frame)? == Counter::Steered);
    program.ports.remove(&LO)?;
    let before = program.counters()?;
    let ctx = TestCtx { ingress_ifindex: LO, rx_queue_index: 0 };
    let run = test_run(program.fd.as_fd(), &frame, Some(ctx))?;
    ensure!(run.action == XDP_PASS && run.data == frame && program.counters()? == before);
    Ok(())
}

#[test]
fn the_host_is_never_cut_off() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let all = port_flags::MAC_LOCK | port_flags::IP_LOCK | port_flags::FALLBACK_DROP;
    for flags in [0, all] {
        program.set_port(LO, flags)?;
        for host in [HOST, BRIDGE] {
            for (name, mut frame) in corpus()? {
                if frame.len() >= 14 {
                    frame[..6].copy_from_slice(&host);
                    ensure!(program.outcome(&frame)? == Counter::PassedHost, "{name}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn group_frames_of_a_bridged_port_are_the_bridges_own() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let mut group = build(0, false, false, &[1; 40])?;
    let single = group.clone();
    group[..6].copy_from_slice(&[0xff; 6]);
    ensure!(program.steered(&group)?.0.flags & f::MULTICAST != 0);
    program.set_port(LO, port_flags::BRIDGED)?;
    ensure!(program.outcome(&group)? == Counter::PassedHost);
    ensure!(program.outcome(&single)? == Counter::Steered);
    program.set_port(LO, port_flags::BRIDGED | port_flags::IP_LOCK)?;
    ensure!(program.outcome(&group)? == Counter::Spoofed, "a lock holds for broadcasts too");
    Ok(())
}

#[test]
fn locked_ports_send_under_their_own_addresses_only() -> Result<()> {
    root_or_skip!();
    let mut program = Program::load()?;
    let mut macs: HashMap<_, [u8; MacLockKey::LEN], u8> =
        program.ebpf.take_map(maps::MAC_LOCK).context("MAC_LOCK")?.try_into()?;
    let mut ips: HashMap<_, [u8; IpLockKey::LEN], u8> =
        program.ebpf.take_map(maps::IP_LOCK).context("IP_LOCK")?.try_into()?;
    let v4 = build(1, false, true, &[1; 40])?;
    let v6 = build(0, true, false, &[1; 40])?;

    program.set_port(LO, port_flags::MAC_LOCK)?;
    ensure!(program.outcome(&v4)? == Counter::Spoofed);
    macs.insert(MacLockKey { slot: SLOT + 1, mac: SRC }.to_bytes(), 1, 0)?;
    ensure!(program.outcome(&v4)? == Counter::Spoofed, "another port's address");
    macs.insert(MacLockKey { slot: SLOT, mac: SRC }.to_bytes(), 1, 0)?;
    ensure!(program.outcome(&v4)? == Counter::Steered);

    program.set_port(LO, port_flags::IP_LOCK)?;
    let mut own4 = [0; 16];
    own4[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 5]);
    ensure!(program.outcome(&v4)? == Counter::Spoofed);
    ensure!(program.outcome(&v6)? == Counter::Spoofed);
    ips.insert(IpLockKey::new(SLOT, own4).to_bytes(), 1, 0)?;
    ips.insert(IpLockKey::new(SLOT, [0xfd; 16]).to_bytes(), 1, 0)?;
    ensure!(program.outcome(&v4)? == Counter::Steered);
    ensure!(program.outcome(&v6)? == Counter::Steered);

    // Everyone may look for neighbours before and beside his address.
    let set6 = |address: [u8; 16]| [&v6[..22], &address, &v6[38..]].concat();
    let mut link_local = [7; 16];
    link_local[..2].copy_from_slice(&[0xfe, 0xbf]);
    ensure!(program.outcome(&set6(link_local))? == Counter::Steered, "link-local");
    ensure!(program.outcome(&set6([0; 16]))? == Counter::Steered, "unspecified");
    link_local[1] = 0xc0;
    ensure!(program.outcome(&set6(link_local))? == Counter::Spoofed, "site-local is not");

    let arp = |sender: [u8; 4]| {
        let mut frame = [&DST[..], &SRC, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &SRC].concat();
        frame.extend(sender);
        frame.extend([0; 10]);
        frame
    };
    ensure!(program.outcome(&arp([10, 0, 0, 5]))? == Counter::Steered);
    ensure!(program.outcome(&arp([0, 0, 0, 0]))? == Counter::Steered, "a probe");
    ensure!(program.outcome(&arp([10, 0, 0, 6]))? == Counter::Spoofed);
    Ok(())
}

/// A guest behind a veth whose other end has the program; the second namespace is to be kept.
fn veth(bed: u32, program: &mut Program, mode: XdpMode) -> Result<(Ns, Ns)> {
    let guest = Ns::create(&ns::name_of(bed, "g"))?;
    let host = Ns::create(&ns::name_of(bed, "h"))?;
    guest.ip(&format!("link add g0 type veth peer name h0 netns {}", host.name()))?;
    host.ip("link set h0 up")?;
    guest.ip("link set g0 up")?;
    guest.ip("addr add 10.9.0.1/24 dev g0")?;
    guest.ip("addr add fd09::1/64 dev g0 nodad")?;
    guest.ip("neigh add 10.9.0.2 lladdr 02:00:00:00:09:02 dev g0")?;
    guest.ip("neigh add fd09::2 lladdr 02:00:00:00:09:02 dev g0")?;
    let flags = if matches!(mode, XdpMode::Skb) { port_flags::SKB_MODE } else { 0 };
    program.set_port(host.ifindex("h0")?, flags)?;
    let xdp: &mut Xdp =
        program.ebpf.program_mut(maps::PROGRAM).context("no such program")?.try_into()?;
    host.run(|| Ok(xdp.attach("h0", mode)?))?;
    Ok((guest, host))
}

#[test]
fn a_guests_partial_checksums_are_completed_in_both_modes() -> Result<()> {
    root_or_skip!();
    for (bed, mode) in [(910, XdpMode::Skb), (911, XdpMode::Driver)] {
        let mut program = Program::load()?;
        let (guest, _host) = veth(bed, &mut program, mode)?;
        for (from, to) in [("10.9.0.1:0", "10.9.0.2:9"), ("[fd09::1]:0", "[fd09::2]:9")] {
            let socket = guest.run(|| Ok(UdpSocket::bind(from)?))?;
            socket.connect(to)?;
            let before = program.counters()?;
            ensure!(socket.send(&[7; 1400])? == 1400);
            wait_for(Duration::from_secs(5), "the datagram", || {
                program.counters().is_ok_and(|c| c.partial_completed > before.partial_completed)
            })?;
        }
    }
    Ok(())
}

/// A veth pair, the program in skb mode at one end, a guest with its default offloads at the other:
/// a send of many datagrams at once arrives as one superframe and is recognized.
#[test]
fn superframes_are_told_from_long_frames() -> Result<()> {
    root_or_skip!();
    if KernelFacts::read().offsets.valid == 0 {
        system_tests::say_skipped("superframes_are_told_from_long_frames", "no BTF");
        return Ok(());
    }
    let object = object()?;
    let linked = KernelFacts::read().link(&object);
    let copied = (object, gso_offsets().to_words());
    for (way, (object, offsets)) in [linked, copied].into_iter().enumerate() {
        let mut program = Program::load_as(&object, &offsets)?;
        let (guest, _host) = veth(900 + way as u32, &mut program, XdpMode::Skb)?;
        for (from, to) in [("10.9.0.1:0", "10.9.0.2:9"), ("[fd09::1]:0", "[fd09::2]:9")] {
            let socket = guest.run(|| Ok(UdpSocket::bind(from)?))?;
            socket.connect(to)?;
            let before = program.counters()?;
            // One datagram, several at once (also with a short last one), a few tiny ones at once.
            let cases = [(500, 1400), (7000, 1400), (20000, 1000), (10, 4)];
            for (len, size) in cases {
                setsockopt(&socket, sockopt::UdpGsoSegment, &size)?;
                ensure!(socket.send(&vec![7; len])? == len);
            }
            let counted = || program.counters().map(|c| c.superframes - before.superframes);
            wait_for(Duration::from_secs(5), "three superframes", || {
                counted().is_ok_and(|n| n >= 3)
            })?;
            let after = program.counters()?;
            ensure!(counted()? == 3, "{} superframes", counted()?);
            ensure!(after.frames(Counter::Unsupported) == 0);
            ensure!(after.partial_completed > before.partial_completed, "the single datagram");
        }
    }
    Ok(())
}
