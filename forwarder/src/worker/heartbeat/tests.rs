use super::*;
use crate::worker::tests::clock;
use weir_port::cells::ROOM_WORDS;

const MS: u64 = 1_000_000;

#[test]
fn a_word_is_written_every_so_often_and_says_when() {
    let words = Cells::heap(ROOM_WORDS);
    clock::set(7 * MS);
    let mut heart = Heartbeat::begin(words.clone(), 3, clock::now_ns);
    assert_eq!(said_ns(&words, 3), 7 * MS);
    assert!(!heart.is_due(7 * MS + EVERY_NS - 1));
    assert!(heart.is_due(7 * MS + EVERY_NS));
    heart.beat(30 * MS);
    assert_eq!((said_ns(&words, 3), heart.said_ns), (30 * MS, 30 * MS));
    clock::set(30 * MS + LATE_NS);
    assert!(!heart.is_late());
    clock::set(30 * MS + LATE_NS + 1);
    assert!(heart.is_late());
}

#[test]
fn who_is_said_to_be_gone_stays_gone() {
    let words = Cells::heap(ROOM_WORDS);
    clock::set(MS);
    let mut hearts = [0, 1].map(|at| Heartbeat::begin(words.clone(), at, clock::now_ns));
    let pulses = Pulses::new(words.clone(), 2);
    assert_eq!(pulses.still(MS + STALE_NS), None);
    hearts[0].beat(2 * MS);
    assert_eq!(pulses.still(MS + STALE_NS + 1), Some(1), "the other said nothing since");
    pulses.say_gone();
    assert_eq!(pulses.still(3 * MS), Some(0));
    hearts.iter_mut().for_each(|heart| heart.beat(40 * MS));
    assert_eq!((said_ns(&words, 0), said_ns(&words, 1)), (0, 0));
    assert!(!hearts[0].stands_still(1, 600 * MS), "it ends, and takes what it is given");
}

#[test]
fn a_worker_sees_which_of_the_others_stand_still() {
    let words = Cells::heap(ROOM_WORDS);
    clock::set(MS);
    let mut hearts = [0, 1].map(|at| Heartbeat::begin(words.clone(), at, clock::now_ns));
    hearts[0].beat(MS + LATE_NS);
    assert!(!hearts[0].stands_still(1, MS + LATE_NS));
    let late = MS + LATE_NS + EVERY_NS;
    hearts[0].beat(late);
    assert!(hearts[0].stands_still(1, late));
    hearts[1].beat(late);
    assert!(!hearts[0].stands_still(1, late), "it is back");
}
