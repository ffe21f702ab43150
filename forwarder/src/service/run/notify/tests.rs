use weir_abi::MAX_PORTS;
use weir_abi::gate::out;
use weir_port::Cells;

use super::*;
use weir_port::cells::{ROOM_WORDS, STRIDE};

fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let len = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..len].to_vec()).unwrap()
}

fn notifier(name: &OsStr, watchdog: Option<Duration>) -> Arc<Notifier> {
    Arc::new(Notifier { socket: Some(open(name).unwrap()), watchdog })
}

#[test]
fn what_is_told_is_heard_by_path_and_by_abstract_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let name = format!("weir-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    for (socket, name) in [
        (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
        (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}").into()),
    ] {
        let notifier = notifier(&name, None);
        notifier.ready((3, 1));
        let told = "READY=1\nSTATUS=forwarding between 3 vifs and 1 uplinks";
        assert_eq!(heard(&socket), told);
        let before = clock_monotonic_ns() / 1000;
        notifier.reloading();
        let told = heard(&socket);
        let time = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        let time: u64 = time.lines().next().unwrap().parse().unwrap();
        assert!((before..=clock_monotonic_ns() / 1000).contains(&time));
        notifier.stopping();
        assert!(heard(&socket).starts_with("STOPPING=1\nSTATUS="));
        drop(socket);
        notifier.stopping();
    }
    assert!(open(OsStr::new("/nowhere/at/all")).is_err());
}

#[test]
fn the_watchdog_is_for_the_process_that_it_names() {
    let of = |usec: &str, pid: Option<&str>| watchdog(Some(usec.into()), pid.map(Into::into));
    let second = Some(Duration::from_secs(1));
    assert_eq!(of("1000000", None), second);
    assert_eq!(of("1000000", Some(&std::process::id().to_string())), second);
    for (usec, pid) in [("1000000", Some("1")), ("1000000", Some("")), ("0", None), ("x", None)] {
        assert_eq!(of(usec, pid), None, "{usec} {pid:?}");
    }
    assert_eq!(watchdog(None, None), None);
}

#[test]
fn the_watchdog_is_fed_while_all_workers_run() {
    const MS: u64 = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let words = Cells::heap(ROOM_WORDS);
    let say = |worker: usize, at_ms: u64| {
        let at = (MAX_PORTS as usize + worker) * STRIDE + out::BEAT;
        words.get(at).unwrap().store(at_ms * MS, std::sync::atomic::Ordering::Relaxed);
    };
    let pulses = Pulses::new(words.clone(), 2);
    for watchdog in [Some(Duration::from_secs(2)), None] {
        let notifier = notifier(path.as_os_str(), watchdog);
        let fed = watchdog.map(|_| "WATCHDOG=1");
        let look = |at_ms: u64, before, told: &[Option<&str>]| {
            let still = notifier.look(&pulses, at_ms * MS, before);
            told.iter().flatten().for_each(|told| assert_eq!(heard(&socket), *told));
            assert!(socket.recv(&mut [0; 64]).is_err(), "nothing else");
            still
        };
        (0..2).for_each(|worker| say(worker, 1000));
        assert_eq!(look(1400, None, &[fed]), None);
        say(0, 2000);
        let told = "STATUS=worker 1 stands still: its ports' fallback applies";
        assert_eq!(look(2000, None, &[Some(told)]), Some(1));
        assert_eq!(look(2100, Some(1), &[]), Some(1));
        say(1, 2200);
        let told = [fed, Some("STATUS=all workers run again")];
        assert_eq!(look(2200, Some(1), &told), None);
    }
}
