use super::*;

#[test]
fn rates_are_of_all_flows() {
    for (more, expected) in [
        ("", "max"),
        ("pps = 1000", "1000.000pps"),
        ("pps = 0.5\nconnections = 3", "1.500pps"),
        ("mbit = 0.1\nconnections = 2", "200000bit"),
    ] {
        let text = format!("kind = 'probe'\nfrom = 'vm1'\nto = 'uplink'\n{more}");
        assert_eq!(rate(&toml::from_str(&text).unwrap()), expected);
    }
}

#[test]
fn a_burst_is_what_is_due_in_its_time() {
    let of = |more: &str| {
        let text = format!("kind = 'probe'\nfrom = 'vm1'\nto = 'uplink'\n{more}");
        burst(&toml::from_str(&text).unwrap()).map_err(|error| error.to_string())
    };
    assert_eq!(of("pps = 1000\nburst = 0.02"), Ok(20));
    assert_eq!(of("pps = 1000\nburst = 0.02\nconnections = 2"), Ok(40));
    assert_eq!(of("pps = 10\nburst = 0.02"), Ok(1));
    assert_eq!(of("pps = 1000"), Ok(1));
    assert!(of("burst = 0.02").unwrap_err().contains("give `pps`"));
    assert!(of("pps = 1e6\nburst = 2").unwrap_err().contains("up to 1000000"));
}
