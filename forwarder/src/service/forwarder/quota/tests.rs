use super::*;

/// Takes in this many ports one after the other.
fn crowd(frames: u32, ports: u32, queues: u32) -> Part {
    let mut part = Part { frames, promised: 0, ports, workers: 1 };
    for _ in 0..ports {
        part.promised += part.fill(queues) * queues;
    }
    part
}

#[test]
fn the_pool_grows_with_the_ports() {
    assert_eq!(frames_per_worker(4, 1), 13 * 1024);
    assert_eq!(frames_per_worker(100, 1), 37 * 1024);
    assert_eq!(frames_per_worker(1024, 1), 96 * 1024);
    assert_eq!(frames_per_worker(u32::MAX, 2), 48 * 1024);
}

#[test]
fn what_is_promised_is_there() {
    for ports in 1..=40 {
        for workers in 1..=4 {
            let part = Part { workers, ..crowd(frames_per_worker(ports, workers), ports, 1) };
            let queue = part.queue();
            let all = part.frames / 8 + part.promised + ports * workers * queue;
            assert!(
                queue == QUEUE_MIN || all <= part.frames,
                "{ports} ports, {workers} workers: {part:?}, {queue} each"
            );
        }
    }
}

#[test]
fn one_port_never_takes_all() {
    let part = crowd(16 * 1024, 1, 1);
    assert_eq!(part.promised, 4096);
    assert_eq!(part.queue(), (16 * 1024 - 2048 - 4096) / 2);
}

#[test]
fn latecomers_get_less_and_never_nothing() {
    let part = crowd(16 * 1024, 200, 4);
    assert_eq!(part.fill(4), FILL_MIN);
    assert_eq!(part.queue(), QUEUE_MIN);
}
