use super::*;

#[test]
fn is_the_weighted_mean() {
    let mut mean = Mean::default();
    mean.add(100, 1);
    assert_eq!(mean.now(), 100);
    mean.add(200, 3);
    assert_eq!(mean.now(), 175);
    mean.shift(-40, 3);
    assert_eq!(mean.now(), 145);
    mean.remove(100, 1);
    assert_eq!(mean.now(), 160);
    mean.remove(160, 3);
    assert_eq!(mean.now(), 160, "without vifs it stays");
}

#[test]
fn wraps() {
    let mut mean = Mean::default();
    mean.add(i64::MAX, 1);
    mean.add(i64::MAX.wrapping_add(10), 1);
    assert_eq!(mean.now(), i64::MAX.wrapping_add(5));
}
