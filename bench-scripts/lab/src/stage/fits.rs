//! Which peer can do what a scene asks for. Invariant: a scene that fits is built; what cannot be
//! done is refused, never left out. Only a maximum rate on a plain bridge is: that it does not keep
//! to it is what it is there to show.

use anyhow::{Result, bail, ensure};

use crate::spec::{Peer, PeerKind, Scene, Topology};

/// VMs and routers have numbers below those of the hosts.
const MOST: u8 = 100;

/// Whether the peer can play its part in the scene; the error says what to change.
pub fn fits(peer: &Peer, scene: &Scene) -> Result<()> {
    let name = &peer.name;
    ensure!((1..=MOST).contains(&scene.vms), "{} VMs; valid: 1 to {MOST}", scene.vms);
    if let Some(vm) = scene.vm.iter().find(|vm| !(1..=scene.vms).contains(&vm.number)) {
        bail!("there is no VM {} to promise anything; valid: 1 to {}", vm.number, scene.vms);
    }
    match (peer.kind, scene.topology) {
        (PeerKind::Linux, Topology::Vms) => {
            bail!("`{name}` is plain Linux forwarding: it needs `topology = \"routers\"`")
        }
        (
            PeerKind::Redirect | PeerKind::Bare | PeerKind::Direct | PeerKind::Sender,
            Topology::Routers,
        ) => {
            bail!("`{name}` connects one VM and the uplink host: it has no routers")
        }
        (
            PeerKind::Redirect | PeerKind::Bare | PeerKind::Direct | PeerKind::Sender,
            Topology::Vms,
        ) if scene.vms != 1 => {
            bail!("`{name}` connects one VM and the uplink host; the scene has {}", scene.vms)
        }
        (PeerKind::Redirect | PeerKind::Bare | PeerKind::Sender, _) if scene.link.is_some() => {
            bail!("`{name}` goes past every queue: a scene with a `link` needs another peer")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
