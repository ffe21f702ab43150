use super::*;

#[test]
fn a_burst_is_what_is_due_in_its_time() {
    let of = |more: &str| {
        let text = format!("kind = 'probe'\nfrom = 'vm1'\nto = 'uplink'\n{more}");
        burst(&toml::from_str(&text).unwrap())
    };
    assert_eq!(of("pps = 1000\nburst = 0.02"), 20);
    assert_eq!(of("pps = 1000\nburst = 0.02\nconnections = 2"), 40);
    assert_eq!(of("pps = 10\nburst = 0.02"), 1);
    assert_eq!(of("pps = 1000"), 1);
}
