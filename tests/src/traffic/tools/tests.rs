use super::*;

#[test]
fn reads_the_reports_that_count() {
    let now = Instant::now();
    let one = parse("[  5]   0.10-0.20   sec  1.25 MBytes  104857 Kbits/sec  ", false, now);
    let one = one.unwrap();
    assert_eq!((one.from_s, one.to_s, one.kbit_per_s), (0.1, 0.2, 104_857.0));
    let sum = "[SUM]   0.00-0.10   sec  2.00 MBytes  167772 Kbits/sec  ";
    assert!(parse(sum, true, now).is_some() && parse(sum, false, now).is_none());
    let all = "[  5]   0.00-2.04   sec  24.0 MBytes  98765 Kbits/sec                  receiver";
    assert_eq!(parse(all, false, now), None);
    assert_eq!(parse("[ ID] Interval           Transfer     Bitrate", false, now), None);
    assert_eq!(parse("Accepted connection from 10.0.0.1, port 40000", false, now), None);
}

#[test]
fn what_came_is_spread_over_the_time_it_was_counted_in() {
    let began = Instant::now();
    let heard = |from_s, to_s, kbit_per_s, late_ms| {
        let at = began + Duration::from_secs_f64(to_s) + Duration::from_millis(late_ms);
        Heard { at, from_s, to_s, kbit_per_s }
    };
    let reports = [heard(0.0, 1.0, 1000.0, 30), heard(1.0, 2.0, 3000.0, 0)];
    let goodput = Goodput(reports.to_vec());
    let at = |ms| began + Duration::from_millis(ms);
    let near = |from, to, mbit: f64| {
        let found = goodput.mbit_between(at(from), at(to)).unwrap();
        assert!((found - mbit).abs() < 1e-6, "{found} is not {mbit}");
    };
    near(0, 1000, 1.0);
    near(500, 1500, 2.0);
    near(0, 2000, 2.0);
    assert_eq!(goodput.mbit_between(at(1500), at(3000)), None);
    assert_eq!(Goodput::default().mbit_between(at(0), at(1)), None);
}

#[test]
fn reads_the_receivers_sum_and_reports_errors() {
    let good = r#"{"end":{"sum_sent":{"retransmits":3},"sum_received":{"bits_per_second":1.5e9,"bytes":7}}}"#;
    let result = parse_whole(good).unwrap();
    assert_eq!((result.bits_per_second, result.bytes, result.retransmits), (1.5e9, 7, 3));
    assert!(parse_whole(r#"{"error":"refused"}"#).unwrap_err().to_string().contains("refused"));
}

#[test]
fn reads_the_summary() {
    let text = "--- 10.0.0.2 ping statistics ---\n5 packets transmitted, 4 received, 20% packet loss, time 203ms\n";
    assert_eq!(parse_echo(text), Some(Echo { sent: 5, received: 4 }));
    assert_eq!(parse_echo("ping: unknown host"), None);
}
