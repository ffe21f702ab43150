//! Cuts a TCP superframe in software into the segments that a device with TSO would send.
//! `cargo run -p weir-core --example superframe`

use std::error::Error;

use weir_core::offload::{Cut, GsoKind, Layout, checksum};

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const TCP: usize = 20;
/// Payload bytes of each segment.
const MSS: u16 = 1448;

/// 4000 bytes of payload behind Ethernet, IPv4 and TCP headers; checksums are left to the device.
fn superframe() -> Vec<u8> {
    let mut frame = vec![0; ETHERNET + IPV4 + TCP];
    frame.extend((0..4000_u16).map(|n| n as u8));
    let ip_len = (frame.len() - ETHERNET) as u16;
    frame[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&ip_len.to_be_bytes());
    frame[22..24].copy_from_slice(&[64, 6]);
    frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    frame[38..42].copy_from_slice(&1000_u32.to_be_bytes());
    // A header of five words; the flags ACK and PSH.
    frame[46..48].copy_from_slice(&[0x50, 0x18]);
    frame
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let (l3, l4) = (ETHERNET as u16, (ETHERNET + IPV4) as u16);
    let frame = superframe();
    let layout = Layout::parse(&frame, l3, l4).ok_or("no layout")?;
    let cut = Cut::segments(&frame, frame.len() as u32, &layout, MSS, GsoKind::Tcp4);
    let cut = cut.ok_or("refused")?;
    println!("{} bytes become {} segments:", frame.len(), cut.count());
    let mut segment = [0; 1514];
    let mut payload = 0;
    for nth in 0..cut.count() {
        let len = cut.write(nth, [&frame[..]], [&mut segment[..]]).ok_or("too short")?;
        let segment = &segment[..len];
        let own = Layout::parse(segment, l3, l4).ok_or("no layout")?;
        assert!(checksum::verify([segment], &own));
        let sequence = u32::from_be_bytes(segment[38..42].try_into()?);
        let pushed = segment[47] & 0x08 != 0;
        println!("  {len} bytes, sequence number {sequence}, PSH {pushed}, checksum right");
        payload += len - ETHERNET - IPV4 - TCP;
    }
    assert_eq!(payload, 4000);
    Ok(())
}
