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
