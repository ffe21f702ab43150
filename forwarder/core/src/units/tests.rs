use super::*;
use proptest::prelude::*;

fn rate(text: &str) -> Result<u64, String> {
    text.parse::<Rate>().map(|r| r.bits_per_s).map_err(|e| e.to_string())
}
fn size(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>().map(|s| s.bytes).map_err(|e| e.to_string())
}
fn span(text: &str) -> Result<u64, String> {
    text.parse::<Span>().map(|s| s.ns).map_err(|e| e.to_string())
}

#[test]
fn values() {
    assert_eq!(rate("100Mbit"), Ok(100_000_000));
    assert_eq!(rate("1.5Gbit"), Ok(1_500_000_000));
    assert_eq!(rate("1.50Gbit"), Ok(1_500_000_000));
    assert_eq!(rate("800Kbit"), Ok(800_000));
    assert_eq!(rate("9600bit"), Ok(9600));
    assert_eq!(size("4KiB"), Ok(4096));
    assert_eq!(size("1.5KiB"), Ok(1536));
    assert_eq!(size("1500B"), Ok(1500));
    assert_eq!(size("0.0009765625KiB"), Ok(1));
    assert_eq!(span("200us"), Ok(200_000));
    assert_eq!(span("10ms"), Ok(10_000_000));
    assert_eq!(span("1s"), Ok(1_000_000_000));
}

#[test]
fn texts() {
    for text in
        ["0bit", "1bit", "9600bit", "9.601Kbit", "100Mbit", "1.5Gbit", "1234.567Kbit", "100Gbit"]
    {
        let rate = text.parse::<Rate>().unwrap();
        assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
    }
    assert_eq!(Rate::new(1_500_000_000).to_string(), "1.5Gbit");
    assert_eq!(Rate::new(9_600).to_string(), "9.6Kbit");
    assert_eq!(Rate::new(1_234_567).to_string(), "1234.567Kbit");
    assert_eq!(Rate::new(0).to_string(), "0bit");
    assert_eq!(ByteSize::new(524_288).to_string(), "512KiB");
    assert_eq!(ByteSize::new(1500).to_string(), "1500B");
    assert_eq!(Span::new(200_000).to_string(), "200us");
    assert_eq!(Span::new(1_500_000).to_string(), "1.5ms");
    assert_eq!(format!("[{:>8}]", Span::new(10)), "[    10ns]");
}

#[test]
fn errors_say_what_would_be_valid() {
    assert_eq!(
        rate("100Mbits").unwrap_err(),
        "\"100Mbits\" is not a rate: expected a number and bit, Kbit, Mbit, Gbit (decimal), e.g. \"100Mbit\""
    );
    for text in [
        "",
        "Mbit",
        "100",
        "-1Mbit",
        "1..5Mbit",
        "1.Mbit",
        ".5Mbit",
        "1 Mbit",
        "100mbit",
        "1e3bit",
        "1.5.1Mbit",
    ] {
        assert!(rate(text).unwrap_err().contains("e.g. \"100Mbit\""), "{text}");
    }
    assert!(size("4KB").unwrap_err().contains("e.g. \"512KiB\""));
    assert!(span("5m").unwrap_err().contains("e.g. \"200us\""));
    assert!(rate("0.5bit").unwrap_err().contains("whole number of bits per second"));
    assert!(span("0.0000000000000000001s").unwrap_err().contains("whole number of nanoseconds"));
    assert!(rate("18446744074Gbit").unwrap_err().contains("too large"));
    assert!(
        rate("99999999999999999999bit")
            .unwrap_err()
            .contains("the largest is 18446744073709551615bit")
    );
}

#[test]
fn time_on_the_link() {
    assert_eq!(Rate::new(1_000_000_000).time_ns(1500), 12_000);
    assert_eq!(Rate::new(0).time_ns(1), u64::MAX);
    assert_eq!(Rate::new(1).time_ns(u64::MAX), u64::MAX);
}

proptest! {
    #[test]
    fn round_trips(value: u64, shift in 0u32..64) {
        let value = value >> shift;
        prop_assert_eq!(rate(&Rate::new(value).to_string()), Ok(value));
        prop_assert_eq!(size(&ByteSize::new(value).to_string()), Ok(value));
        prop_assert_eq!(span(&Span::new(value).to_string()), Ok(value));
    }

    #[test]
    fn no_text_panics(text in "[0-9.]{0,30}[a-zA-Z]{0,4}") {
        let _ = (rate(&text), size(&text), span(&text));
    }
}
