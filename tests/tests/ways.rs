//! How the gate can hand frames to the ports itself: the gate has the method, the operator can read it,
//! and both follow the guests' changes.

use anyhow::{Context, Result, ensure};
use system_tests::bed::GUEST_IF;
use system_tests::drive::ping_all;
use system_tests::gate;
use system_tests::observer::attach;
use system_tests::wait::wait_ok;
use system_tests::{BedSpec, Weir, root_or_skip};
use weir_abi::{GatePort, Method};
use weir_api::Express;
use weir_rig::{Action, Hook, Program};

type Listing = (Option<Express>, Option<String>);

/// `express` and `express_remark` of a port.
fn listed(weir: &Weir, name: &str) -> Result<Listing> {
    let port = weir.ports()?.port(name).cloned().context("no such port")?;
    Ok((port.express, port.express_remark))
}

#[test]
fn the_gate_follows_what_guests_change() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let is = |name: &str, listing: Listing, (by, mac, most): (Method, u64, u32)| {
        wait_ok(gate::SOON, &format!("{name} to be reached by {listing:?}"), || {
            let (says, port) = (listed(&weir, name)?, gate::told(&bed, name)?);
            ensure!(says == listing, "{says:?}");
            let wanted = GatePort::default().with_way(by, mac, most);
            ensure!((port.way, port.most) == (wanted.way, wanted.most), "{port:x?}");
            Ok(())
        })
    };
    let number = |mac: [u8; 6]| mac.into_iter().fold(0, |all, byte| all << 8 | u64::from(byte));
    let peer = || (Some(Express::Peer), None);
    for port in bed.everybody() {
        is(&port.port, peer(), (Method::Peer, number(port.mac()), 1518))?;
    }
    ping_all(&bed)?;

    two.ns.ip(&format!("link set {GUEST_IF} address 02:00:00:00:77:02"))?;
    is(&two.port, peer(), (Method::Peer, 0x0200_0000_7702, 1518))?;
    two.ns.ip(&format!("link set {GUEST_IF} mtu 1400"))?;
    is(&two.port, peer(), (Method::Peer, 0x0200_0000_7702, 1418))?;
    two.ns.ip(&format!("link set {GUEST_IF} address {}", two.mac_text()))?;
    two.ns.ip(&format!("link set {GUEST_IF} mtu 1500"))?;
    is(&two.port, peer(), (Method::Peer, number(two.mac()), 1518))?;

    let program = attach(&one.ns, GUEST_IF, Program::count(Action::Pass)?, Hook::Native)?;
    let why = "its other end has a native XDP program";
    let native = || (Some(Express::Redirect), Some(why.to_owned()));
    is(&one.port, native(), (Method::Redirect, 0, 1518))?;
    let text = weir.cli_ok(&bed, "port list")?;
    for line in [
        "express: peer nic0, v2; redirect v1\n",
        "v1 not by peer: its other end has a native XDP program\n",
    ] {
        ensure!(text.contains(line), "{text}");
    }
    drop(program);
    is(&one.port, peer(), (Method::Peer, number(one.mac()), 1518))?;

    // A port that comes back counts as unknown until it has been examined.
    bed.unplug(0)?;
    weir.wait_port(&one.port, &["gone"])?;
    ensure!(listed(&weir, &one.port)? == (None, None));
    bed.replug(0)?;
    is(&one.port, peer(), (Method::Peer, number(one.mac()), 1518))?;
    ping_all(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}
