use super::*;

#[test]
fn errors_have_meanings() {
    assert_eq!(outcome(libc::EAGAIN), Outcome::Busy);
    assert_eq!(outcome(libc::ENOBUFS), Outcome::Busy);
    assert_eq!(outcome(libc::EMSGSIZE), Outcome::Lost(Reason::MtuExceeded));
    assert_eq!(outcome(libc::ENXIO), Outcome::Down);
    assert_eq!(outcome(libc::EINVAL), Outcome::Lost(Reason::TxError));
}
