use super::*;

#[test]
fn a_choice_is_read_by_its_names_and_written_by_its_first() {
    assert_eq!(Mode::names(), "gate | native");
    assert_eq!("skb".parse(), Ok(Mode::Gate));
    assert_eq!("Gate".parse::<Mode>().unwrap_err().to_string(), "expected gate | native");
    assert_eq!(format!("{:<7}|", Role::Vif), "vif    |");
    assert_eq!(Idle::Sleep.help(), "Sleep at once: the least CPU");
}

fn has_each_name_once<T: Choice>() {
    let names =
        T::ALL.iter().flat_map(|it| [it.name()].into_iter().chain(it.other_names().to_vec()));
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

#[test]
fn a_name_is_of_one_choice_only() {
    has_each_name_once::<Role>();
    has_each_name_once::<Mode>();
    has_each_name_once::<Idle>();
    has_each_name_once::<Release>();
    has_each_name_once::<Lane>();
    has_each_name_once::<Policy>();
    has_each_name_once::<Fallback>();
    has_each_name_once::<Reserved>();
    has_each_name_once::<ForeignRules>();
}
