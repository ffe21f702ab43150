use super::*;
use weir_port::cells::ROOM_WORDS;

const SOURCE: PortId = PortId(3);
const QUEUE: usize = MAX_PORTS as usize + 1;

fn room() -> (Room, Cells, Cells) {
    let (taken, back) = (Cells::heap(ROOM_WORDS), Cells::heap(ROOM_WORDS));
    (Room::new(taken.clone(), back.clone(), 1), taken, back)
}

#[test]
fn a_superframe_among_acknowledgements_makes_the_next_handful_small() {
    let next = |packets, bytes| GatheredBatch { packets, bytes }.next_batch_size();
    assert_eq!(next(16, 16 * 60), BURST_LEAST);
    assert_eq!(next(16, 16 * 1514), BURST_LEAST);
    assert_eq!(next(16, 15 * 60 + 65_000), 4);
    assert_eq!(next(4, 4 * 65_000), 4);
    assert_eq!(next(4, 4 * 1514), BURST_LEAST);
}

#[test]
fn what_is_taken_out_is_given_back_to_the_source_and_to_the_ring() {
    let (mut room, _, back) = room();
    room.give_back(SOURCE, 1);
    room.give_back(SOURCE, 18);
    assert_eq!((back.load(3, home::BACK), back.load(QUEUE, home::BACK)), (19, 0));
    room.publish();
    assert_eq!((back.load(3, home::BACK), back.load(QUEUE, home::BACK)), (19, 19));
    room.publish();
    assert_eq!(back.load(QUEUE, home::BACK), 19);
}

#[test]
fn a_source_is_done_when_what_was_lost_before_the_ring_is_forgiven() {
    let (mut room, taken, back) = room();
    let done = || back.load(3, home::DONE);
    set(&taken, 3, out::STEERED, 40);
    room.reset_source(SOURCE);
    assert_eq!(done(), 40, "of another port that had the slot");
    set(&taken, 3, out::STEERED, 45);
    for _ in 0..3 {
        room.came(SOURCE);
    }
    room.settle_lost(1, true, SOURCE);
    room.settle_lost(QUIET_NS, true, SOURCE);
    assert_eq!(done(), 40, "they may still come");
    room.settle_lost(2 * QUIET_NS, false, SOURCE);
    assert_eq!(done(), 40, "they may be in the ring");
    room.settle_lost(2 * QUIET_NS + 1, true, SOURCE);
    room.settle_lost(2 * QUIET_NS + 2, true, SOURCE);
    assert_eq!(done(), 42, "two never came, and three are still to end");
    set(&back, 3, home::DONE, 47);
    room.settle_lost(2 * QUIET_NS + 3, true, SOURCE);
    assert_eq!(done(), 45, "more than came cannot have ended");
}

#[test]
fn what_never_arrives_is_forgiven_once_nothing_is_on_its_way() {
    let (mut room, taken, back) = room();
    set(&taken, 3, out::TAKEN, 7);
    set(&taken, QUEUE, out::TAKEN, 7);
    let mut look = |now_ns, empty| room.correct(now_ns, empty, [SOURCE].into_iter());
    look(1, true);
    look(QUIET_NS, true);
    assert_eq!(back.load(3, home::BACK), 0, "it may still arrive");
    look(QUIET_NS + 1, false);
    look(2 * QUIET_NS, true);
    assert_eq!(back.load(3, home::BACK), 0, "something did");
    look(2 * QUIET_NS + 1, true);
    assert_eq!((back.load(3, home::BACK), back.load(QUEUE, home::BACK)), (7, 7));
}
