use super::*;

#[test]
fn only_windows_with_both_ends_have_a_difference() {
    let scene = toml::from_str(
        "vms = 1\nwindow = [{ name = 'a', from = 0, to = 1 }, { name = 'b', from = 1, to = 2 }]",
    );
    let mut marks = Marks::new(&Timeline::new(&scene.unwrap(), Instant::now()));
    marks.note(0, Edge::From, 5);
    marks.note(0, Edge::To, 7);
    marks.note(1, Edge::To, 9);
    marks.note(7, Edge::To, 9);
    assert_eq!(marks.pairs().collect::<Vec<_>>(), [("a", &5, &7)]);
}

#[test]
fn who_is_told_to_stop_does_not_wait() {
    let stop = AtomicBool::new(false);
    assert!(sleep_until(Instant::now() + Duration::from_millis(5), &stop));
    let hour = Instant::now() + Duration::from_secs(3600);
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| sleep_until(hour, &stop));
        stop.store(true, Ordering::Relaxed);
        sleeper.thread().unpark();
        assert!(!sleeper.join().unwrap());
    });
}
