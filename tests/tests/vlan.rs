//! A tag that travels beside the packet data, as a guest's VLAN device passes it on.

use std::net::UdpSocket;

use anyhow::Result;
use system_tests::bed::{Family, GUEST_IF};
use system_tests::observer::Observer;

use system_tests::traffic::ping;
use system_tests::{Bed, BedSpec, Weir, WeirSpec, root_or_skip};
use weir_rig::programs::tag_beside;

const TAG: u16 = 0x2005;
const FRAMES: u64 = 20;

/// Sends datagrams from the first guest to the second with a tag beside each; returns the counter of
/// those that arrive with the tag in the frame.
fn send_tagged(bed: &Bed) -> Result<Observer> {
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    // Both ends know each other's address before every frame of the sender gets a tag.
    ping(&one.ns, two.addr(Family::V4), 1)?;
    let tagged = Observer::matching(two, 12, [0x81, 0, 0x20, 5])?;
    let ifindex = one.ns.ifindex(GUEST_IF)?;
    let to = two.socket(Family::V4, 9);
    one.ns.run(|| {
        let _tags = tag_beside(ifindex, TAG)?;
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        for _ in 0..FRAMES {
            socket.send_to(b"tagged", to)?;
        }
        Ok(())
    })?;
    Ok(tagged)
}

fn kept(mode: &'static str) -> Result<()> {
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec { mode, ..WeirSpec::default() })?;
    let tagged = send_tagged(&bed)?;
    tagged.wait_exactly(FRAMES, "frames with the tag in place")?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_tag_beside_the_frame_is_kept() -> Result<()> {
    root_or_skip!();
    kept("gate")
}

/// A driver's program cannot see such a tag: weir has the guest's end of the veth put it into the
/// frame, and restores that setting when it ends.
#[test]
fn a_tag_beside_the_frame_is_kept_in_native_mode() -> Result<()> {
    root_or_skip!();
    kept("native")
}
