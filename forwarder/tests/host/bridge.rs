//! The mirror of a bridge, against the kernel's own.

mod foreign;
mod make;
mod refresh;
mod watch;

use std::io::Write as _;
use std::process::Command;

use nix::net::if_::if_nametoindex;
use weir::host::bridge::state::{AddressKey, BridgeState};
use weir::host::bridge::watch::BridgeWatch;

use super::bed::{Bed, block_on};

/// `br0`, up, with the guests' ports as members; its interface index.
fn bridge(bed: &mut Bed, settings: &str, ports: &[&str]) -> u32 {
    bed.host(&format!("ip link add br0 type bridge {settings}"));
    bed.host("ip link set br0 up");
    for port in ports {
        bed.add_guest(&format!("vm-{port}"), port);
        bed.host(&format!("ip link set {port} master br0"));
    }
    ifindex("br0")
}

fn ifindex(name: &str) -> u32 {
    if_nametoindex(name).unwrap()
}

/// The bridge as it is now.
async fn read(bridge: u32) -> BridgeState {
    BridgeWatch::open(bridge).await.unwrap().state().clone()
}

fn read_now(bridge: u32) -> BridgeState {
    block_on(read(bridge))
}

fn key(last: u8) -> AddressKey {
    AddressKey { mac: [2, 0, 0, 0, 0, last], vid: 0 }
}

fn skipped(why: &str) {
    // Past the test harness, which would swallow it.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// Whether a command that makes a situation works here; it may be beyond this kernel or this tool.
fn can(bed: &Bed, command: &str) -> bool {
    let host = bed.namespace("host");
    let words = command.split_whitespace();
    let status = Command::new("ip").args(["netns", "exec", &host]).args(words).output();
    status.is_ok_and(|output| output.status.success())
}
