use super::*;

#[test]
fn reasons_are_summed_over_the_ports() {
    let port = |released: &[(&str, u64)]| Containers {
        released: released.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        ..Containers::default()
    };
    let ports = [port(&[("full", 2), ("timeout", 5)]), port(&[]), port(&[("full", 3)])];
    let expected = [("full".to_owned(), 5), ("timeout".to_owned(), 5)].into();
    assert_eq!(sum(&ports), expected);
}
