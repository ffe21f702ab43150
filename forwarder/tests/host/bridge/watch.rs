use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use weir::host::bridge::state::{AddressKind, Change, StpState};
use weir::host::bridge::watch::BridgeWatch;

use super::super::bed::{Bed, block_on, in_host, wait_for};
use super::{bridge, can, ifindex, key, read, skipped};

/// More notifications than the watch's receive buffer holds.
const FLOOD: usize = 60_000;

/// Changes until one is as wanted; a deadline instead of waiting for ever.
async fn expect(watch: &mut BridgeWatch, what: &str, wanted: impl Fn(&Change) -> bool) {
    let mut seen = Vec::new();
    let found = timeout(Duration::from_secs(20), async {
        loop {
            let changes = watch.next().await.unwrap();
            assert!(!changes.is_empty());
            if changes.iter().any(&wanted) {
                return;
            }
            seen.extend(changes);
        }
    });
    let found = found.await.is_ok();
    assert!(found, "no {what}; the last of {} were {:?}", seen.len(), seen.last_chunk::<4>());
}

#[test]
fn a_bridge_is_followed() {
    in_host(|bed| {
        let br0 = bridge(bed, "ageing_time 12300", &["v1"]);
        let v1 = ifindex("v1");
        block_on(async {
            let mut watch = BridgeWatch::open(br0).await.unwrap();
            let settings = watch.state().settings().unwrap().clone();
            assert_eq!((settings.name.as_str(), settings.up), ("br0", true));
            assert_eq!(settings.ageing, Duration::from_secs(123));
            assert!(!settings.promiscuous && !settings.vlan_filtering);
            assert_eq!(watch.state().port(v1).unwrap().settings.name, "v1");
            wait_for("v1 to forward", || {
                assert!(watch.drained().unwrap());
                watch.state().port(v1).unwrap().settings.stp_state == StpState::FORWARDING
            });

            let changed = Change::PortChanged { ifindex: v1 };
            for (command, on) in [
                ("bridge link set dev v1 isolated on", true),
                ("ip link set v1 type bridge_slave isolated off", false),
            ] {
                bed.host(command);
                expect(&mut watch, command, |change| *change == changed).await;
                assert_eq!(watch.state().port(v1).unwrap().settings.isolated, on);
            }
            bed.host("ip link set br0 promisc on");
            expect(&mut watch, "promisc", |change| *change == Change::SettingsChanged).await;
            assert!(watch.state().settings().unwrap().promiscuous);
            bed.host("bridge fdb add 02:00:00:00:00:07 dev v1 master static");
            expect(&mut watch, "address", |change| match change {
                Change::AddressSet { address, before: None, .. } => address.key == key(7),
                _ => false,
            })
            .await;
            let address = watch.state().address(key(7)).unwrap();
            assert_eq!((address.ifindex, address.kind), (v1, AddressKind::Static));
            bed.add_guest("vm2", "v2");
            bed.host("ip link set v2 master br0");
            let v2 = ifindex("v2");
            expect(&mut watch, "v2", |c| *c == Change::PortChanged { ifindex: v2 }).await;
            bed.host("ip link set v1 nomaster");
            expect(&mut watch, "v1 gone", |c| *c == Change::PortChanged { ifindex: v1 }).await;
            assert!(watch.drained().unwrap());
            assert_eq!(watch.state().address(key(7)), None);
            settles(&mut watch, br0).await;
            assert_eq!(watch.resyncs, 0);

            bed.host("ip link del br0");
            expect(&mut watch, "the end", |change| *change == Change::BridgeRemoved).await;
            assert_eq!(watch.state().settings(), None);
        });
    });
}

/// What the watch knows becomes the truth. Guests speak of their own accord, so the truth may
/// change while it is read.
async fn settles(watch: &mut BridgeWatch, bridge: u32) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let fresh = read(bridge).await;
        if watch.drained().unwrap() && *watch.state() == fresh {
            return;
        }
        assert!(Instant::now() < deadline, "{:#?} is not {fresh:#?}", watch.state());
        let _ = timeout(Duration::from_millis(10), watch.next()).await;
    }
}

#[test]
fn what_has_happened_is_known_once_drained() {
    in_host(|bed| {
        let br0 = bridge(bed, "", &["v1", "v2"]);
        let (v1, v2) = (ifindex("v1"), ifindex("v2"));
        block_on(async {
            let mut watch = BridgeWatch::open(br0).await.unwrap();
            bed.host("bridge fdb add 02:00:00:00:00:07 dev v1 master dynamic");
            assert_eq!(watch.state().address(key(7)), None);
            assert!(watch.drained().unwrap());
            assert_eq!(watch.state().address(key(7)).unwrap().ifindex, v1);
            bed.host("bridge fdb replace 02:00:00:00:00:07 dev v2 master dynamic");
            assert!(watch.drained().unwrap());
            assert_eq!(watch.state().address(key(7)).unwrap().ifindex, v2);
            // Twice without anything in between as well.
            assert!(watch.drained().unwrap() && watch.drained().unwrap());
            let told = watch.next().await.unwrap();
            assert!(told.iter().any(|change| matches!(
                change,
                Change::AddressSet { address, before: Some(from), .. }
                    if address.key == key(7) && *from == v1 && address.ifindex == v2
            )));
        });
    });
}

/// Addresses that come, and go when `gone`.
fn addresses(count: usize, gone: bool) -> String {
    let mut batch = String::new();
    for number in 0..count {
        let mac = format!("02:01:00:00:{:02x}:{:02x}", number >> 8 & 0xff, number & 0xff);
        let _ = writeln!(batch, "fdb replace {mac} dev v1 master dynamic");
        if gone {
            let _ = writeln!(batch, "fdb del {mac} dev v1 master");
        }
    }
    batch
}

fn batch_file(batch: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), batch).unwrap();
    file
}

#[test]
fn lost_notifications_are_made_good() {
    in_host(|bed| {
        let br0 = bridge(bed, "", &["v1"]);
        block_on(async {
            let mut watch = BridgeWatch::open(br0).await.unwrap();
            // No reader takes them meanwhile.
            let gone = batch_file(&addresses(FLOOD / 2, true));
            bed.host(&format!("bridge -batch {}", gone.path().display()));
            let stay = batch_file(&addresses(300, false));
            bed.host(&format!("bridge -batch {}", stay.path().display()));
            let mac = [2, 1, 0, 0, 0, 0x55];
            assert!(!watch.drained().unwrap(), "{} addresses", watch.state().addresses().count());
            expect(&mut watch, "address", |change| match change {
                Change::AddressSet { address, before: None, .. } => address.key.mac == mac,
                _ => false,
            })
            .await;
            // What the first notifications had brought is told as well; the rest in one go.
            while watch.resyncs == 0 {
                watch.next().await.unwrap();
            }
            assert_eq!(watch.resyncs, 1);
            settles(&mut watch, br0).await;
            assert!(watch.drained().unwrap());
            let held: BTreeSet<_> = watch.state().addresses().map(|s| s.address.key.mac).collect();
            assert!(held.contains(&mac) && held.len() >= 300);
            // And it goes on.
            bed.host("bridge fdb del 02:01:00:00:00:55 dev v1 master");
            expect(&mut watch, "farewell", |change| match change {
                Change::AddressRemoved { address } => address.key.mac == mac,
                _ => false,
            })
            .await;
        });
    });
}

/// Ends a flood, also when the test fails.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A flood of changes at the bridge neither stops the watch nor leaves it with a wrong state.
#[test]
fn a_lasting_flood_is_survived() {
    in_host(|bed| {
        let br0 = bridge(bed, "", &["v1"]);
        let flood = batch_file(&addresses(5000, true));
        let command = format!("bridge -batch {}", flood.path().display());
        let (ended, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
        let bed: &Bed = bed;
        thread::scope(|scope| {
            let end = EndOnDrop(&ended);
            for _ in 0..2 {
                scope.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        // The two of them are in each other's way now and then.
                        can(bed, &command);
                        rounds.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            block_on(async {
                let mut watch = BridgeWatch::open(br0).await.unwrap();
                // More than the watch can hold, and it goes on while the watch reads.
                wait_for("the flood", || rounds.load(Ordering::Relaxed) * 10_000 > FLOOD);
                assert!(!watch.drained().unwrap());
                let deadline = Instant::now() + Duration::from_secs(20);
                let (mut longest, mut drained) = (Duration::ZERO, 0);
                while watch.resyncs == 0 || drained < 20 {
                    assert!(Instant::now() < deadline, "drained {drained} times: {watch:?}");
                    let _ = timeout(Duration::from_secs(1), watch.next()).await;
                    let start = Instant::now();
                    drained += usize::from(watch.drained().unwrap());
                    longest = longest.max(start.elapsed());
                }
                assert!(longest < Duration::from_secs(2), "drained() took {longest:?}");
                drop(end);
                settles(&mut watch, br0).await;
            });
        });
    });
}

#[test]
fn vlans_are_followed() {
    in_host(|bed| {
        if !can(bed, "ip link add br9 type bridge vlan_filtering 1") {
            return skipped("this kernel's bridge does not filter VLANs");
        }
        bed.host("ip link del br9");
        let br0 = bridge(bed, "vlan_filtering 1", &["v1"]);
        let v1 = ifindex("v1");
        block_on(async {
            let mut watch = BridgeWatch::open(br0).await.unwrap();
            for command in [
                "bridge vlan add dev v1 vid 100-110",
                "bridge vlan add dev v1 vid 7 pvid untagged",
                "bridge vlan del dev v1 vid 105",
                "bridge vlan set dev v1 vid 102 state blocking",
            ] {
                bed.host(command);
                assert!(watch.drained().unwrap());
                let fresh = read(br0).await;
                assert_eq!(watch.state().port(v1), fresh.port(v1), "after {command}");
            }
            let vlans = &watch.state().port(v1).unwrap().vlans;
            assert_eq!(vlans.pvid(), Some(7));
            assert_eq!(vlans.get(102).unwrap().state, StpState::BLOCKING);
            bed.host("ip link set br0 type bridge vlan_filtering 0");
            expect(&mut watch, "settings", |change| *change == Change::SettingsChanged).await;
            assert!(!watch.state().settings().unwrap().vlan_filtering);
        });
    });
}
