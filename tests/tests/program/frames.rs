//! Frames to run through the programs, and their expected results. Invariant: the same every time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use etherparse::PacketBuilder;
use weir_abi::{Meta, Verdict, classify, fold, meta_flags as f};

use crate::worlds::IN;

pub(crate) const LO: u32 = 1;
pub(crate) const SRC: [u8; 6] = [2, 0, 0, 0, 0, 5];
pub(crate) const DST: [u8; 6] = [2, 0, 0, 0, 0, 13];
pub(crate) const XDP_DROP: u32 = 1;
pub(crate) const XDP_PASS: u32 = 2;
pub(crate) const XDP_REDIRECT: u32 = 4;

pub(crate) fn ebpf_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../xdp-ebpf")
}

pub(crate) fn object() -> Result<Vec<u8>> {
    Ok(fs::read(ebpf_folder().join("prebuilt/weir-steer.o"))?)
}

pub(crate) fn corpus() -> Result<Vec<(String, Vec<u8>)>> {
    let mut frames = Vec::new();
    for entry in fs::read_dir(ebpf_folder().join("abi/corpus"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "bin") {
            frames.push((path.display().to_string(), fs::read(&path)?));
        }
    }
    ensure!(frames.len() > 50, "the corpus is not there");
    frames.sort();
    Ok(frames)
}

pub(crate) fn monotonic_ns() -> Result<u64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// The sum over the L4 part and the pseudo-header: 0xffff if the checksum is right.
pub(crate) fn residue(frame: &[u8], v: &Verdict) -> u16 {
    let l4 = &frame[v.l4_off as usize..][..v.csum_len as usize];
    let words = l4.chunks(2).map(|w| u64::from(w[0]) << 8 | u64::from(*w.get(1).unwrap_or(&0)));
    fold(u64::from(v.pseudo) + words.sum::<u64>())
}

/// Checks a steered frame for that port: the verdict is the parser's, a checksum that looked partial is
/// complete, and nothing else has changed.
pub(crate) fn check_steered(
    frame: &[u8],
    v: &Verdict,
    egress: u16,
    (meta, data): (&Meta, &[u8]),
) -> Result<()> {
    let completed = if v.looks_partial() { f::CSUM_COMPLETED } else { 0 };
    let expected = Meta {
        flags: v.flags | completed,
        egress,
        ..Meta::new(v, meta.ingress_ns, frame.len() as u32, IN)
    };
    ensure!(*meta == expected, "{meta:?}, expected {expected:?}");
    let mut wanted = frame.to_vec();
    if v.looks_partial() {
        let field = v.csum_off() as usize;
        wanted[field..field + 2].copy_from_slice(&data[field..field + 2]);
        ensure!(residue(data, v) == 0xffff, "completed to a wrong checksum");
        let zero = v.is(f::UDP) && data[field..field + 2] == [0, 0];
        ensure!(!zero, "a UDP checksum of 0 means there is none");
    }
    ensure!(data == wanted, "changed beyond the checksum");
    Ok(())
}

/// A frame with a right checksum from etherparse.
pub(crate) fn build(tags: u8, v6: bool, tcp: bool, payload: &[u8]) -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    macro_rules! finish {
        ($link:expr) => {{
            let link = $link;
            let ip = match v6 {
                true => link.ipv6([0xfd; 16], [0xfe; 16], 64),
                false => link.ipv4([10, 0, 0, 5], [10, 0, 0, 13], 64),
            };
            match tcp {
                true => ip.tcp(40000, 443, 7, 1000).write(&mut frame, payload)?,
                false => ip.udp(40000, 443).write(&mut frame, payload)?,
            }
        }};
    }
    let ethernet = PacketBuilder::ethernet2(SRC, DST);
    match tags {
        0 => finish!(ethernet),
        1 => finish!(ethernet.single_vlan(100.try_into()?)),
        _ => finish!(ethernet.double_vlan(200.try_into()?, 100.try_into()?)),
    }
    Ok(frame)
}

/// Puts the pseudo-header sum in the place of the checksum, as a guest with offloads does.
pub(crate) fn make_partial(frame: &mut [u8]) -> Result<()> {
    let v = classify(&*frame).ok().context("malformed")?;
    let field = v.csum_off() as usize;
    frame[field..field + 2].copy_from_slice(&v.pseudo.to_be_bytes());
    Ok(())
}

pub(crate) fn combinations() -> impl Iterator<Item = (u8, bool, bool)> {
    (0..3).flat_map(|tags| {
        [(tags, false, false), (tags, false, true), (tags, true, false), (tags, true, true)]
    })
}
