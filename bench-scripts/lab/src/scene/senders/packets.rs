//! How long packets are and how many of them come. Invariant: lengths are of whole frames with the
//! Ethernet header, unless they are called payload.

use anyhow::{Result, ensure};

use crate::spec::{Family, Scene, Traffic};

const ETHERNET: u32 = 14;

/// Bytes in front of a UDP payload.
pub(super) fn headers(family: Family) -> u32 {
    let ip = match family {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    ETHERNET + ip + 8
}

/// The frames of a flood; full ones where the file does not say.
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

/// Packets a second of each connection; none: as fast as it goes.
pub(super) fn pps(traffic: &Traffic, frame: u32) -> Option<f64> {
    let by_mbit = |mbit: f64| mbit * 1e6 / 8.0 / f64::from(frame);
    traffic.pps.or_else(|| traffic.mbit.map(by_mbit))
}

/// The rate in Mb/s at which a flood, or what else is of frames of one length, sends on one way;
/// none: as fast as it goes.
pub(crate) fn rate_mbit(traffic: &Traffic, scene: &Scene) -> Option<f64> {
    let each = match (traffic.mbit, traffic.pps) {
        (_, Some(pps)) => pps * f64::from(frame(traffic, scene).ok()?) * 8e-6,
        (mbit, None) => mbit?,
    };
    Some(each * f64::from(traffic.connections.max(1)))
}

#[cfg(test)]
mod tests;
