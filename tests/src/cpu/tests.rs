use super::*;

#[test]
fn busy_is_what_is_not_idle() {
    let (at, ms) = (Instant::now(), Duration::from_millis);
    let cores = [(770, 200), (90, 0)].map(|(away, soft)| Core { away: ms(away), soft: ms(soft) });
    let busy = Busy { at: at + ms(1000), cores: cores.to_vec() };
    let none = Busy { at, cores: vec![Core::default(); 2] };
    assert_eq!(busy.since(&none), ms(230 + 910));
    assert_eq!(busy.core_since(&none, 1), ms(910));
    assert_eq!(busy.core_since(&none, 2), Duration::ZERO);
    assert_eq!(busy.soft_since(&none, 0), ms(200));
}

#[test]
fn work_between_two_ticks_is_seen() {
    let (before, start) = (Busy::now().unwrap(), Instant::now());
    while start.elapsed() < Duration::from_millis(200) {
        std::hint::spin_loop();
    }
    assert!(Busy::now().unwrap().since(&before) >= Duration::from_millis(100));
}

#[test]
fn this_process_uses_time_and_memory() {
    let whole = process_time(std::process::id()).unwrap();
    assert!(process_time(std::process::id()).unwrap() >= whole);
    let footprint = Footprint::of(std::process::id()).unwrap();
    assert!(footprint.resident > 100_000 && footprint.files > 2 && footprint.threads > 0);
}
