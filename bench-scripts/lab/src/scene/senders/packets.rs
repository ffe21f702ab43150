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
mod tests {
    use super::*;

    fn both(words: &str) -> (Scene, Traffic) {
        let text = format!(
            "vms = 1\nwindow = [{{ name = 'w', from = 0, to = 1 }}]
             traffic = [{{ kind = 'flood', from = 'vm1', to = 'uplink', {words} }}]"
        );
        let scene: Scene = toml::from_str(&text).unwrap();
        let traffic = scene.traffic[0].clone();
        (scene, traffic)
    }

    fn length(words: &str) -> Option<u32> {
        let (scene, traffic) = both(words);
        frame(&traffic, &scene).ok()
    }

    #[test]
    fn frames_have_the_length_that_the_file_gives_them() {
        assert_eq!(length("frame = 64"), Some(64));
        assert_eq!(length("size = 36"), Some(78));
        assert_eq!(length("size = 36, family = 'v6'"), Some(98));
        assert_eq!(length("start = 0"), Some(1514));
        assert_eq!(length("frame = 41"), None);
        assert_eq!(length("size = 1473"), None);
        assert_eq!(length("size = 1452, family = 'v6'"), Some(1514));
    }

    #[test]
    fn rates_are_of_each_connection() {
        let (scene, traffic) = both("frame = 1250, mbit = 10, connections = 3");
        assert_eq!(pps(&traffic, 1250), Some(1000.0));
        assert_eq!(rate_mbit(&traffic, &scene), Some(30.0));
        let (scene, traffic) = both("frame = 125, pps = 1000");
        assert_eq!((pps(&traffic, 125), rate_mbit(&traffic, &scene)), (Some(1000.0), Some(1.0)));
        let (scene, traffic) = both("frame = 125");
        assert_eq!((pps(&traffic, 125), rate_mbit(&traffic, &scene)), (None, None));
    }
}
