use super::*;

fn scene(text: &str) -> Scene {
    toml::from_str(text).unwrap()
}

const TEXT: &str = r#"
        vms = 3
        vm = [{ number = 2, weight = 5 }]
        window = [{ name = "a", from = 0.5, to = 1 }, { name = "b", from = 1, to = 2 }]
        step = [{ at = 1, weights = [30, 1] }, { at = 1.5, weights = [1, 2, 3] }]
        load = [{ what = "burn", at = "vm1", start = 1, stop = 9 }]
        slice = 0.5
    "#;

#[test]
fn what_ends_is_read_before_what_changes_and_what_begins_after() {
    let scene = scene(TEXT);
    let timeline = Timeline::new(&scene, Instant::now());
    let after = |seconds| timeline.origin + Duration::from_secs(seconds);
    assert_eq!(timeline.end, after(2));
    let agenda = timeline.agenda(&scene);
    let at_one: Vec<Due> = agenda.iter().filter(|due| due.0 == after(1)).map(|due| due.1).collect();
    let expected =
        [Due::WindowEnds, Due::Slice, Due::Step(0), Due::LoadStarts(0), Due::WindowBegins];
    assert_eq!(at_one, expected);
    assert_eq!(agenda.iter().filter(|due| due.1 == Due::Slice).count(), 5);
    // The load would have gone on: the scene's end is its end.
    assert_eq!(agenda.last(), Some(&(timeline.end, Due::LoadStops(0))));
}

#[test]
fn traffic_that_ends_with_a_window_goes_on_a_moment_if_nobody_sees_it() {
    let scene = scene(
        "vms = 1\nwindow = [{ name = 'a', from = 0, to = 1 }, { name = 'b', from = 1.3, to = 2 },
             { name = 'c', from = 2.0, to = 3 }]",
    );
    let timeline = Timeline::new(&scene, Instant::now());
    let times = |words: &str| {
        let text = format!("kind = 'flood'\nfrom = 'vm1'\nto = 'uplink'\n{words}");
        let times = timeline.of(&toml::from_str(&text).unwrap());
        [times.start, times.stop].map(|at| (at - timeline.origin).as_millis())
    };
    assert_eq!(times("stop = 1"), [0, 1100]);
    assert_eq!(times("start = 0.1\nstop = 1.1"), [100, 1100]);
    assert_eq!(times("stop = 2"), [0, 2000]);
    assert_eq!(times("start = 0.6"), [600, 3100]);
    assert_eq!(times("stop = 99"), [0, 3100]);
}

#[test]
fn weights_are_those_of_the_last_step() {
    let scene = scene(TEXT);
    assert!(weights(&scene, 0.5).is_empty());
    assert_eq!(weights(&scene, 1.0), [30, 1]);
    assert_eq!(weights(&scene, 1.7), [1, 2, 3]);
}

#[test]
fn only_windows_that_the_traffic_fills_are_measured() {
    let scene = scene(
        "vms = 1\nwindow = [{ name = 'a', from = 0.5, to = 2 }, { name = 'b', from = 2, to = 3 },
             { name = 'c', from = 2.5, to = 4 }]",
    );
    let timeline = Timeline::new(&scene, Instant::now());
    let of = |text: &str| {
        let text = format!("kind = 'ask'\nfrom = 'vm1'\nto = 'uplink'\n{text}");
        timeline.of(&toml::from_str(&text).unwrap())
    };
    let names = |times: &Times| {
        times.windows.iter().map(|span| span.name.clone()).collect::<Vec<_>>().join("")
    };
    assert_eq!(names(&of("")), "abc");
    assert_eq!(names(&of("start = 2.0000000001\nstop = 3.2")), "b");
    assert_eq!(names(&of("start = 1\nstop = 3.9999999999")), "bc");
    let times = of("");
    let after = |ms| timeline.origin + Duration::from_millis(ms);
    let at = |ms| times.around(after(ms)).collect::<Vec<_>>();
    assert_eq!((at(0), at(500), at(2600), at(4000)), (vec![], vec![0], vec![1, 2], vec![]));
}
