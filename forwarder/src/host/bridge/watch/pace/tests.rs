use super::*;

#[test]
fn readings_keep_a_distance_that_grows_and_shrinks_again() {
    let start = Instant::now();
    let mut pace = ResyncPace::default();
    assert_eq!(pace.not_before(), None);
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..8 {
        pace.done(now);
        let next = pace.not_before().unwrap();
        waits.push((next - now).as_millis());
        now = next;
    }
    assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
    now += LONGEST * 3;
    pace.done(now);
    assert_eq!(pace.not_before(), Some(now + SHORTEST));
}
