use super::*;

#[test]
fn a_waiting_thread_is_woken_by_time_or_by_the_word() {
    let halt = Halt::default();
    let then = Instant::now() + Duration::from_millis(20);
    assert!(halt.wait_until(then) && Instant::now() >= then);
    let other = halt.clone();
    let far = Instant::now() + Duration::from_secs(60);
    let waiting = std::thread::spawn(move || other.wait_until(far));
    halt.say();
    assert!(!waiting.join().unwrap() && halt.is_said() && Instant::now() < far);
    assert!(!halt.wait_until(Instant::now()), "once said, it holds");
}
