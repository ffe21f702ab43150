use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir::host::pair::{End, Identity, Pair, PairEvent, PairWatch, remove_leftovers};

use super::bed::{Bed, block_on, in_host, link, run, snapshot, wait_for};

const CONTROL: &str = "/run/weir-test/pair.sock";
/// Tells a child of this test program what to make; see `a_child_makes_a_pair`.
const CHILD: &str = "WEIR_TEST_PAIR_CHILD";

fn identity(control: &str) -> Identity {
    Identity::new(Path::new(control)).unwrap()
}

fn mount_of(identity: &Identity) -> PathBuf {
    Path::new("/run/weir/netns").join(identity.inner_name())
}

/// A pair in the bed, and nothing left of it whatever becomes of the test.
fn with_pair(queues: u32, test: impl FnOnce(&mut Bed, Pair) + Send) {
    in_host(|bed| {
        let identity = identity(CONTROL);
        let _cleanup = Cleanup(identity);
        let pair = Pair::ensure(identity, queues).unwrap();
        test(bed, pair);
    });
}

struct Cleanup(Identity);

impl Drop for Cleanup {
    fn drop(&mut self) {
        let _ = remove_leftovers(&self.0);
    }
}

fn assert_nothing_left(identity: &Identity) {
    assert!(snapshot().by_name(&identity.outer_name()).is_none());
    let mount = mount_of(identity);
    assert!(!mount.exists(), "{mount:?}");
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    assert!(!mounts.contains(&identity.inner_name()), "{mounts}");
}

fn inside(pair: &Pair, command: &str) -> String {
    pair.netns.enter(|| run(command)).unwrap()
}

#[test]
fn a_pair_is_whole_silent_and_gone_when_it_is_removed() {
    with_pair(2, |bed, pair| {
        assert!(!pair.adopted);
        assert_eq!(pair.warning, None);
        let outer = link(&pair.outer.name);
        assert_eq!((outer.ifindex, outer.mtu), (pair.outer.ifindex, 65_535));
        assert!(outer.up && outer.carrier);
        assert_eq!((outer.rx_queues, outer.tx_queues), (2, 2));
        let inner = pair.netns.enter(|| link(&pair.inner.name)).unwrap();
        assert_eq!((inner.ifindex, inner.mtu), (pair.inner.ifindex, 65_535));
        assert!(inner.up && inner.carrier);
        assert_eq!((inner.rx_queues, inner.tx_queues), (2, 2));
        for text in [
            bed.host(&format!("ip -d link show {}", pair.outer.name)),
            inside(&pair, &format!("ip -d link show {}", pair.inner.name)),
        ] {
            assert!(text.contains("NOARP") && text.contains("addrgenmode none"), "{text}");
        }
        let disabled = |name: &str| run(&format!("sysctl -n net.ipv6.conf.{name}.disable_ipv6"));
        assert_eq!(disabled(&pair.outer.name).trim(), "1");
        let name = pair.inner.name.clone();
        assert_eq!(pair.netns.enter(|| disabled(&name)).unwrap().trim(), "1");

        // A plain veth, made later, speaks of its own accord; the pair does not.
        bed.host("ip link add loud0 type veth peer name loud1");
        bed.host("ip link set loud0 up");
        bed.host("ip link set loud1 up");
        wait_for("a plain veth to speak", || received("loud0") > 1);
        assert_eq!(received(&pair.outer.name), 0);
        let name = pair.inner.name.clone();
        assert_eq!(pair.netns.enter(|| received(&name)).unwrap(), 0);

        let identity = pair.identity;
        assert!(mount_of(&identity).exists());
        remove(pair);
        assert_nothing_left(&identity);
        assert!(!remove_leftovers(&identity).unwrap(), "nothing was left");
    });
}

fn received(name: &str) -> u64 {
    let text = run(&format!("ip -s -o link show {name}"));
    let numbers = text.split("RX:").nth(1).unwrap().split('\\').nth(1).unwrap();
    numbers.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn two_weirs_have_two_pairs() {
    with_pair(1, |_, first| {
        let other = identity("/run/weir-test/other.sock");
        let _cleanup = Cleanup(other);
        let second = Pair::ensure(other, 1).unwrap();
        assert_ne!(first.outer.ifindex, second.outer.ifindex);
        assert_ne!(first.netns.id, second.netns.id);
        remove(second);
        assert_nothing_left(&other);
        // The other one is none the worse, and its next start finds it.
        let identity = first.identity;
        assert!(mount_of(&identity).exists());
        let ifindex = first.outer.ifindex;
        drop(first);
        let again = Pair::ensure(identity, 1).unwrap();
        assert!(again.adopted);
        assert_eq!(again.outer.ifindex, ifindex);
    });
}

#[test]
fn an_adopted_pair_is_set_up_again() {
    with_pair(1, |bed, pair| {
        let (outer, inner) = (pair.outer.clone(), pair.inner.clone());
        bed.host(&format!("ip link set {} down mtu 1500 arp on", outer.name));
        inside(&pair, &format!("ip link set {} down", inner.name));
        let identity = pair.identity;
        drop(pair);
        let again = Pair::ensure(identity, 1).unwrap();
        assert!(again.adopted);
        assert_eq!((&again.outer, &again.inner), (&outer, &inner));
        let now = link(&outer.name);
        assert!(now.up && now.carrier);
    });
}

#[test]
fn a_wrong_pair_is_made_anew() {
    with_pair(1, |bed, pair| {
        let identity = pair.identity;
        let mut before = pair.outer.ifindex;
        let mut netns = pair.netns.id;
        let mut made_again = |what: &str, queues: u32, pair: Pair| {
            drop(pair);
            let pair = Pair::ensure(identity, queues).unwrap();
            assert!(!pair.adopted, "{what}");
            assert_ne!((pair.outer.ifindex, pair.netns.id), (before, netns), "{what}");
            (before, netns) = (pair.outer.ifindex, pair.netns.id);
            assert_eq!(link(&pair.outer.name).rx_queues, queues);
            pair
        };
        let pair = made_again("another number of queues", 3, pair);
        bed.host(&format!("ethtool -L {} rx 2", pair.outer.name));
        let pair = made_again("queues that are not in use", 3, pair);
        bed.host(&format!("ip link del {}", pair.outer.name));
        let pair = made_again("no ends", 1, pair);
        run(&format!("umount -l {}", mount_of(&identity).display()));
        let pair = made_again("no mount", 1, pair);
        // The inner end elsewhere.
        bed.add_namespace("elsewhere");
        let there = bed.namespace("elsewhere");
        inside(&pair, &format!("ip link set {} netns {there}", pair.inner.name));
        let pair = made_again("an end in another namespace", 1, pair);
        let gone = bed.inside("elsewhere", "ip -o link show type veth");
        assert_eq!(gone, "", "its old end is gone as well");
        // The outer end elsewhere: what is left of the pair is found from the inside.
        bed.host(&format!("ip link set {} netns {there}", pair.outer.name));
        let pair = made_again("the outer end moved away", 1, pair);
        assert_eq!(bed.inside("elsewhere", "ip -o link show type veth"), "");
        drop(pair);
    });
}

#[test]
fn somebody_elses_interface_of_that_name_is_left_alone() {
    in_host(|bed| {
        let identity = identity(CONTROL);
        let _cleanup = Cleanup(identity);
        bed.host(&format!("ip link add {} type bridge", identity.outer_name()));
        let error = Pair::ensure(identity, 1).unwrap_err().to_string();
        assert!(error.contains("bridge"), "{error}");
        link(&identity.outer_name());
        assert!(!mount_of(&identity).exists());
    });
}

/// Not a test: what the following ones start as a program of its own.
#[test]
fn a_child_makes_a_pair() {
    let Ok(control) = std::env::var(CHILD) else { return };
    let pair = Pair::ensure(identity(&control), 2).unwrap();
    let (pid, ifindex) = (std::process::id(), pair.outer.ifindex);
    println!("\nMADE {pid} {ifindex} {}", pair.warning.as_deref().unwrap_or("None"));
    // Until it is killed.
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A weir that has made its pair, in a mount namespace of its own as `ip netns exec` gives one.
struct Maker {
    child: Child,
    pid: Pid,
    ifindex: u32,
    warning: String,
    /// Open, because the program goes on writing.
    _output: BufReader<ChildStdout>,
}

impl Maker {
    fn start(bed: &Bed) -> Self {
        Self::start_by(bed, &[])
    }

    /// With a command in front, which starts the program.
    fn start_by(bed: &Bed, command: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new("ip")
            .args(["netns", "exec", &bed.namespace("host")])
            .args(command)
            .arg(program)
            .args(["--exact", "host::pair::a_child_makes_a_pair", "--nocapture"])
            .env(CHILD, CONTROL)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let made = lines.find_map(|line| line.strip_prefix("MADE ").map(str::to_owned));
        let made = made.expect("the child made a pair");
        let mut words = made.splitn(3, ' ');
        let pid = Pid::from_raw(words.next().unwrap().parse().unwrap());
        let ifindex = words.next().unwrap().parse().unwrap();
        let warning = words.next().unwrap().to_owned();
        Self { child, pid, ifindex, warning, _output: output }
    }

    fn end(mut self, by_kill: bool) {
        if by_kill {
            kill(self.pid, Signal::SIGKILL).unwrap();
        }
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        wait_for("the process to be gone", || kill(self.pid, None).is_err());
    }
}

#[test]
fn the_pair_outlives_who_made_it_in_a_mount_namespace_of_its_own() {
    in_host(|bed| {
        let identity = identity(CONTROL);
        let _cleanup = Cleanup(identity);
        for kill in [false, true] {
            let maker = Maker::start(bed);
            let (ifindex, warning) = (maker.ifindex, maker.warning.clone());
            assert_eq!(warning, "None");
            maker.end(kill);
            assert_eq!(link(&identity.outer_name()).ifindex, ifindex, "kill -9: {kill}");
            // Adopted by one like it, and by one that has the host's mount namespace.
            let next = Maker::start(bed);
            assert_eq!(next.ifindex, ifindex);
            next.end(true);
            let pair = Pair::ensure(identity, 2).unwrap();
            assert!(pair.adopted);
            assert_eq!(pair.outer.ifindex, ifindex);
            remove(pair);
            assert_nothing_left(&identity);
        }
    });
}

/// Process 1 may not be entered everywhere, and an orphan has no other ancestor. Either way the pair
/// lasts as long as it says.
#[test]
fn an_orphans_pair_lasts_as_long_as_it_says() {
    in_host(|bed| {
        let identity = identity(CONTROL);
        let _cleanup = Cleanup(identity);
        let maker = Maker::start_by(bed, &["setsid", "--fork"]);
        let warning = maker.warning.clone();
        assert!(snapshot().by_name(&identity.outer_name()).is_some());
        maker.end(true);
        if warning == "None" {
            assert!(Pair::ensure(identity, 2).unwrap().adopted);
        } else {
            assert!(warning.contains("lives only as long as weir"), "{warning}");
            wait_for("the pair to end with its mount namespace", || {
                snapshot().by_name(&identity.outer_name()).is_none()
            });
        }
    });
}

fn remove(pair: Pair) {
    let identity = pair.identity;
    drop(pair);
    assert!(remove_leftovers(&identity).unwrap());
}

fn expect(watch: &mut PairWatch, wanted: PairEvent) {
    wait_for(&format!("{wanted:?}"), || block_on(watch.look()).unwrap().contains(&wanted));
}

#[test]
fn what_happens_to_the_ends_is_seen() {
    with_pair(1, |bed, pair| {
        let (outer, inner) = (pair.outer.name.clone(), pair.inner.name.clone());
        let mut watch = pair.watch().unwrap();
        bed.host(&format!("ip link set {outer} down"));
        expect(&mut watch, PairEvent::Down(End::Outer));
        bed.host(&format!("ip link set {outer} up"));
        inside(&pair, &format!("ip link set {inner} down"));
        expect(&mut watch, PairEvent::Down(End::Inner));
        inside(&pair, &format!("ip link set {inner} up mtu 1500"));
        expect(&mut watch, PairEvent::Mtu { end: End::Inner, mtu: 1500 });
        bed.host(&format!("ip link set {outer} mtu 9000"));
        expect(&mut watch, PairEvent::Mtu { end: End::Outer, mtu: 9000 });
        bed.host(&format!("ip link del {outer}"));
        expect(&mut watch, PairEvent::Gone(End::Inner));
    });
}

#[test]
fn the_inner_end_deleted_is_both_ends_gone() {
    with_pair(1, |_, pair| {
        let identity = pair.identity;
        let mut watch = pair.watch().unwrap();
        inside(&pair, &format!("ip link del {}", pair.inner.name));
        let both = [PairEvent::Gone(End::Outer), PairEvent::Gone(End::Inner)];
        assert_eq!(block_on(watch.look()).unwrap(), both);
        // What still watches keeps nothing.
        remove(pair);
        assert_nothing_left(&identity);
    });
}

#[test]
fn the_namespace_taken_away_is_seen() {
    with_pair(1, |_, pair| {
        let mount = mount_of(&pair.identity);
        let mut watch = pair.watch().unwrap();
        run(&format!("umount -l {}", mount.display()));
        expect(&mut watch, PairEvent::NotKept);
        drop(watch);
        // The sockets in it keep it for now; nothing keeps it for the next weir.
        let identity = pair.identity;
        drop(pair);
        wait_for("the pair to end with its namespace", || {
            snapshot().by_name(&identity.outer_name()).is_none()
        });
    });
}
