//! How the gate can hand frames to interfaces of all kinds, and what guests change of it. Nothing is
//! looked at without having been heard of.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::timeout;
use weir::host::links::{ExpressPath, Links, Method, Watch};
use weir_core::Mac;
use weir_rig::{Action, Attached, Hook, Program};

use super::bed::{Bed, block_on, in_host, link};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x77];

fn peer(mac: [u8; 6], max_len: u32) -> ExpressPath {
    ExpressPath { method: Method::Peer { mac: Mac::new(mac) }, max_len }
}

const NATIVE_XDP: &str = "its other end has a native XDP program";
const SAME_NAMESPACE: &str = "its other end is in this network namespace";

fn redirect(why: Option<&str>) -> ExpressPath {
    ExpressPath { method: Method::Redirect(why.map(str::to_owned)), max_len: 1518 }
}

fn guests_mac(bed: &Bed, guest: &str) -> [u8; 6] {
    bed.enter(guest, || link("eth0").mac)
}

/// Attaches a program to a guest's interface.
fn attach(bed: &Bed, guest: &str, hook: Hook) -> Attached {
    bed.enter(guest, || {
        let mut program = Program::count(Action::Pass).unwrap();
        program.attach(link("eth0").ifindex, hook).unwrap()
    })
}

/// A port whose way is followed.
struct Port {
    watch: Watch,
    ifindex: u32,
}

impl Port {
    /// Known, and whatever its making was heard of.
    async fn new(ifindex: u32, way: &ExpressPath) -> Self {
        let mut port = Self { watch: Links::open().unwrap().watch().await.unwrap(), ifindex };
        assert_eq!(port.look().await.as_ref(), Some(way));
        port
    }

    async fn look(&mut self) -> Option<ExpressPath> {
        let mut found = self.watch.look(&BTreeSet::from([self.ifindex])).await;
        found.remove(&self.ifindex)
    }

    /// Waits until it is heard that the way is this one.
    async fn becomes(&mut self, wanted: Option<ExpressPath>) {
        let mut last = None;
        let followed = timeout(Duration::from_secs(10), async {
            loop {
                if self.watch.next().await.unwrap().concerns(self.ifindex) {
                    last = self.look().await;
                    if last == wanted {
                        return;
                    }
                }
            }
        });
        assert!(followed.await.is_ok(), "{last:?} instead of {wanted:?}");
    }
}

#[test]
fn each_kind_of_interface_has_its_way() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.add_guest("vm2", "v2");
        bed.host("ip tuntap add tap1 mode tap");
        bed.host("ip link add near1 type veth peer name near2");
        let _native = attach(bed, "vm2", Hook::Native);
        let expected = [
            ("v1", peer(guests_mac(bed, "vm1"), 1518)),
            ("v2", redirect(Some(NATIVE_XDP))),
            ("tap1", redirect(None)),
            ("near1", redirect(Some(SAME_NAMESPACE))),
        ];
        let expected = expected.map(|(name, way)| (link(name).ifindex, way));
        block_on(async {
            let mut watch = Links::open().unwrap().watch().await.unwrap();
            let few: BTreeSet<u32> = expected.iter().map(|(ifindex, _)| *ifindex).collect();
            let gone = 9_999;
            let found = watch.look(&few.iter().copied().chain([gone]).collect()).await;
            assert_eq!(found, expected.clone().into());
        });
    });
}

#[test]
fn a_guests_mac_and_mtu_are_followed() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let first = peer(guests_mac(bed, "vm1"), 1518);
        let ifindex = link("v1").ifindex;
        block_on(async {
            let mut v1 = Port::new(ifindex, &first).await;
            bed.inside("vm1", "ip link set eth0 address 02:00:00:00:00:77");
            v1.becomes(Some(peer(MAC, 1518))).await;
            bed.inside("vm1", "ip link set eth0 mtu 1400");
            v1.becomes(Some(peer(MAC, 1418))).await;
            // And at the near end.
            bed.host("ip link set v1 mtu 1300");
            v1.becomes(Some(peer(MAC, 1318))).await;
            bed.host("ip link del v1");
            v1.becomes(None).await;
        });
    });
}

#[test]
fn a_guests_program_is_heard_of_when_it_comes_and_goes() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let way = peer(guests_mac(bed, "vm1"), 1518);
        let ifindex = link("v1").ifindex;
        block_on(async {
            for gro in ["off", "on"] {
                bed.inside("vm1", &format!("ethtool -K eth0 gro {gro}"));
                let mut v1 = Port::new(ifindex, &way).await;
                let native = attach(bed, "vm1", Hook::Native);
                v1.becomes(Some(redirect(Some(NATIVE_XDP)))).await;
                drop(native);
                v1.becomes(Some(way.clone())).await;
                // After `bpf_redirect_peer` it runs like any other frame's.
                let generic = attach(bed, "vm1", Hook::Skb);
                assert_eq!(v1.look().await.as_ref(), Some(&way));
                drop(generic);
            }
        });
    });
}

#[test]
fn another_end_that_moves_is_followed() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.add_namespace("vm2");
        let way = peer(guests_mac(bed, "vm1"), 1518);
        let (host, vm2) = (bed.namespace("host"), bed.namespace("vm2"));
        let ifindex = link("v1").ifindex;
        block_on(async {
            let mut v1 = Port::new(ifindex, &way).await;
            bed.inside("vm1", &format!("ip link set eth0 netns {vm2}"));
            bed.inside("vm2", "ip link set eth0 address 02:00:00:00:00:77");
            bed.inside("vm2", "ip link set eth0 up");
            v1.becomes(Some(peer(MAC, 1518))).await;
            bed.inside("vm2", &format!("ip link set eth0 netns {host}"));
            v1.becomes(Some(redirect(Some(SAME_NAMESPACE)))).await;
        });
    });
}

#[test]
fn a_flood_of_changes_costs_no_port_its_way() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.add_guest("vm2", "v2");
        let way = peer(guests_mac(bed, "vm1"), 1518);
        let ifindex = link("v1").ifindex;
        block_on(async {
            let mut v1 = Port::new(ifindex, &way).await;
            // More than the receive buffer holds, without a reader; the change is among what is lost.
            let mut batch = String::new();
            for round in 0..4000 {
                batch += &format!("link set eth0 mtu {}\n", 1000 + round % 400);
            }
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), batch).unwrap();
            bed.inside("vm2", &format!("ip -batch {}", file.path().display()));
            bed.inside("vm1", "ip link set eth0 address 02:00:00:00:00:77");
            let heard = v1.watch.next().await.unwrap();
            assert!(heard.concerns(9_999), "all may have changed: {heard:?}");
            assert_eq!(v1.look().await, Some(peer(MAC, 1518)));
            // And it goes on.
            bed.inside("vm1", "ip link set eth0 mtu 1400");
            v1.becomes(Some(peer(MAC, 1418))).await;
        });
    });
}
