//! Words shared with a program's map.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;

use aya::maps::{Array, Map};
use weir_port::Cells;
use weir_probe::program::Program;

const WORDS: usize = 1 << 16;

fn shares<T: Send + Sync + Clone>(_: &T) {}

/// A map that can be mapped into memory, with one word per entry; `None` without the privilege to make one.
fn map() -> Option<Map> {
    match Program::load("tally_tcx", &[]).and_then(|mut program| program.map("DELAYS")) {
        Ok(map) => Some(map),
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
            eprintln!("SKIPPED: shared cells: takes root ({error})");
            None
        }
    }
}

fn fd(map: &Map) -> BorrowedFd<'_> {
    let Map::Array(data) = map else { unreachable!("{map:?}") };
    data.fd().as_fd()
}

#[test]
fn words_on_the_heap_are_shared_by_clones() {
    let cells = Cells::heap(4);
    shares(&cells);
    cells.clone().get(3).unwrap().store(7, Relaxed);
    assert_eq!(cells.get(3).unwrap().load(Relaxed), 7);
    assert!(cells.get(4).is_none());
    assert!(Cells::heap(0).get(0).is_none());
}

#[test]
fn what_is_written_here_is_what_the_map_holds() {
    let Some(mut map) = map() else { return };
    let cells = Cells::map(fd(&map), WORDS).unwrap();
    shares(&cells);
    let clone = cells.clone();
    drop(cells);
    for at in [0, 1, WORDS - 1] {
        clone.get(at).unwrap().fetch_or(1 << (at % 64), Relaxed);
        let array = Array::<_, u64>::try_from(&map).unwrap();
        assert_eq!(array.get(&(at as u32), 0).unwrap(), 1 << (at % 64));
    }
    Array::<_, u64>::try_from(&mut map).unwrap().set(7, 3, 0).unwrap();
    assert_eq!(clone.get(7).unwrap().load(Relaxed), 3);
    // The words outlive the map's descriptor.
    drop(map);
    clone.get(0).unwrap().store(9, Relaxed);
    assert_eq!(clone.get(0).unwrap().load(Relaxed), 9);
}

#[test]
fn what_is_no_such_map_or_too_short_is_refused() {
    let null = std::fs::File::open("/dev/null").unwrap();
    assert!(Cells::map(null.as_fd(), 4).is_err());
    let Some(map) = map() else { return };
    let fd = fd(&map);
    assert!(Cells::map(fd, 0).is_err());
    assert!(Cells::map(fd, WORDS + 512).is_err());
    assert!(Cells::map(fd, WORDS).is_ok());
}
