use super::*;

#[test]
fn busy_leaves_idle_and_stolen_time_out() {
    let text = "cpu  9 9 9 9 9 9 9 9\ncpu0 1 2 3 60 10 10 20 7 0 0\ncpu1 0 0 5 9 0 0 0 0\nintr 5\n";
    let at = Instant::now();
    let busy = Busy { at: at + TICK * 100, cores: parse(text) };
    assert_eq!(busy.cores, [Core { away: 77, soft: 20 }, Core { away: 9, soft: 0 }]);
    let none = Busy { at, cores: vec![Core::default(); 2] };
    assert_eq!(busy.since(&none), TICK * (23 + 91));
    assert_eq!(busy.core_since(&none, 1), TICK * 91);
    assert_eq!(busy.core_since(&none, 2), Duration::ZERO);
    assert_eq!(busy.soft_since(&none, 0), TICK * 20);
}

#[test]
fn work_between_two_ticks_is_seen() {
    let (before, start) = (Busy::now().unwrap(), Instant::now());
    while start.elapsed() < TICK * 20 {
        std::hint::spin_loop();
    }
    assert!(Busy::now().unwrap().since(&before) >= TICK * 10);
}

#[test]
fn this_process_uses_time_and_memory() {
    let whole = process_exact(std::process::id()).unwrap();
    assert!(process(std::process::id()).is_ok());
    assert!(process_exact(std::process::id()).unwrap() >= whole);
    let footprint = Footprint::of(std::process::id()).unwrap();
    assert!(footprint.resident > 100_000 && footprint.files > 2 && footprint.threads > 0);
}

#[test]
fn a_threads_time_outlives_it() {
    let time = ThreadTime::default();
    assert_eq!(time.so_far(), Duration::ZERO);
    let running = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            time.begin();
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            let running = time.so_far();
            time.end();
            running
        });
        thread.join().unwrap()
    });
    assert!(time.so_far() >= running && time.so_far() > Duration::ZERO);
}
