use super::*;
use weir_api::{Times, VifTimes, histogram::encode};

/// A report of one vif's residence times.
pub(crate) fn latency(vif: &str, since_unix_ns: u64, times_ns: &[(u64, u64)]) -> LatencyReport {
    let mut histogram = weir_core::latency::histogram::<u64>();
    for (ns, count) in times_ns {
        histogram.saturating_record_n(*ns, *count);
    }
    let times = |stage: &str, encoded: Option<String>| Times {
        stage: stage.to_owned(),
        histogram: encoded,
        ..Times::default()
    };
    let stages = vec![times("queue", None), times("residence", Some(encode(&histogram)))];
    LatencyReport {
        since_unix_ns,
        on: true,
        vifs: vec![VifTimes { name: vif.to_owned(), stages }],
        ..LatencyReport::default()
    }
}

#[test]
fn the_last_interval_is_what_was_added() {
    let before = Latency::of(&latency("v1", 7, &[(1_000, 100)]));
    let after = Latency::of(&latency("v1", 7, &[(1_000, 100), (50_000, 10)]));
    let last = after.since(Some(&before), "v1").unwrap();
    assert_eq!(last.len(), 10);
    assert!(last.value_at_quantile(0.5).abs_diff(50_000) < 500);
    assert_eq!(after.since(None, "v1").unwrap().len(), 110, "nothing to compare with");
    assert_eq!(before.since(Some(&after), "v1").unwrap().len(), 100, "counted from 0");
    let reset = Latency::of(&latency("v1", 8, &[(1_000, 100), (50_000, 10)]));
    assert_eq!(reset.since(Some(&before), "v1").unwrap().len(), 110, "another recording");
    assert!(after.since(Some(&before), "v2").is_none());
}

#[test]
fn what_is_no_histogram_is_not_known() {
    let mut report = latency("v1", 7, &[(1_000, 1)]);
    report.vifs[0].stages[1].histogram = Some("!".to_owned());
    assert!(Latency::of(&report).residence.is_empty());
    report.vifs[0].stages[1].histogram = None;
    assert!(Latency::of(&report).residence.is_empty());
}
