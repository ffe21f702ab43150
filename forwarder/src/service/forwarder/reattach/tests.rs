use super::*;

#[test]
fn who_takes_it_off_again_and_again_has_it_off_for_longer() {
    let mut now = Instant::now();
    let mut taken_off = TakenOff::default();
    assert!(taken_off.is_due(now));
    let mut waits = Vec::new();
    for _ in 0..8 {
        let wait = taken_off.note(now);
        assert_eq!(taken_off.is_due(now), wait.is_zero());
        now += wait;
        assert!(taken_off.is_due(now));
        waits.push(wait.as_secs());
        now += Duration::from_secs(1);
    }
    assert_eq!(waits, [0, 2, 4, 8, 16, 32, 60, 60]);
    now += FORGOTTEN;
    assert_eq!(taken_off.note(now), Duration::ZERO);
}
