//! The lengths and rates of packets. Invariant: lengths are of whole frames with the Ethernet header,
//! unless they are called payload.

use anyhow::{Result, ensure};
use weir_probe::rate::{Rate, frame_overhead};

use crate::spec::{Family, Scene, Traffic};

const ETHERNET: u32 = 14;

/// Bytes in front of a UDP payload.
pub(super) fn headers(family: Family) -> u32 {
    frame_overhead(family == Family::V6)
}

/// The frame length of a flood; full frames by default.
pub(super) fn frame(traffic: &Traffic, scene: &Scene) -> Result<u32> {
    let (least, most) = (headers(traffic.family), scene.mtu + ETHERNET);
    let frame = match (traffic.frame, traffic.size) {
        (Some(frame), _) => frame,
        (None, Some(payload)) => payload.saturating_add(least),
        (None, None) => most,
    };
    ensure!(
        (least..=most).contains(&frame),
        "frames of {frame} bytes: with these headers and this MTU valid are {least} to {most}"
    );
    Ok(frame)
}

/// The rate of `times` connections or places together.
pub(super) fn rate(traffic: &Traffic, times: f64) -> Rate {
    match (traffic.pps, traffic.mbit) {
        (Some(pps), _) => Rate::Packets { milli_pps: (pps * times * 1000.0).round() as u64 },
        (None, Some(mbit)) => Rate::Bits { bits_per_s: (mbit * times * 1e6).round() as u64 },
        (None, None) => Rate::Max,
    }
}

/// The rate in Mb/s at which a flood, or other traffic with frames of one length, sends on one way;
/// `None`: as fast as possible.
pub(crate) fn rate_mbit(traffic: &Traffic, scene: &Scene) -> Option<f64> {
    let each = match (traffic.mbit, traffic.pps) {
        (_, Some(pps)) => pps * f64::from(frame(traffic, scene).ok()?) * 8e-6,
        (mbit, None) => mbit?,
    };
    Some(each * f64::from(traffic.connections.max(1)))
}

#[cfg(test)]
mod tests;
