use super::*;
use crate::host::attach::PendingChanges;
use weir_port::cells::ROOM_WORDS;

fn set(words: &ClearingMaps, slot: usize, word: usize, value: u64) {
    words.out.word(slot, word).unwrap().store(value, Ordering::Relaxed);
}

#[test]
fn what_is_raised_for_a_change_is_cleared_after_it() {
    let changes = PendingChanges::default();
    let (out, fences) = (Cells::heap(ROOM_WORDS), Cells::heap(1));
    let words = ClearingMaps { out, fences, changes: changes.clone() };
    assert_eq!(words.passed(), Some(vec![]));
    set(&words, 3, out::BRIDGED, 7);
    set(&words, 3, out::CLEARED, 5);
    assert_eq!(words.passed(), Some(vec![(3, 7)]));
    let changing = changes.begin();
    set(&words, 9, out::BRIDGED, 1);
    assert_eq!(words.passed(), None, "a frame may still go by the bridge, and is not counted");
    drop(changing);
    let passed = words.passed().unwrap();
    assert_eq!(passed, [(3, 7), (9, 1)]);
    // One more frame, while fences are under way.
    set(&words, 3, out::BRIDGED, 8);
    words.clear(passed);
    assert_eq!(words.passed(), Some(vec![(3, 8)]));
}
