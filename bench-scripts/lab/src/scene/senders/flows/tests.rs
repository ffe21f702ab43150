use super::*;

fn traffic(text: &str) -> Traffic {
    toml::from_str(text).unwrap()
}

#[test]
fn a_flow_is_called_by_its_traffic_or_its_vm_or_its_sender() {
    let plain = traffic("kind = 'ask'\nfrom = 'uplink'\nto = 'every'");
    let named = Traffic { name: Some("polite".into()), ..plain.clone() };
    assert_eq!(name(&named, Some("vm2"), 1), "polite");
    assert_eq!(name(&named, Some("vm2"), 2), "vm2");
    assert_eq!(name(&plain, Some("vm2"), 1), "vm2");
    assert_eq!(name(&plain, None, 1), "uplink");
}

#[test]
fn only_windows_that_the_traffic_fills_are_measured() {
    let span = |name: &str, from, to| Span {
        name: name.into(),
        from: Duration::from_millis(from),
        to: Duration::from_millis(to),
    };
    let timeline = Timeline {
        origin: Instant::now(),
        windows: vec![span("a", 500, 2000), span("b", 2000, 3000), span("c", 2500, 4000)],
        end: Duration::from_secs(4),
        slice: Duration::from_secs(1),
    };
    let of = |text: &str| {
        let text = format!("kind = 'ask'\nfrom = 'vm1'\nto = 'uplink'\n{text}");
        Times::of(&traffic(&text), &timeline)
    };
    let names = |times: &Times| {
        times.windows.iter().map(|span| span.name.clone()).collect::<Vec<_>>().join("")
    };
    assert_eq!(names(&of("")), "abc");
    assert_eq!(names(&of("start = 2.0000000001\nstop = 3.2")), "b");
    assert_eq!(names(&of("start = 1\nstop = 3.9999999999")), "bc");
    let times = of("");
    let at = |ms| times.around(times.at(Duration::from_millis(ms))).collect::<Vec<_>>();
    assert_eq!((at(0), at(500), at(2600), at(4000)), (vec![], vec![0], vec![1, 2], vec![]));
}

fn flood(words: &str) -> Traffic {
    traffic(&format!("kind = 'flood'\nfrom = 'vm1'\nto = 'uplink'\n{words}"))
}

#[test]
fn frames_have_the_length_that_the_file_gives_them() {
    let length = |words: &str| frame(&flood(words)).ok();
    assert_eq!(length("frame = 64"), Some(64));
    assert_eq!(length("size = 36"), Some(78));
    assert_eq!(length("size = 36\nfamily = 'v6'"), Some(98));
    assert_eq!(length("start = 0"), None);
}

#[test]
fn rates_are_of_each_connection() {
    let traffic = flood("frame = 1250\nmbit = 10\nconnections = 3");
    assert_eq!(rate(&traffic, 1.0), Rate::Bits { bits_per_s: 10_000_000 });
    assert_eq!(rate_mbit(&traffic), Some(30.0));
    let traffic = flood("frame = 125\npps = 1000");
    assert_eq!((rate(&traffic, 2.0), rate_mbit(&traffic)), (Rate::pps(2000), Some(1.0)));
    let traffic = flood("frame = 125");
    assert_eq!((rate(&traffic, 1.0), rate_mbit(&traffic)), (Rate::Max, None));
}
