use super::*;
use weir_abi::ABI_VERSION;
use weir_core::PortSet;

#[test]
fn what_the_program_tells_is_held_to_the_filter() {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x06];
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 1]);
    frame.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    let head = Unsteered {
        at_ns: 5,
        len: frame.len() as u32,
        captured: frame.len() as u32,
        port: 3,
        outcome: Counter::Spoofed as u16,
        abi: ABI_VERSION,
        reserved: 0,
    };
    let filter = |host: &str| Filter { host: host.parse().ok(), ..Filter::default() };
    let seen = observation_of(&head, &frame, &filter("10.0.0.1")).unwrap();
    let Observation::Program { outcome, port, .. } = seen else { panic!("{seen:?}") };
    assert_eq!((outcome, port, seen.at_ns()), (Counter::Spoofed, PortId(3), 5));
    assert_eq!(observation_of(&head, &frame, &filter("10.0.0.9")), None);
    let elsewhere = Filter { ports: Some(PortSet::EMPTY), ..Filter::default() };
    assert_eq!(observation_of(&head, &frame, &elsewhere), None);
    // A frame that cannot be parsed has no address, but it is a frame.
    assert_eq!(observation_of(&head, &frame[..20], &filter("10.0.0.1")), None);
    assert!(observation_of(&head, &frame[..20], &Filter::default()).is_some());
    let nonsense = Unsteered { outcome: 999, ..head };
    assert_eq!(observation_of(&nonsense, &frame, &Filter::default()), None);
}
