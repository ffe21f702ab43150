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
mod tests {
    use super::super::owed::tests::scene;
    use super::*;

    fn refused(kind: &str, text: &str) -> String {
        let peer = toml::from_str(&format!("name = 'it'\nkind = '{kind}'")).unwrap();
        fits(&peer, &scene(text)).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        insta::assert_snapshot!(
            [
                refused("weir", "vms = 0"),
                refused("weir", "vms = 2\nvm = [{ number = 3 }]"),
                refused("linux", "vms = 2"),
                refused("redirect", "vms = 1\ntopology = 'routers'"),
                refused("direct", "vms = 2"),
                refused("redirect", "vms = 1\nlink = 100"),
            ]
            .join("\n"),
            @r#"
        0 VMs; valid: 1 to 100
        there is no VM 3 to promise anything; valid: 1 to 2
        `it` is plain Linux forwarding: it needs `topology = "routers"`
        `it` connects one VM and the uplink host: it has no routers
        `it` connects one VM and the uplink host; the scene has 2
        `it` goes past every queue: a scene with a `link` needs another peer
        "#
        );
    }

    #[test]
    fn what_can_be_done_is_not() {
        let fit = |kind: &str, text: &str| {
            let peer = toml::from_str(&format!("name = 'it'\nkind = '{kind}'")).unwrap();
            fits(&peer, &scene(text)).unwrap();
        };
        for kind in ["weir", "bridge", "htb", "linux"] {
            fit(kind, "vms = 8\nlink = 100\ntopology = 'routers'");
        }
        for kind in ["weir", "bridge", "htb"] {
            fit(kind, "vms = 2\nlink = 100\nvm = [{ number = 2, max = 5 }]");
        }
        fit("redirect", "vms = 1");
        fit("direct", "vms = 1\nlink = 100");
    }
}
