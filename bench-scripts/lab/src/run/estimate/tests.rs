use super::*;
use crate::run::tests::testing;

#[test]
fn speaks_of_time() {
    let say = spoken;
    assert_eq!(say(0.4), "0 s");
    assert_eq!(say(99.4), "99 s");
    assert_eq!(say(100.0), "2 min");
    assert_eq!(say(721.0), "13 min");
    assert_eq!(say(5940.0), "99 min");
    assert_eq!(say(5941.0), "1 h 40 min");
}

#[test]
fn learns_what_cells_take() {
    let cells = testing::cells(1, 0, 10);
    let length = length_s(&cells[0].scene);
    assert_eq!(Overhead::default().expected_s(&cells), 10.0 * (length + USUAL_OVERHEAD_S));
    let mut overhead = Overhead::default();
    for _ in 0..50 {
        overhead.learn(&cells[0].scene, length + 7.0);
    }
    let left = overhead.expected_s(&cells);
    assert!((left - 10.0 * (length + 7.0)).abs() < 0.1, "{left}");
    // A clock that was set back, or a scene cut short.
    overhead.learn(&cells[0].scene, 0.0);
}
