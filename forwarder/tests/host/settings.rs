use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use weir::control::links::GuardError;
use weir::control::settings::{HostSettings, SettingsError, Wanted};
use weir::control::state::StateFile;

use super::bed::{Bed, in_host, link, run, wait_for};

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn control(&self) -> PathBuf {
        self.0.path().join("weir.sock")
    }
}

fn apply(settings: &mut HostSettings, name: &str) -> weir::control::settings::Applied {
    let link = link(name);
    settings.apply(&link, Wanted::for_link(&link), false).unwrap()
}

fn both_ends(bed: &Bed) -> (String, String) {
    (bed.settings_of("host", "v1"), bed.settings_of("vm1", "eth0"))
}

fn assert_prepared(bed: &Bed) {
    let (here, there) = both_ends(bed);
    assert!(here.contains("generic-receive-offload: on"), "{here}");
    assert!(here.contains("qdisc pfifo 7765: root"), "{here}");
    assert!(there.contains("generic-receive-offload: on"), "{there}");
    assert!(there.contains("tx-vlan-offload: off"), "{there}");
    assert!(there.contains("tx-vlan-stag-hw-insert: off"), "{there}");
    assert!(there.contains("noqueue"), "the guest's qdisc is the guest's: {there}");
}

#[test]
fn both_ends_of_a_veth_are_prepared_and_put_back() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let before = both_ends(bed);
        let dir = Dir::new();
        let mut settings = HostSettings::open(&dir.control()).unwrap();
        let applied = apply(&mut settings, "v1");
        assert_eq!(applied.warnings, []);
        assert_eq!(applied.changed.len(), 5, "{applied:?}");
        assert_prepared(bed);
        // Again: nothing left to do.
        assert_eq!(apply(&mut settings, "v1"), Default::default());
        assert_eq!(settings.pending().len(), 5);

        assert!(settings.restore_port(link("v1").ifindex).is_empty());
        assert_eq!(both_ends(bed), before);
        assert!(settings.pending().is_empty());
        assert!(!StateFile::path_for(&dir.control()).exists());
    });
}

#[test]
fn a_queue_length_of_zero_comes_back() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.host("ip link set v1 txqueuelen 0");
        let before = both_ends(bed);
        let mut settings =
            HostSettings::open(&Dir::new().control()).unwrap_or_else(|e| panic!("{e}"));
        // The directory is gone: nothing is changed that could not be recorded.
        let v1 = link("v1");
        let error = settings.apply(&v1, Wanted::for_link(&v1), false).unwrap_err();
        assert!(matches!(error, SettingsError::State(_)), "{error}");
        assert_eq!(both_ends(bed), before);

        let dir = Dir::new();
        let mut settings = HostSettings::open(&dir.control()).unwrap();
        apply(&mut settings, "v1");
        assert_prepared(bed);
        assert!(settings.restore_all().is_empty());
        assert_eq!(both_ends(bed), before);
    });
}

#[test]
fn what_a_killed_run_changed_the_next_one_puts_back() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.add_guest("vm2", "v2");
        let before = both_ends(bed);
        let dir = Dir::new();
        let mut killed = HostSettings::open(&dir.control()).unwrap();
        apply(&mut killed, "v1");
        apply(&mut killed, "v2");
        drop(killed);
        assert_prepared(bed);

        bed.host("ip link del v2");
        let mut next = HostSettings::open(&dir.control()).unwrap();
        let v1 = link("v1").ifindex;
        assert!(next.pending().iter().all(|change| change.port == v1), "v2 is gone");
        assert_eq!(next.pending().len(), 5);
        apply(&mut next, "v1");
        assert!(next.restore_all().is_empty());
        assert_eq!(both_ends(bed), before);
    });
}

#[test]
fn an_operators_qdisc_is_left_alone() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.host("tc qdisc add dev v1 root handle 5: pfifo limit 77");
        let before = both_ends(bed);
        let dir = Dir::new();
        let mut settings = HostSettings::open(&dir.control()).unwrap();
        apply(&mut settings, "v1");
        assert!(both_ends(bed).0.contains("pfifo 5: root"));
        assert!(settings.restore_all().is_empty());
        assert_eq!(both_ends(bed), before);

        // And one that the operator puts in the place of ours.
        bed.host("tc qdisc del dev v1 root");
        apply(&mut settings, "v1");
        bed.host("tc qdisc replace dev v1 root handle 6: pfifo limit 78");
        assert!(settings.restore_all().is_empty());
        assert!(both_ends(bed).0.contains("pfifo 6: root"));
    });
}

#[test]
fn a_renamed_port_is_still_put_back() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let before = both_ends(bed);
        let dir = Dir::new();
        let mut settings = HostSettings::open(&dir.control()).unwrap();
        apply(&mut settings, "v1");
        bed.host("ip link set v1 name lan1");
        settings.renamed(link("lan1").ifindex, "lan1").unwrap();
        assert!(settings.restore_all().is_empty());
        bed.host("ip link set lan1 name v1");
        assert_eq!(both_ends(bed), before);
    });
}

#[test]
fn a_peer_in_the_same_namespace_is_prepared_too() {
    in_host(|bed| {
        bed.host("ip link add v1 type veth peer name v1p");
        let before = bed.settings_of("host", "v1p");
        let dir = Dir::new();
        let mut settings = HostSettings::open(&dir.control()).unwrap();
        assert_eq!(apply(&mut settings, "v1").warnings, []);
        assert!(bed.settings_of("host", "v1p").contains("tx-vlan-offload: off"));
        assert!(settings.restore_all().is_empty());
        assert_eq!(bed.settings_of("host", "v1p"), before);
    });
}

/// A process in a network namespace without a name.
struct Anonymous(Child);

impl Anonymous {
    fn start() -> Self {
        let child = Command::new("unshare").args(["--net", "sleep", "600"]).spawn().unwrap();
        let own = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let anonymous = Self(child);
        let path = anonymous.path();
        wait_for("the new namespace", || fs::read_link(&path).is_ok_and(|ns| ns != own));
        anonymous
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.0.id()))
    }
}

impl Drop for Anonymous {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_peer_is_found_by_its_process_or_the_line_to_type_is_told() {
    in_host(|bed| {
        let container = Anonymous::start();
        let pid = container.0.id();
        bed.host(&format!("ip link add v1 type veth peer name eth0 netns {pid}"));
        let features =
            || run(&format!("nsenter --net={} ethtool -k eth0", container.path().display()));
        let before = features();
        let dir = Dir::new();
        let mut settings = HostSettings::open(&dir.control()).unwrap();
        assert_eq!(apply(&mut settings, "v1").warnings, []);
        assert!(features().contains("tx-vlan-offload: off"));
        assert!(settings.restore_all().is_empty());
        assert_eq!(features(), before);

        // Now only a descriptor keeps the namespace alive, and nobody shows it.
        let kept = File::open(container.path()).unwrap();
        drop(container);
        let applied = apply(&mut settings, "v1");
        assert_eq!(applied.warnings.len(), 1, "{applied:?}");
        assert!(applied.warnings[0].fix.contains("ethtool -K DEV gro on txvlan off"));
        assert!(settings.restore_all().is_empty());
        drop(kept);
    });
}

#[test]
fn the_default_route_is_taken_by_force_only() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.host("ip addr add 192.0.2.1/24 dev v1");
        bed.host("ip route add default via 192.0.2.254 dev v1");
        let before = both_ends(bed);
        let v1 = link("v1");
        assert!(v1.default_route_v4 && !v1.default_route_v6);
        assert_eq!(v1.addresses, [("192.0.2.1".parse().unwrap(), 24)]);
        let dir = Dir::new();
        let mut settings = HostSettings::open(&dir.control()).unwrap();
        let wanted = Wanted::for_link(&v1);
        let refused = settings.apply(&v1, wanted, false).unwrap_err();
        assert!(matches!(refused, SettingsError::Refused(GuardError::DefaultRoute { .. })));
        assert_eq!(both_ends(bed), before);
        settings.apply(&v1, wanted, true).unwrap();
        assert_prepared(bed);
        assert!(settings.restore_all().is_empty());
        assert_eq!(both_ends(bed), before);
        assert!(!Path::new(&StateFile::path_for(&dir.control())).exists());
    });
}
