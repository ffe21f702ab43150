use super::*;

fn identity(control: &str, inode: u64) -> Identity {
    Identity::of(Path::new(control), NetnsId { device: 4, inode })
}

#[test]
fn names_fit_and_tell_weirs_apart() {
    let one = identity("/run/weir.sock", 40);
    assert_eq!(one, identity("/run/weir.sock", 40));
    assert!(one.outer_name().len() <= 15 && one.inner_name().len() <= 15);
    assert_eq!(one.outer_name()[3..], one.inner_name()[3..]);
    for other in [identity("/run/weir2.sock", 40), identity("/run/weir.sock", 41)] {
        assert_ne!(one.outer_name(), other.outer_name());
    }
}

#[test]
fn names_stay_the_same_from_version_to_version() {
    assert_eq!(identity("/run/weir.sock", 40).outer_name(), "w0-37ac9e6c");
}
