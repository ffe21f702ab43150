use super::*;

#[test]
fn seats_are_read_by_their_names_and_shown_by_them() {
    let all = [
        ("vm1", Seat::Vm(1)),
        ("vm12", Seat::Vm(12)),
        ("every", Seat::Every),
        ("uplink", Seat::Uplink),
        ("right", Seat::Right),
        ("via3", Seat::Via(3)),
        ("via-every", Seat::ViaEvery),
        ("via-others", Seat::ViaOthers),
        ("host", Seat::Host),
    ];
    for (name, seat) in all {
        assert_eq!((Seat::try_from(name.to_owned()), seat.to_string().as_str()), (Ok(seat), name));
    }
    for none in ["vm", "vm0", "vm01", "vm+1", "vm256", "via", "via0", "via-2", "guest", ""] {
        assert!(Seat::try_from(none.to_owned()).is_err(), "{none}");
    }
}
