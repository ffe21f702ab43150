use super::*;

/// `None` where this user may not load programs.
fn counter(process: u32) -> Option<EventCounter> {
    match EventCounter::start(SYSTEM_CALL, process) {
        Ok(counter) => Some(counter),
        Err(error) => {
            eprintln!("SKIPPED: system calls cannot be counted here: {error}");
            None
        }
    }
}

#[test]
fn own_system_calls_are_counted_for_this_process_and_for_all() {
    let Some(counter) = counter(std::process::id()) else { return };
    let before = counter.read().unwrap();
    for _ in 0..1000 {
        let _ = rustix::process::getppid();
    }
    let after = counter.read().unwrap();
    assert!(after.process >= before.process + 1000, "{before:?} {after:?}");
    assert!(after.all - before.all >= after.process - before.process);
}

#[test]
fn others_system_calls_are_not_this_process() {
    // No process has this number.
    let Some(counter) = counter(i32::MAX as u32) else { return };
    let _ = rustix::process::getppid();
    let seen = counter.read().unwrap();
    assert!(seen.all > 0 && seen.process == 0, "{seen:?}");
}
