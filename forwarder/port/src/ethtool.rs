//! The functions of ethtool(8): offload features, link speed, driver, channels.
//!
//! Invariant: a buffer handed to the kernel is as long as the header in it says.

use std::io;
use std::os::fd::AsRawFd;

use crate::egress::TxFeatures;
use crate::sys::{any_socket, check, interface_request};

const GDRVINFO: u32 = 0x03;
const GSTRINGS: u32 = 0x1b;
const GSSET_INFO: u32 = 0x37;
const GFEATURES: u32 = 0x3a;
const SFEATURES: u32 = 0x3b;
const GCHANNELS: u32 = 0x3c;
const GLINKSETTINGS: u32 = 0x4c;
/// The string set with the names of features.
const SS_FEATURES: u32 = 4;
const STRING: usize = 32;

/// Makes one request of 32-bit words, which nearly all of ethtool's structures consist of.
fn request(ifname: &str, words: &mut [u32]) -> io::Result<()> {
    let socket = any_socket()?;
    let mut ifreq = interface_request(ifname)?;
    ifreq.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
    // SAFETY: the kernel reads and writes as much behind the pointer as the command and the count in it say;
    // every caller below makes `words` that long.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut ifreq) })
        .map(drop)
}

fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> =
        words.iter().flat_map(|word| word.to_ne_bytes()).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn feature_names(ifname: &str) -> io::Result<Vec<String>> {
    // cmd, reserved, a 64-bit mask of sets, one length.
    let [first, second]: [u32; 2] = zerocopy::transmute!(1_u64 << SS_FEATURES);
    let mut info = [GSSET_INFO, 0, first, second, 0];
    request(ifname, &mut info)?;
    let [.., count] = info;
    let mut strings = vec![GSTRINGS, SS_FEATURES, count];
    strings.resize(3 + count as usize * STRING / 4, 0);
    request(ifname, &mut strings)?;
    Ok(strings.get(3..).unwrap_or_default().chunks(STRING / 4).map(text).collect())
}

/// Every offload feature by the kernel's name (`tx-tcp-segmentation`), and whether it is on.
pub fn features(ifname: &str) -> io::Result<Vec<(String, bool)>> {
    let names = feature_names(ifname)?;
    let blocks = names.len().div_ceil(32);
    // cmd, size, and per block: available, requested, active, never changed.
    let mut state = vec![GFEATURES, blocks as u32];
    state.resize(2 + 4 * blocks, 0);
    request(ifname, &mut state)?;
    let active =
        |at: usize| state.get(2 + at / 32 * 4 + 2).is_some_and(|word| word >> (at % 32) & 1 == 1);
    Ok(names.into_iter().enumerate().map(|(at, name)| (name, active(at))).collect())
}

/// Turns a feature on or off. Returns `NotFound` if the kernel has no feature of that name.
pub fn set_feature(ifname: &str, feature: &str, on: bool) -> io::Result<()> {
    let names = feature_names(ifname)?;
    let Some(at) = names.iter().position(|name| name == feature) else {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("no feature {feature}")));
    };
    let blocks = names.len().div_ceil(32);
    // cmd, size, and per block: valid, requested.
    let mut change = vec![SFEATURES, blocks as u32];
    change.resize(2 + 2 * blocks, 0);
    let bit = 1 << (at % 32);
    if let Some([valid, requested]) = change.get_mut(2 + at / 32 * 2..4 + at / 32 * 2) {
        *valid = bit;
        *requested = if on { bit } else { 0 };
    }
    request(ifname, &mut change)
}

/// The offloads that the device has for transmission.
pub fn tx_features(ifname: &str) -> io::Result<TxFeatures> {
    let features = features(ifname)?;
    let on = |name: &str| features.iter().any(|(known, on)| known == name && *on);
    // Without scatter-gather the kernel would have to copy a superframe into one piece first. Without
    // checksumming it segments no superframe.
    let csum4 = on("tx-checksum-ip-generic") || on("tx-checksum-ipv4");
    let csum6 = on("tx-checksum-ip-generic") || on("tx-checksum-ipv6");
    let scatter = on("tx-scatter-gather");
    Ok(TxFeatures {
        tso4: scatter && csum4 && on("tx-tcp-segmentation"),
        tso6: scatter && csum6 && on("tx-tcp6-segmentation"),
        udp_l4: scatter && csum4 && csum6 && on("tx-udp-segmentation"),
    })
}

/// The link speed in Mbit/s; `None` if the device reports none.
pub fn speed_mbit(ifname: &str) -> io::Result<Option<u32>> {
    const UNKNOWN: u32 = u32::MAX;
    // A header of 48 bytes and three masks, of at most 127 words each (the count is an i8).
    let mut settings = [0; 12 + 3 * 127];
    settings[0] = GLINKSETTINGS;
    request(ifname, &mut settings)?;
    // Byte 15 is the negative number of words of a mask, which the next request must contain.
    let [.., words] = settings[3].to_ne_bytes();
    if words.cast_signed() < 0 {
        settings = [0; 12 + 3 * 127];
        settings[0] = GLINKSETTINGS;
        settings[3] = u32::from_ne_bytes([0, 0, 0, words.wrapping_neg()]);
        request(ifname, &mut settings)?;
    }
    Ok(Some(settings[1]).filter(|&speed| speed != UNKNOWN && speed != 0))
}

/// The driver's name, such as `veth` or `virtio_net`.
pub fn driver(ifname: &str) -> io::Result<String> {
    let mut info = [0; 196 / 4];
    info[0] = GDRVINFO;
    request(ifname, &mut info)?;
    Ok(text(info.get(1..9).unwrap_or_default()))
}

/// The receive, transmit and combined channels in use.
pub fn channels(ifname: &str) -> io::Result<(u32, u32, u32)> {
    // cmd, four maxima, four counts: rx, tx, other, combined.
    let mut channels = [0; 9];
    channels[0] = GCHANNELS;
    request(ifname, &mut channels)?;
    Ok((channels[5], channels[6], channels[8]))
}

#[cfg(test)]
mod tests;
