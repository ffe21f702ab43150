use super::*;

#[test]
fn seats_are_read_by_their_names() {
    let read = |seats: &[&str]| seats.iter().map(|seat| Place::read(seat)).collect::<Vec<_>>();
    assert_eq!(
        read(&["vm1", "vm12", "every", "uplink", "right", "via3", "via-every", "via-others"]),
        [
            Some(Place::Vm(1)),
            Some(Place::Vm(12)),
            Some(Place::Every),
            Some(Place::Uplink),
            Some(Place::Right),
            Some(Place::Via(3)),
            Some(Place::ViaEvery),
            Some(Place::ViaOthers),
        ]
    );
    let none = ["vm", "vm0", "vm01", "vm+1", "vm256", "via", "via0", "via-2", "host", ""];
    assert_eq!(read(&none), none.map(|_| None));
}
