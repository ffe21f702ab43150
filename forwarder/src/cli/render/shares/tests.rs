use super::*;
use crate::cli::render::samples::shared;
use weir_api::Queued;

#[test]
fn totals_by_link_and_by_source() {
    let expected = "\
weir, up 01:02:03: totals
LINK / FROM        WEIGHT    MIN    MAX  BYTES    SHARE  QUEUED  SHED
nic0                               200M  5.00M            12.3k
  v1                    4  20.0M   500M  4.00M   80.0 %   12.3k  now
  vnet-0123456789       1      -      -  1.00M   20.0 %       0
v1                                    -  3.00k                0
  nic0                  1      -      -  3.00k  100.0 %       0

CONTAINERS FROM  RELEASE   COUNT   FILL    WAIT   SHED  LET GO BECAUSE
v1               adaptive  1.00k  4.00k  12.3us  4.00k  full 91% idle 9%
";
    assert_eq!(shares(None, &shared(), None, Paint::PLAIN), expected);
    let contended = contended(&shared(), Paint::PLAIN);
    assert!(contended.contains("\nnic0 ") && !contended.contains("3.00k"), "{contended}");
    assert_eq!(contended.lines().count(), 7, "{contended}");
}

#[test]
fn what_happened_between_two_reports() {
    let before = shared();
    let mut after = before.clone();
    after.uptime_ns += 2_000_000_000;
    let v1 = &mut after.ports[1];
    v1.links[0].bytes += 40_000_000;
    (v1.links[0].shed, v1.links[0].queued) = (false, Queued::default());
    v1.containers.bytes += 100 * 2_000;
    v1.containers.packets += 300;
    v1.containers.released.insert("timeout".to_owned(), 60);
    v1.containers.released.insert("playout".to_owned(), 40);
    after.ports[2].links[0].bytes += 10_000_000;
    let expected = "\
weir, up 01:02:05: per second
LINK / FROM        WEIGHT    MIN    MAX  BIT/S    SHARE  QUEUED  SHED
nic0                               200M   200M                0
  v1                    4  20.0M   500M   160M   80.0 %       0
  vnet-0123456789       1      -      -  40.0M   20.0 %       0

CONTAINERS FROM  RELEASE   COUNT   FILL    WAIT   SHED  LET GO BECAUSE
v1               adaptive    100  2.00k     0ns      0  timeout 60% playout 40%
";
    assert_eq!(shares(Some(&before), &after, Some(9), Paint::PLAIN), expected);
    let cut = shares(Some(&before), &after, Some(4), Paint::PLAIN);
    assert!(cut.ends_with("\n(5 more lines are not shown)\n"), "{cut}");
    assert_eq!(cut.lines().count(), 4);
    // Restarted: everything since then.
    assert!(shares(Some(&after), &before, None, Paint::PLAIN).contains(": totals\n"));
    assert!(shares(Some(&before), &before, None, Paint::PLAIN).contains("v1                    4"));
}

#[test]
fn the_greatest_numbers_still_fit() {
    let mut report = shared();
    for port in &mut report.ports {
        port.name = "enp0s31f6np0v15".to_owned();
        let promise = &mut port.promise;
        promise.weight = 1000;
        (promise.min_rate_bps, promise.max_rate_bps) = (u64::MAX, u64::MAX);
        promise.rate_bps = u64::MAX;
        port.losses.insert("shed".to_owned(), u64::MAX);
        for link in &mut port.links {
            link.to = "enp0s31f6np0v15".to_owned();
            (link.bytes, link.shed) = (u64::MAX, true);
            link.queued = Queued { packets: u64::MAX, bytes: u64::MAX };
        }
        let reasons = ["timeout", "playout"].map(|name| (name.to_owned(), u64::MAX / 2));
        let released = reasons.into();
        (port.containers.released, port.containers.bytes) = (released, u64::MAX);
        port.containers.wait_ns = u64::MAX;
    }
    for text in [
        shares(None, &report, None, Paint::PLAIN),
        shares(Some(&shared()), &report, None, Paint::PLAIN),
    ] {
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
    for (ns, text) in [(999, "999ns"), (12_345, "12.3us"), (999_999, "999us"), (1_500_000, "1.5ms")]
    {
        assert_eq!(time(ns), text);
    }
    assert_eq!(
        shares(None, &StatsReport::default(), None, Paint::PLAIN).lines().nth(1),
        Some("(nothing was sent)")
    );
}
