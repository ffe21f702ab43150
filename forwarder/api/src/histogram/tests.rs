use super::*;
use weir_core::latency::Summary;
use weir_core::latency::{LONGEST_NS, histogram};

#[test]
fn what_is_written_is_read_back_count_for_count() {
    let mut times = histogram::<u32>();
    for ns in [1, 64, 1_000, 1_000, 55_000_000, LONGEST_NS] {
        times.saturating_record(ns);
    }
    let back = decode(&encode(&times)).unwrap();
    assert_eq!(Summary::of(&back), Summary::of(&times));
    let counts = |(value, count): (u64, u64)| (value, count);
    let one = times.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value().into()));
    let other = back.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value()));
    assert!(one.map(counts).eq(other));
    assert!(decode("no histogram").is_none() && decode("AAAA").is_none());
}

#[test]
fn in_short_it_is_right_within_the_resolution() {
    assert_eq!(Summary::of(&histogram::<u64>()), Summary::default());
    let mut times = histogram::<u64>();
    for ns in 1..=1000 {
        times.record(ns * 1000).unwrap();
    }
    let short = Summary::of(&times);
    let near = |value: u64, wanted: u64| value.abs_diff(wanted) <= wanted / 128 + 64;
    assert_eq!(short.count, 1000);
    for (value, wanted) in [
        (short.min_ns, 1_000),
        (short.mean_ns, 500_500),
        (short.p50_ns, 500_000),
        (short.p90_ns, 900_000),
        (short.p99_ns, 990_000),
        (short.p999_ns, 999_000),
        (short.max_ns, 1_000_000),
    ] {
        assert!(near(value, wanted), "{value} is not {wanted}: {short:?}");
    }
}
