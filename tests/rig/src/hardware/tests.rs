use super::*;

/// The kernel counts these itself, on any machine.
const PAGE_FAULTS: Quantity = Quantity { kind: 1, config: 2 };

#[test]
fn what_shared_its_register_is_scaled() {
    assert_eq!(scaled(10, 100, 50), 20);
    assert_eq!(scaled(10, 100, 100), 10);
    assert_eq!(scaled(0, 100, 0), 0);
}

#[test]
fn counts_a_thread_and_what_it_starts() {
    let own = Whose::Thread(rustix::thread::gettid().as_raw_nonzero().get() as u32);
    let Ok(counter) = HardwareCounter::start(PAGE_FAULTS, own) else {
        eprintln!("SKIPPED: this user may not count");
        return;
    };
    let touch = || vec![1_u8; 4 << 20].iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let before = counter.read().unwrap();
    assert!(touch() > 0);
    let after = counter.read().unwrap();
    assert!(after > before, "{before} {after}");
    std::thread::spawn(touch).join().unwrap();
    assert!(counter.read().unwrap() > after);
}

#[test]
fn what_does_not_exist_is_an_error() {
    let none = Quantity { kind: HARDWARE, config: 1000 };
    assert!(HardwareCounter::start(none, Whose::Thread(std::process::id())).is_err());
}
