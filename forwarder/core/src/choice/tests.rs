use super::*;

#[test]
fn a_choice_is_read_by_its_names_and_written_by_its_first() {
    assert_eq!(Mode::names(), "gate | native");
    assert_eq!("skb".parse(), Ok(Mode::Gate));
    assert_eq!("Gate".parse::<Mode>().unwrap_err().to_string(), "expected gate | native");
    assert_eq!(format!("{:<7}|", Role::Vif), "vif    |");
    assert_eq!(Idle::Sleep.help(), "Sleep at once: the least CPU");
}
