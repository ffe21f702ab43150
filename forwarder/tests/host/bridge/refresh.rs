use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use weir::host::bridge::refresh::{Refresh, due};
use weir::host::bridge::state::Address;
use weir::host::bridge::watch::BridgeWatch;

use super::super::bed::{Bed, block_on, in_host};
use super::{bridge, can, ifindex, key, read, skipped};

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

/// An ageing time in which several commands can be run here: 2 s, but under emulation.
fn ageing(bed: &Bed) -> Duration {
    let start = Instant::now();
    bed.host("bridge link");
    Duration::from_secs(2).max(start.elapsed() * 10)
}

/// `br0` with that ageing time, and without a VLAN: its index.
fn ageing_bridge(bed: &mut Bed, ageing: Duration, ports: &[&str]) -> u32 {
    let ticks = ageing.as_millis() / 10;
    bridge(bed, &format!("ageing_time {ticks} vlan_default_pvid 0"), ports)
}

/// Tells the watch what has happened, as soon as it has: the ageing time is short.
async fn hear(watch: &mut BridgeWatch) {
    assert!(watch.drained().unwrap());
    watch.next().await.unwrap();
}

/// Runs rounds as if the gate had seen every address just now, until `done`; how many addresses
/// were refreshed, and how many changes put back.
async fn rounds(
    watch: &mut BridgeWatch,
    mut done: impl FnMut(&BridgeWatch) -> bool,
) -> (usize, usize) {
    let deadline = Instant::now() + Duration::from_secs(200);
    let (mut refreshed, mut repaired) = (0, 0);
    while !done(watch) {
        assert!(Instant::now() < deadline, "waited in vain: {watch:?}");
        let round = watch.refresh(now_ns(), |_| Some(now_ns())).unwrap();
        refreshed += round.refreshed;
        repaired += round.repaired;
        // Waits for news as the control side does.
        if let Ok(news) = tokio::time::timeout(Duration::from_millis(50), watch.next()).await {
            news.unwrap();
        }
    }
    (refreshed, repaired)
}

#[test]
fn an_address_outlives_the_ageing_time_while_it_is_seen() {
    in_host(|bed| {
        let ageing = ageing(bed);
        let ticks = ageing.as_millis() / 10;
        let br0 = bridge(bed, &format!("ageing_time {ticks}"), &["v1"]);
        block_on(async {
            let mut watch = BridgeWatch::open(br0).await.unwrap();
            bed.host("bridge fdb add 02:00:00:00:00:07 dev v1 master dynamic");
            hear(&mut watch).await;
            // With VLANs, the command enters it into each of the port's.
            can(bed, "bridge fdb del 02:00:00:00:00:07 dev v1 master vlan 1");
            bed.host("bridge fdb add 02:00:00:00:00:09 dev v1 master dynamic");
            hear(&mut watch).await;
            let start = Instant::now();
            let mut refreshed = 0;
            while start.elapsed() < ageing * 7 / 2 {
                let last_seen = |address: &Address| (address.key == key(7)).then(now_ns);
                let round = watch.refresh(now_ns(), last_seen).unwrap();
                refreshed += round.refreshed;
                if let Ok(news) =
                    tokio::time::timeout(Duration::from_millis(50), watch.next()).await
                {
                    news.unwrap();
                }
                assert!(watch.state().address(key(7)).is_some() || refreshed == 0);
            }
            let held = read(br0).await;
            assert!(held.address(key(7)).is_some(), "it was forgotten");
            assert!(held.address(key(9)).is_none(), "no gate had seen it, and it stayed");
            assert!((3..=8).contains(&refreshed), "refreshed {refreshed} times");
            // In no VLAN that it was not in.
            let others = held
                .addresses()
                .filter(|seen| seen.address.key.mac == key(7).mac && seen.address.key != key(7));
            assert_eq!(others.count(), 0);
        });
    });
}

#[test]
fn a_revoked_address_stays_revoked() {
    in_host(|bed| {
        let ageing = ageing(bed);
        let br0 = ageing_bridge(bed, ageing, &["v1", "v2"]);
        if !can(bed, "bridge link set dev v1 locked on") {
            return skipped("this kernel or its tools know no locked ports");
        }
        block_on(async {
            let mut watch = BridgeWatch::open(br0).await.unwrap();
            bed.host("bridge fdb add 02:00:00:00:00:07 dev v1 master dynamic");
            hear(&mut watch).await;
            bed.host("bridge fdb del 02:00:00:00:00:07 dev v1 master");
            bed.host("bridge fdb add 02:00:00:00:00:09 dev v2 master dynamic");
            hear(&mut watch).await;
            let start = Instant::now();
            let past = |_: &BridgeWatch| start.elapsed() > ageing * 2;
            let (refreshed, _) = rounds(&mut watch, past).await;
            assert!(refreshed > 0, "the other one was to be refreshed");
            let held = read(br0).await;
            assert!(held.address(key(7)).is_none() && held.address(key(9)).is_some());

            // One that is authorised at a locked port is not kept either: it ages.
            bed.host("bridge fdb replace 02:00:00:00:00:07 dev v1 master dynamic");
            let gone = |watch: &BridgeWatch| {
                start.elapsed() > ageing * 5 / 2 && watch.state().address(key(7)).is_none()
            };
            rounds(&mut watch, gone).await;
        });
    });
}

#[test]
fn a_revocation_at_the_moment_of_the_write_holds() {
    in_host(|bed| {
        let br0 = bridge(bed, "", &["v1"]);
        block_on(async {
            let mut watch = BridgeWatch::open(br0).await.unwrap();
            bed.host("bridge fdb add 02:00:00:00:00:07 dev v1 master dynamic");
            assert!(watch.drained().unwrap());
            let refresh = Refresh { key: key(7), ifindex: ifindex("v1") };
            // Without anything in between, the write changes nothing that the kernel would tell.
            let mark = watch.told();
            watch.write_refresh(&refresh).unwrap();
            watch.check_refresh(mark, &refresh).unwrap();
            assert!(read(br0).await.address(key(7)).is_some());
            // Between the look and the write.
            let mark = watch.told();
            bed.host("bridge fdb del 02:00:00:00:00:07 dev v1 master");
            watch.write_refresh(&refresh).unwrap();
            assert!(read(br0).await.address(key(7)).is_some(), "the write is what authorises");
            assert_ne!(watch.check_refresh(mark, &refresh).unwrap(), 0);
            assert!(read(br0).await.address(key(7)).is_none());
        });
    });
}

#[test]
fn a_moved_address_is_not_taken_back() {
    in_host(|bed| {
        let ageing = ageing(bed);
        let br0 = ageing_bridge(bed, ageing, &["v1", "v2"]);
        let v2 = ifindex("v2");
        block_on(async {
            let mut watch = BridgeWatch::open(br0).await.unwrap();
            bed.host("bridge fdb add 02:00:00:00:00:07 dev v1 master dynamic");
            hear(&mut watch).await;
            // Time is what makes it due.
            tokio::time::sleep(ageing * 4 / 5).await;
            let seen = |address: &Address| (address.key == key(7)).then(now_ns);
            assert_ne!(due(watch.state(), now_ns(), seen), []);
            // It moves, and the watch has not been asked since.
            bed.host("bridge fdb replace 02:00:00:00:00:07 dev v2 master dynamic");
            let round = watch.refresh(now_ns(), seen).unwrap();
            assert_eq!((round.refreshed, round.repaired), (0, 0));
            assert_eq!(read(br0).await.address(key(7)).unwrap().ifindex, v2);
            let start = Instant::now();
            let past = |_: &BridgeWatch| start.elapsed() > ageing * 2;
            let (refreshed, repaired) = rounds(&mut watch, past).await;
            assert_eq!(read(br0).await.address(key(7)).unwrap().ifindex, v2);
            assert!(refreshed > 0 && repaired == 0, "{refreshed} refreshed, {repaired} repaired");

            // At the very moment of the write.
            let refresh = Refresh { key: key(7), ifindex: v2 };
            assert!(watch.drained().unwrap());
            let mark = watch.told();
            bed.host("bridge fdb replace 02:00:00:00:00:07 dev v1 master dynamic");
            watch.write_refresh(&refresh).unwrap();
            assert_eq!(read(br0).await.address(key(7)).unwrap().ifindex, v2, "taken back");
            assert_eq!(watch.check_refresh(mark, &refresh).unwrap(), 1);
            assert_eq!(read(br0).await.address(key(7)).unwrap().ifindex, ifindex("v1"));
        });
    });
}
