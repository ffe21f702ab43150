use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use weir::host::links::{Changed, Link, LinkKind, Links, Snapshot, Watch};

use super::bed::{Bed, block_on, in_host, link, snapshot};

/// Follows the interfaces until they are as wanted, and returns all that was said to have changed.
async fn follow(watch: &mut Watch, what: &str, wanted: impl Fn(&Snapshot) -> bool) -> Vec<Changed> {
    let mut seen = Vec::new();
    let found = timeout(Duration::from_secs(10), async {
        while !wanted(watch.snapshot()) {
            seen.push(watch.next().await.unwrap());
        }
    });
    assert!(found.await.is_ok(), "not {what}: {:?}", watch.snapshot());
    seen
}

fn bridge(bed: &Bed) -> u32 {
    bed.host("ip link add br0 type bridge");
    bed.host("ip link set br0 up");
    link("br0").ifindex
}

#[test]
fn a_snapshot_shows_what_there_is() {
    in_host(|bed| {
        let br0 = bridge(bed);
        bed.add_guest("vm1", "v1");
        bed.host("ip link set v1 master br0");
        bed.host("ip tuntap add t1 mode tap");
        bed.host("ip tuntap add t2 mode tun");
        bed.host("ip addr add 2001:db8::1/64 dev br0 nodad");
        let all = snapshot();
        let kind = |name: &str| all.by_name(name).unwrap().kind.clone();
        assert_eq!(kind("lo"), LinkKind::Loopback);
        assert_eq!(kind("br0"), LinkKind::Bridge);
        assert_eq!(kind("v1"), LinkKind::Veth);
        assert_eq!(kind("t1"), LinkKind::Tap);
        assert_eq!(kind("t2"), LinkKind::Tun);
        let v1 = all.by_name("v1").unwrap();
        assert_eq!(v1.driver.as_deref(), Some("veth"));
        assert_eq!((v1.bridge(), v1.mtu, v1.up), (Some(br0), 1500, true));
        assert_eq!((v1.rx_queues, v1.tx_queues), (1, 1));
        assert!(v1.peer.is_some_and(|peer| peer.netns_id.is_some()));
        assert_eq!(all.ports_of(br0).map(|port| port.name.as_str()).collect::<Vec<_>>(), ["v1"]);
        let br0 = all.by_name("br0").unwrap();
        assert_eq!(br0.addresses, [("2001:db8::1".parse().unwrap(), 64)]);
        assert!(!all.iter().any(|link| link.is_default_route));
    });
}

#[test]
fn ports_that_come_and_go_are_seen() {
    in_host(|bed| {
        let br0 = bridge(bed);
        block_on(async {
            let links = Links::open().unwrap();
            let mut watch = links.watch().await.unwrap();

            bed.add_guest("vm1", "v1");
            follow(&mut watch, "there", |all| all.by_name("v1").is_some()).await;
            let v1 = watch.snapshot().by_name("v1").unwrap();
            let ifindex = v1.ifindex;
            assert_eq!(v1.driver.as_deref(), Some("veth"));
            type IsSo<'f> = dyn Fn(&Link) -> bool + 'f;
            let becomes: [(&str, &IsSo<'_>); 8] = [
                ("ip link set v1 master br0", &|v1| v1.bridge() == Some(br0)),
                ("ip link set v1 mtu 3000", &|v1| v1.mtu == 3000),
                ("ip link set v1 down", &|v1| !v1.up),
                ("ip link set v1 up", &|v1| v1.up),
                ("ip addr add 192.0.2.1/24 dev v1", &|v1| !v1.addresses.is_empty()),
                ("ip link set v1 name lan1", &|v1| v1.name == "lan1"),
                ("ip link set lan1 nomaster", &|v1| v1.bridge().is_none()),
                ("ip link set lan1 master br0", &|v1| v1.bridge().is_some()),
            ];
            for (command, is_so) in becomes {
                bed.host(command);
                let now = |all: &Snapshot| all.get(ifindex).is_some_and(is_so);
                let seen = follow(&mut watch, command, now).await;
                assert!(seen.iter().any(|changed| changed.concerns(ifindex) && changed.snapshot));
            }
            // What no snapshot shows.
            bed.host("ethtool -K lan1 tso off");
            while !watch.next().await.unwrap().concerns(ifindex) {}
            bed.host("ip link del lan1");
            follow(&mut watch, "gone", |all| all.get(ifindex).is_none()).await;
            assert_eq!(*watch.snapshot(), links.snapshot().await.unwrap());
        });
    });
}

#[test]
fn lost_notifications_are_made_good() {
    in_host(|bed| {
        bed.host("ip link add v1 type veth peer name v2");
        block_on(async {
            let links = Links::open().unwrap();
            let mut watch = links.watch().await.unwrap();
            // More than any receive buffer holds, without a reader.
            let mut batch = String::new();
            for round in 0..4000 {
                batch += &format!("link set v1 mtu {}\n", 1000 + round % 400);
            }
            batch += "link set v1 mtu 1234\nlink del v2\n";
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), batch).unwrap();
            bed.host(&format!("ip -batch {}", file.path().display()));
            let seen = follow(&mut watch, "gone", |all| all.by_name("v1").is_none()).await;
            assert!(seen.iter().any(|changed| changed.concerns(9_999)), "all may have changed");
            assert_eq!(*watch.snapshot(), links.snapshot().await.unwrap());
            // And it goes on.
            bed.host("ip link add v3 type veth peer name v4");
            follow(&mut watch, "there", |all| all.by_name("v3").is_some()).await;
        });
    });
}

/// Address changes as fast as the kernel makes them, from several sides, until it is dropped.
struct Flood {
    done: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    fn on(bed: &Bed, interface: &str) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let flooder = |nth: usize| {
            let (done, namespace) = (Arc::clone(&done), bed.namespace("host"));
            let mut batch = String::new();
            for address in 0..200 {
                batch += &format!("addr add 10.{nth}.0.{address}/32 dev {interface}\n");
                batch += &format!("addr del 10.{nth}.0.{address}/32 dev {interface}\n");
            }
            std::thread::spawn(move || {
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), batch).unwrap();
                let path = file.path().to_str().unwrap();
                while !done.load(Ordering::Relaxed) {
                    let ip = ["-n", &namespace, "-batch", path];
                    assert!(Command::new("ip").args(ip).status().unwrap().success());
                }
            })
        };
        let threads = (1..=3).map(flooder).collect();
        Self { done, threads }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_flood_of_changes_leaves_time_for_everything_else() {
    in_host(|bed| {
        bed.host("ip link add v1 type veth peer name v2");
        block_on(async {
            let links = Links::open().unwrap();
            let mut watch = links.watch().await.unwrap();
            let flood = Flood::on(bed, "v2");
            // As the forwarder does it: what is cancelled by a tick goes on at the next call.
            let mut tick = tokio::time::interval(Duration::from_millis(1));
            let (mut ticks, mut readings) = (0, 0);
            let deadline = Instant::now() + Duration::from_secs(60);
            while readings < 3 || ticks < 100 {
                assert!(Instant::now() < deadline, "{ticks} ticks, {readings} times read afresh");
                // Slower than the flood, so that it overruns.
                std::thread::sleep(Duration::from_millis(2));
                tokio::select! {
                    changed = watch.next() => {
                        changed.unwrap();
                        readings += 1;
                    }
                    _ = tick.tick() => ticks += 1,
                }
            }
            drop(flood);
            bed.host("ip link set v1 mtu 1234");
            let what = "the state of now";
            let found = timeout(Duration::from_secs(20), async {
                while watch.snapshot() != &links.snapshot().await.unwrap() {
                    watch.next().await.unwrap();
                }
            });
            assert!(found.await.is_ok(), "{what}: {:?}", watch.snapshot());
            assert_eq!(watch.snapshot().by_name("v1").unwrap().mtu, 1234);
        });
    });
}
