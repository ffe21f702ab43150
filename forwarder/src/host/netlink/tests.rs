use super::*;

#[test]
fn a_request_reads_back() {
    let request = Request::new(18, &[0; 16]).attribute(3, b"v1\0").attribute(4, &[1, 0, 0, 0]);
    let mut bytes = request.encode(7);
    bytes.extend_from_slice(&request.encode(8));
    let read: Vec<_> = messages(&bytes).collect();
    assert_eq!(read.len(), 2);
    assert_eq!((read[0].message_type(), read[0].sequence_number()), (18, 7));
    assert_eq!(read[1].sequence_number(), 8);
    let list: Vec<_> = Attributes::behind(16, read[1].payload()).iter().collect();
    assert_eq!(list, [(3, &b"v1\0"[..]), (4, &[1, 0, 0, 0][..])]);
    assert_eq!(text(list[0].1), "v1");
}

#[test]
fn garbage_ends_the_list_without_a_panic() {
    for len in 0..40 {
        assert_eq!(messages(&vec![0xff; len]).count(), 0);
        assert_eq!(messages(&vec![0; len]).count(), 0);
        let _ = Attributes::behind(16, &vec![0xff; len]).iter().count();
        assert_eq!(Attributes::behind(16, &vec![0; len]).iter().count(), 0);
    }
}
