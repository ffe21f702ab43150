use super::*;

#[test]
fn dice_repeat_themselves_and_are_fair_enough() {
    let (mut a, mut b) = (Dice::new(7), Dice::new(7));
    let hits = (0..10_000).filter(|_| a.hits(100)).count();
    assert_eq!(hits, (0..10_000).filter(|_| b.hits(100)).count());
    assert!((800..1200).contains(&hits), "{hits}");
    assert!(!(0..1000).any(|_| a.hits(0)));
}
