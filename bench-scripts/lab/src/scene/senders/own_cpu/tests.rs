use super::*;
use crate::scene::timeline::{Span, Timeline};

#[test]
fn work_counts_in_the_window_in_which_it_is_done() {
    let span = |name: &str, from: u64, to: u64| Span {
        name: name.into(),
        from: Duration::from_millis(from),
        to: Duration::from_millis(to),
    };
    let timeline = Timeline {
        origin: Instant::now(),
        windows: vec![span("idle", 0, 50), span("busy", 50, 150), span("never", 9000, 9001)],
        end: Duration::from_secs(10),
        slice: Duration::from_secs(1),
    };
    let traffic = toml::from_str("kind = 'ask'\nfrom = 'vm1'\nto = 'uplink'").unwrap();
    let times = Times::of(&traffic, &timeline);
    let mut own = OwnCpu::new(&times);
    own.look(Instant::now());
    let at = |ms| timeline.at(Duration::from_millis(ms));
    std::thread::sleep(at(50).saturating_duration_since(Instant::now()));
    own.look(Instant::now());
    while Instant::now() < at(150) {
        own.look(Instant::now());
    }
    own.look(Instant::now());
    let spent = own.finish();
    assert!(spent[1] > Duration::ZERO, "{spent:?}");
    assert_eq!(spent[2], Duration::ZERO);
}
