use super::*;
use proptest::prelude::*;

#[test]
fn packets_bits_and_max() {
    assert_eq!("10kpps".parse(), Ok(Rate::pps(10_000)));
    assert_eq!("1.5Mpps".parse(), Ok(Rate::pps(1_500_000)));
    assert_eq!("0.5pps".parse(), Ok(Rate::Packets { milli_pps: 500 }));
    assert_eq!("10Mbit".parse(), Ok(Rate::Bits { bits_per_s: 10_000_000 }));
    assert_eq!("max".parse(), Ok(Rate::Max));
    assert_eq!(Rate::pps(1_500).to_string(), "1.5kpps");
    assert_eq!(Rate::Packets { milli_pps: 500 }.to_string(), "0.5pps");
}

#[test]
fn what_is_no_rate_is_answered_with_one() {
    for text in ["", "10", "pps", "10kp", "1..5kpps", "1.kpps", "0.0001pps", "10 kpps", "-1pps"] {
        let error = text.parse::<Rate>().unwrap_err();
        assert!(error.contains("e.g. \"10kpps\""), "{text}: {error}");
    }
    for text in ["0pps", "0bit"] {
        assert!(text.parse::<Rate>().unwrap_err().contains("more than 0"));
    }
}

#[test]
fn a_rate_in_the_other_unit() {
    assert_eq!(Rate::Bits { bits_per_s: 8_000_000 }.packets_per_s(1000), 1000);
    assert_eq!(Rate::pps(1000).bits_per_s(1000), 8_000_000);
    assert_eq!(Rate::Max.packets_per_s(1000), u64::MAX);
}

proptest! {
    #[test]
    fn round_trips(milli_pps in 1_u64..u64::MAX / 2, shift in 0_u32..60) {
        let rate = Rate::Packets { milli_pps: (milli_pps >> shift).max(1) };
        prop_assert_eq!(rate.to_string().parse(), Ok(rate));
    }

    #[test]
    fn no_text_panics(text in "[0-9.]{0,30}[a-zA-Z]{0,4}") {
        let _ = text.parse::<Rate>();
    }
}

fn due(rate: &str, burst: u64, frame: u32, count: usize) -> Vec<u64> {
    let mut schedule = Schedule::new(rate.parse().unwrap(), burst);
    let mut next = || {
        let due = schedule.due_ns();
        schedule.turn(frame);
        due
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn evenly_or_in_bursts() {
    assert_eq!(due("1kpps", 1, 64, 3), [0, 1_000_000, 2_000_000]);
    assert_eq!(due("1kpps", 3, 64, 7), [0, 0, 0, 3_000_000, 3_000_000, 3_000_000, 6_000_000]);
    assert_eq!(due("8Mbit", 1, 1000, 3), [0, 1_000_000, 2_000_000]);
    assert_eq!(due("8Mbit", 2, 1000, 5), [0, 0, 2_000_000, 2_000_000, 4_000_000]);
    assert_eq!(due("max", 1, 64, 3), [0, 0, 0]);
    assert_eq!(due("0.5pps", 1, 64, 2), [0, 2_000_000_000]);
}

#[test]
fn bits_follow_the_sizes() {
    let mut schedule = Schedule::new("8Mbit".parse().unwrap(), 1);
    schedule.turn(500);
    assert_eq!(schedule.due_ns(), 500_000);
    schedule.turn(1500);
    assert_eq!(schedule.due_ns(), 2_000_000);
}

#[test]
fn a_year_at_any_rate_does_not_overflow() {
    let mut schedule = Schedule::new(Rate::pps(100_000_000), 1);
    schedule.turns = 100_000_000 * 31_536_000;
    assert_eq!(schedule.due_ns(), 31_536_000_000_000_000);
    assert_eq!(schedule.planned(schedule.due_ns(), 64), schedule.turns);
    let bits = Schedule::new("8Mbit".parse().unwrap(), 1);
    assert_eq!(bits.planned(1_000_000_000, 1000), 1000);
}

proptest! {
    #[test]
    fn as_many_are_due_within_a_time_as_the_rate_says(
        pps in 1_u64..200_000, burst in 1_u64..64, ms in 1_u64..50
    ) {
        let mut schedule = Schedule::new(Rate::pps(pps), burst);
        let end = ms * 1_000_000;
        while schedule.due_ns() < end {
            schedule.turn(64);
        }
        // Whole bursts: the last begins before the end.
        let exact = (pps * ms).div_ceil(1000).div_ceil(burst) * burst;
        prop_assert_eq!(schedule.turns(), exact);
        prop_assert_eq!(schedule.planned(end, 64), exact);
    }

    #[test]
    fn never_backwards_and_never_above_the_rate(
        kbit in 1_u64..1_000_000, burst in 1_u64..8, frames in proptest::collection::vec(60_u32..9000, 1..200)
    ) {
        let mut schedule = Schedule::new(Rate::Bits { bits_per_s: kbit * 1000 }, burst);
        let (mut last, mut before_burst, mut bits) = (0, 0_u128, 0_u128);
        for (n, frame) in frames.into_iter().enumerate() {
            if (n as u64).is_multiple_of(burst) {
                before_burst = bits;
            }
            let due = schedule.due_ns();
            prop_assert!(due >= last);
            let ideal = before_burst * NS_PER_S / u128::from(kbit * 1000);
            prop_assert_eq!(u128::from(due), ideal);
            last = due;
            schedule.turn(frame);
            bits += u128::from(frame) * 8;
        }
    }
}
