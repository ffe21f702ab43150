use super::*;
use anyhow::ensure;
use system_tests::root_or_skip;

#[test]
fn what_the_processor_does_not_count_is_said_in_one_sentence() {
    assert_eq!(not_counted(&[]), None);
    insta::assert_snapshot!(not_counted(&HARDWARE).unwrap(), @"this machine shows no hardware counters: what they would count is left out");
    insta::assert_snapshot!(not_counted(&["dtlb_misses", "itlb_misses"]).unwrap(), @"this machine shows no hardware counters for dtlb_misses, itlb_misses: what they would count is left out");
}

#[test]
fn a_process_is_counted_apart_from_the_machine() -> Result<()> {
    root_or_skip!();
    let (mut events, notes) = Events::of(Some(std::process::id()))?;
    let before = events.read()?;
    for _ in 0..100 {
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    let after = events.read()?;
    let more = |name: &str| after.get(name).zip(before.get(name)).map(|(b, a)| b - a);
    for name in ["syscalls", "switches", "wakeups"] {
        let whole = format!("machine_{name}");
        ensure!(more(name) >= Some(100), "{name}: {before:?} {after:?} {notes:?}");
        ensure!(more(&whole) >= more(name), "{whole}: {before:?} {after:?} {notes:?}");
    }
    // Each quantity is either counted or reported as missing.
    let counted = HARDWARE.iter().filter(|name| after.contains_key(*name)).count();
    ensure!(counted == HARDWARE.len() || notes.iter().any(|note| note.contains("hardware")));
    Ok(())
}

#[test]
fn where_the_kernel_forwards_the_machine_is_counted() -> Result<()> {
    root_or_skip!();
    let (mut events, _) = Events::of(None)?;
    let before = events.read()?;
    std::thread::sleep(std::time::Duration::from_millis(10));
    let after = events.read()?;
    for (name, whole) in [
        ("syscalls", "machine_syscalls"),
        ("switches", "machine_switches"),
        ("wakeups", "machine_wakeups"),
    ] {
        ensure!(after.get(name) > before.get(name) && after.get(name) == after.get(whole));
    }
    Ok(())
}
