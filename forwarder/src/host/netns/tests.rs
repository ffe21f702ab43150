use super::*;

#[test]
fn own_namespace_is_never_a_candidate() {
    let own = NetnsId::of_this_thread().unwrap();
    assert!(candidates().all(|netns| netns.id != own));
}

#[test]
fn says_how_to_get_there() {
    let file = || File::open("/dev/null").unwrap();
    let id = NetnsId { device: 0, inode: 0 };
    let named = Netns { id, path: "/run/netns/vm1".into(), file: file() };
    assert_eq!(named.command_prefix(), "ip netns exec vm1");
    let process = Netns { id, path: "/proc/77/ns/net".into(), file: file() };
    assert_eq!(process.command_prefix(), "nsenter --net=/proc/77/ns/net");
}
