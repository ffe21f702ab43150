use super::*;

#[test]
fn this_process_uses_time_and_memory() {
    let whole = process_time(std::process::id()).unwrap();
    assert!(process_time(std::process::id()).unwrap() >= whole);
    let footprint = Footprint::of(std::process::id()).unwrap();
    assert!(footprint.resident > 100_000 && footprint.files > 2 && footprint.threads > 0);
}
