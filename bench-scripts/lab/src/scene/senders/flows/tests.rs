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
fn a_frame_is_its_payload_and_headers() {
    let with = |more: &str| traffic(&format!("kind='probe'\nfrom='vm1'\nto='uplink'\n{more}"));
    assert_eq!(payload(&with(""), 64), 64);
    assert_eq!(payload(&with("size = 100"), 64), 100);
    assert_eq!(payload(&with("frame = 1514"), 64), 1472);
    assert_eq!(payload(&with("frame = 1514\nfamily = 'v6'"), 64), 1452);
    assert_eq!(payload(&with("frame = 10"), 64), 0);
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

fn both(words: &str) -> (Scene, Traffic) {
    let text = format!(
        "vms = 1\nwindow = [{{ name = 'w', from = 0, to = 1 }}]
             traffic = [{{ kind = 'flood', from = 'vm1', to = 'uplink', {words} }}]"
    );
    let scene: Scene = toml::from_str(&text).unwrap();
    let traffic = scene.traffic[0].clone();
    (scene, traffic)
}

fn length(words: &str) -> Option<u32> {
    let (scene, traffic) = both(words);
    frame(&traffic, &scene).ok()
}

#[test]
fn frames_have_the_length_that_the_file_gives_them() {
    assert_eq!(length("frame = 64"), Some(64));
    assert_eq!(length("size = 36"), Some(78));
    assert_eq!(length("size = 36, family = 'v6'"), Some(98));
    assert_eq!(length("start = 0"), Some(1514));
    assert_eq!(length("frame = 41"), None);
    assert_eq!(length("size = 1473"), None);
    assert_eq!(length("size = 1452, family = 'v6'"), Some(1514));
}

#[test]
fn rates_are_of_each_connection() {
    let (scene, traffic) = both("frame = 1250, mbit = 10, connections = 3");
    assert_eq!(rate(&traffic, 1.0), Rate::Bits { bits_per_s: 10_000_000 });
    assert_eq!(rate_mbit(&traffic, &scene), Some(30.0));
    let (scene, traffic) = both("frame = 125, pps = 1000");
    assert_eq!((rate(&traffic, 2.0), rate_mbit(&traffic, &scene)), (Rate::pps(2000), Some(1.0)));
    let (scene, traffic) = both("frame = 125");
    assert_eq!((rate(&traffic, 1.0), rate_mbit(&traffic, &scene)), (Rate::Max, None));
}
