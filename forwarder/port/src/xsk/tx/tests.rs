use super::*;

#[test]
fn every_errno_has_one_meaning() {
    for (errno, answer) in [
        (0, Answer::Sent),
        (libc::EAGAIN, Answer::Again),
        (libc::EBUSY, Answer::Dropped),
        (libc::ENOBUFS, Answer::Refused),
        (libc::ENETDOWN, Answer::Down),
        (libc::ENXIO, Answer::Down),
        (libc::EINVAL, Answer::Refused),
    ] {
        assert_eq!(Answer::of(errno), answer, "{errno}");
    }
}

#[test]
fn a_device_that_takes_nothing_is_asked_once() {
    for answer in [Answer::Sent, Answer::Again, Answer::Refused, Answer::Down] {
        assert!(!answer.call_again(false, true, false), "{answer:?}");
    }
}

#[test]
fn a_small_budget_is_asked_until_the_ring_is_empty() {
    assert!(Answer::Again.call_again(true, true, false));
    assert!(!Answer::Again.call_again(true, false, false));
    assert!(!Answer::Again.call_again(true, true, true));
}
