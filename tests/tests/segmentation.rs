//! Software segmentation, pieces and checksum completion against the kernel's own, byte for byte.
//!
//! Invariant: the frames that the kernel sends for a packet socket with a vnet header, on a device
//! without any offload, equal those that `weir_core::offload` makes of the same frame.
//!
//! ```text
//!   vnet-header packet socket ──► a (no tso, gso, tx checksum) ══ veth ══ b ──► packet socket
//! ```

#[path = "segmentation/wire.rs"]
mod wire;

use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use system_tests::root_or_skip;
use weir_core::offload::{Cut, GsoKind, Layout, Proto, Sum, VnetHeader, checksum};

use self::wire::Wire;

const ROUNDS: u32 = 150;
const SRC: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];
const DST: [u8; 6] = [2, 0, 0, 0, 0, 0x0b];

/// xorshift64*: the same frames on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn within(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        range.start() + self.next() as usize % (range.end() - range.start() + 1)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A frame with random headers and payload, its checksum partial.
fn frame(
    random: &mut Random,
    kind: GsoKind,
    v6: bool,
    tags: usize,
    payload: usize,
) -> Result<(Vec<u8>, Layout)> {
    let tcp = kind != GsoKind::UdpL4;
    // Address bytes below 128 are neither multicast nor loopback in any family used here.
    let mut l4 = if tcp {
        let options = random.within(0..=10);
        let mut header = random.bytes(20);
        header[12] = 0x50 + ((options as u8) << 4);
        header.extend(vec![1; options * 4]);
        header
    } else {
        let mut header = random.bytes(8);
        header[4..6].copy_from_slice(&(8 + payload as u16).to_be_bytes());
        header
    };
    l4.extend(random.bytes(payload));
    let extra = if random.within(0..=2) == 0 { random.within(1..=5) } else { 0 };
    let mut l3 = if v6 {
        let mut header = vec![0x60, 0, 0, 0, 0, 0, if tcp { 6 } else { 17 }, 64];
        header.extend([0xfd; 16].iter().chain(&[0xfc; 16]));
        if extra > 0 {
            // Destination options: nothing but padding.
            let len = extra * 8;
            header.extend([header[6], extra as u8 - 1, 1, len as u8 - 4]);
            header[6] = 60;
            header.resize(40 + len, 0);
        }
        let len = (header.len() - 40 + l4.len()) as u16;
        header[4..6].copy_from_slice(&len.to_be_bytes());
        header
    } else {
        let mut header = vec![0x45 + extra as u8, 0, 0, 0];
        header.extend(random.bytes(2));
        header.extend([0x40, 0, 64, if tcp { 6 } else { 17 }, 0, 0]);
        header.extend([10, 1, 2, 3, 10, 4, 5, 6]);
        header.extend(vec![1; extra * 4]);
        let len = (header.len() + l4.len()) as u16;
        header[2..4].copy_from_slice(&len.to_be_bytes());
        let mut sum = Sum::default();
        sum.add(&header);
        header[10..12].copy_from_slice(&sum.checksum().to_be_bytes());
        header
    };
    let mut frame = [DST, SRC].concat();
    for tag in 0..tags {
        frame.extend(if tags == 2 && tag == 0 { [0x88, 0xa8] } else { [0x81, 0x00] });
        frame.extend([0x60 + tag as u8, random.next() as u8]);
    }
    frame.extend(if v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
    let l3_off = frame.len();
    let l4_off = l3_off + l3.len();
    frame.append(&mut l3);
    frame.append(&mut l4);
    let layout = Layout::parse(&frame, l3_off as u16, l4_off as u16).context("no layout")?;
    checksum::make_partial(&mut frame, &layout, layout.l4_len).context("too short")?;
    Ok((frame, layout))
}

/// Every few rounds, changes the payload so that the checksum of `part` (the whole frame, or its first
/// segment) is zero, which the protocols write in different ways.
fn bend(frame: &mut [u8], layout: &Layout, part_len: usize) {
    let l4 = usize::from(layout.l4_off);
    let word = usize::from(layout.header_len);
    if part_len < word + 2 {
        return;
    }
    frame[word..word + 2].fill(0);
    let mut part = frame[..part_len].to_vec();
    if part_len < frame.len() {
        // Not the last segment: the fields that the segmentation changes in the L4 header.
        let len = (part_len - l4) as u16;
        match layout.proto {
            Proto::Tcp => part[l4 + 13] &= !0x09,
            Proto::Udp => part[l4 + 4..l4 + 6].copy_from_slice(&len.to_be_bytes()),
        }
        if let Some(sum) = checksum::pseudo(&part, layout, len) {
            part[layout.checksum_at()..][..2].copy_from_slice(&sum.fold().to_be_bytes());
        }
    }
    let mut sum = Sum::default();
    sum.add(&part[l4..]);
    frame[word..word + 2].copy_from_slice(&sum.checksum().to_be_bytes());
}

/// Reports where the first of two lists of frames differs from the second.
fn compare(what: &str, ours: &[Vec<u8>], kernel: &[Vec<u8>]) -> Result<()> {
    let mut said = String::new();
    for (i, (ours, kernel)) in ours.iter().zip(kernel).enumerate() {
        if ours != kernel {
            let at = ours.iter().zip(kernel).position(|(a, b)| a != b);
            let (a, b) = (ours.len(), kernel.len());
            writeln!(said, "frame {i}: {a} and {b} bytes, first difference at {at:?}")?;
            let head = |frame: &[u8]| format!("{:02x?}", frame.get(..100).unwrap_or(frame));
            writeln!(said, "  ours   {}\n  kernel {}", head(ours), head(kernel))?;
            break;
        }
    }
    if ours.len() != kernel.len() {
        writeln!(said, "{} frames of ours, {} of the kernel's", ours.len(), kernel.len())?;
    }
    if said.is_empty() { Ok(()) } else { bail!("{what}:\n{said}") }
}

/// Random superframes of one kind: segmented by weir, by the kernel, and by the kernel after weir has
/// cut them into pieces.
fn against_the_kernel(bed: u32, kind: GsoKind, v6: bool) -> Result<()> {
    let mut wire = Wire::new(bed)?;
    let mut random = Random(0x5eed_0000 + u64::from(bed));
    for round in 0..ROUNDS {
        let tags = round as usize % 3;
        let gso_size = random.within(500..=8900) as u16;
        // The kernel takes no more than 128 datagrams at once.
        let most = if kind == GsoKind::UdpL4 { 128 * usize::from(gso_size) } else { usize::MAX };
        let payload = random.within(usize::from(gso_size)..=most.min(65_000 - 200));
        let (mut frame, layout) = frame(&mut random, kind, v6, tags, payload)?;
        // The kernel's packet would not fit its device: headers count, tags do not.
        let mtu_room = 9000 - (layout.header_len - layout.l3_off);
        let gso_size = gso_size.min(mtu_room);
        if round % 8 == 0 {
            let first = usize::from(layout.header_len) + usize::from(gso_size).min(payload);
            bend(&mut frame, &layout, first);
        }
        let what = format!("round {round}: {layout:?}, {payload} bytes by {gso_size}");

        let len = frame.len() as u32;
        let cut = Cut::segments(&frame, len, &layout, gso_size, kind).context("refused")?;
        let mut ours = Vec::new();
        for i in 0..cut.count() {
            let mut segment = vec![0; cut.part_len(i).context("its length")?];
            cut.write(i, [&frame[..]], [&mut segment[..]]).context("not written")?;
            ours.push(segment);
        }
        let gso = (cut.count() > 1).then_some((kind, gso_size));
        wire.send(&VnetHeader::new(&layout, gso, true), &frame).with_context(|| what.clone())?;
        if round % 8 == 0 {
            let expected = if layout.proto == Proto::Tcp { [0, 0] } else { [0xff, 0xff] };
            let field = ours[0].get(layout.checksum_at()..).and_then(|rest| rest.get(..2));
            ensure!(field == Some(&expected), "{what}: the checksum was to be zero, not {field:?}");
        }
        compare(&format!("{what}, whole"), &ours, &wire.received()?)?;

        let max_bytes = random.within(1000..=20_000) as u32;
        let what = format!("{what}, pieces of {max_bytes}");
        let cut =
            Cut::pieces(&frame, len, &layout, gso_size, kind, max_bytes).context("refused")?;
        for i in 0..cut.count() {
            let mut piece = vec![0; cut.part_len(i).context("its length")?];
            cut.write(i, [&frame[..]], [&mut piece[..]]).context("not written")?;
            let size = cut.gso_size(i).context("its segment size")?;
            let own = Layout::parse(&piece, layout.l3_off, layout.l4_off).context("no layout")?;
            let header = VnetHeader::new(&own, (size > 0).then_some((kind, size)), true);
            wire.send(&header, &piece).with_context(|| what.clone())?;
        }
        // A piece of one segment is no superframe: for TCP the kernel then writes the other of the two
        // zeros, which means the same.
        let mut kernel = wire.received()?;
        for frame in kernel.iter_mut().filter(|_| layout.proto == Proto::Tcp) {
            let field = frame.get_mut(layout.checksum_at()..).and_then(|rest| rest.get_mut(..2));
            if let Some(field) = field.filter(|field| **field == [0xff, 0xff]) {
                field.fill(0);
            }
        }
        compare(&what, &ours, &kernel)?;
    }
    Ok(())
}

#[test]
fn tcp_over_ipv4() -> Result<()> {
    root_or_skip!();
    against_the_kernel(1, GsoKind::Tcp4, false)
}

#[test]
fn tcp_over_ipv6() -> Result<()> {
    root_or_skip!();
    against_the_kernel(2, GsoKind::Tcp6, true)
}

#[test]
fn udp_over_ipv4() -> Result<()> {
    root_or_skip!();
    against_the_kernel(3, GsoKind::UdpL4, false)
}

#[test]
fn udp_over_ipv6() -> Result<()> {
    root_or_skip!();
    against_the_kernel(4, GsoKind::UdpL4, true)
}

#[test]
fn single_frames_with_a_partial_checksum() -> Result<()> {
    root_or_skip!();
    let mut wire = Wire::new(5)?;
    let mut random = Random(0x5eed);
    for round in 0..ROUNDS * 2 {
        let kinds = [GsoKind::Tcp4, GsoKind::Tcp6, GsoKind::UdpL4, GsoKind::UdpL4];
        let which = round as usize % 4;
        let payload = random.within(0..=1400);
        let (mut frame, layout) =
            frame(&mut random, kinds[which], which % 2 == 1, round as usize / 4 % 3, payload)?;
        if round % 5 == 0 {
            let len = frame.len();
            bend(&mut frame, &layout, len);
        }
        wire.send(&VnetHeader::new(&layout, None, true), &frame)?;
        ensure!(checksum::complete(&mut [&mut frame[..]], &layout), "it was partial");
        let udp = layout.proto == Proto::Udp;
        let what = format!("round {round}: {payload} bytes, udp {udp}, {layout:?}");
        compare(&what, &[frame], &wire.received()?)?;
    }
    Ok(())
}
