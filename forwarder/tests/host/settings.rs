use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use serde_json::json;
use weir::host::netns::NetnsId;
use weir::host::settings::{HostSettings, SettingsError};
use weir::host::state::{Change, StateFile};

use super::bed::{Bed, in_host, link, run, wait_for};

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn control(&self) -> PathBuf {
        self.0.path().join("weir.sock")
    }

    fn recorded(&self) -> Vec<Change> {
        StateFile::open(&self.control()).unwrap().changes().to_vec()
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.0.path()).unwrap().count() == 0
    }
}

/// What could not be set.
fn apply(settings: &mut HostSettings, name: &str) -> Vec<String> {
    settings.apply(&link(name)).unwrap()
}

fn both_ends(bed: &Bed) -> (String, String) {
    (bed.settings_of("host", "v1"), bed.settings_of("vm1", "eth0"))
}

/// Tags stay in the guest's frames, and nothing else is different.
fn assert_prepared(bed: &Bed, before: &(String, String)) {
    let (here, there) = both_ends(bed);
    assert_eq!(here, before.0);
    assert!(there.contains("tx-vlan-offload: off"), "{there}");
    assert!(there.contains("tx-vlan-stag-hw-insert: off"), "{there}");
    let different = there.lines().zip(before.1.lines()).filter(|(now, was)| now != was);
    assert_eq!(different.count(), 2, "{there}");
}

#[test]
fn a_veths_other_end_is_prepared_and_put_back() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let before = both_ends(bed);
        // The directory is gone: nothing is changed that could not be recorded.
        let mut settings =
            HostSettings::open(&Dir::new().control()).unwrap_or_else(|e| panic!("{e}"));
        let error = settings.apply(&link("v1")).unwrap_err();
        assert!(matches!(error, SettingsError::State(_)), "{error}");
        assert_eq!(both_ends(bed), before);

        let dir = Dir::new();
        let mut settings = HostSettings::open(&dir.control()).unwrap();
        assert_eq!(apply(&mut settings, "v1"), [""; 0]);
        assert_prepared(bed, &before);
        // Again: nothing left to do.
        assert_eq!(apply(&mut settings, "v1"), [""; 0]);
        assert_eq!(dir.recorded().len(), 2);
        assert!(settings.restore_port(link("v1").ifindex).is_empty());
        assert_eq!(both_ends(bed), before);
        assert!(dir.is_empty());
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
        assert_prepared(bed, &before);

        bed.host("ip link del v2");
        let mut next = HostSettings::open(&dir.control()).unwrap();
        assert_eq!(both_ends(bed), before);
        assert!(dir.is_empty());
        apply(&mut next, "v1");
        assert_prepared(bed, &before);
        assert!(next.restore_all().is_empty());
        assert_eq!(both_ends(bed), before);
    });
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What opening the settings logs, a line each.
    fn of_opening(dir: &Dir) -> Vec<String> {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            HostSettings::open(&dir.control()).unwrap();
        });
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

/// A journal as the first version of weir wrote it.
fn write_old_journal(dir: &Dir, changes: &[serde_json::Value]) {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let journal = json!({"version": 1, "boot_id": boot_id.trim(), "changes": changes});
    fs::write(StateFile::path_for(&dir.control()), journal.to_string()).unwrap();
}

#[test]
fn what_the_first_version_changed_is_undone_once() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.add_guest("vm2", "v2");
        bed.host("ip link set v1 txqueuelen 0");
        let (before, v2) = (both_ends(bed), bed.settings_of("host", "v2"));
        bed.host("tc qdisc add dev v1 root handle 7765: pfifo limit 1000");
        bed.host("ethtool -K v1 gro on");
        bed.inside("vm1", "ethtool -K eth0 gro on txvlan off");
        // The operator has put another in the place of weir's.
        bed.host("tc qdisc add dev v2 root handle 6: pfifo limit 78");

        let host = NetnsId::of_this_thread().unwrap();
        let guest = fs::metadata(format!("/run/netns/{}", bed.namespace("vm1"))).unwrap();
        let guest = NetnsId { device: guest.dev(), inode: guest.ino() };
        let there =
            run(&format!("ip netns exec {} cat /sys/class/net/eth0/ifindex", bed.namespace("vm1")));
        let there: u32 = there.trim().parse().unwrap();
        let port = |name| link(name).ifindex;
        let change = |netns: NetnsId, ifindex: u32, name: &str, port: u32, before: &str| {
            let start = format!(
                r#"{{"netns": {{"device": {}, "inode": {}}}, "ifindex": {ifindex}, "name": "{name}",
                "port": {port}, {before}}}"#,
                netns.device, netns.inode
            );
            serde_json::from_str::<serde_json::Value>(&start).unwrap()
        };
        let feature = |name: &str, on: bool| {
            format!(r#""setting": "feature", "feature": "{name}", "on": {on}"#)
        };
        let no_qdisc = |len: u32| format!(r#""setting": "no_qdisc", "tx_queue_len": {len}"#);
        let dir = Dir::new();
        write_old_journal(
            &dir,
            &[
                change(host, port("v1"), "v1", port("v1"), &no_qdisc(0)),
                change(host, port("v1"), "v1", port("v1"), &feature("rx-gro", false)),
                change(guest, there, "eth0", port("v1"), &feature("rx-gro", false)),
                change(guest, there, "eth0", port("v1"), &feature("tx-vlan-hw-insert", true)),
                change(host, port("v2"), "v2", port("v2"), &no_qdisc(1000)),
                change(host, 9999, "v9", 9999, &feature("rx-gro", false)),
            ],
        );
        let expected = [
            "INFO left by an earlier run: v9: it is gone, and what was changed with it",
            "INFO left by an earlier run: v2: it has no qdisc of weir's any more",
            "INFO left by an earlier run: eth0: tx-vlan-hw-insert is on again",
            "INFO left by an earlier run: eth0: rx-gro is off again",
            "INFO left by an earlier run: v1: rx-gro is off again",
            "INFO left by an earlier run: v1: weir's qdisc is removed",
        ];
        assert_eq!(Log::of_opening(&dir), expected);
        assert_eq!(both_ends(bed), before);
        assert!(bed.settings_of("host", "v2").contains("pfifo 6: root"));
        bed.host("tc qdisc del dev v2 root");
        assert_eq!(bed.settings_of("host", "v2"), v2);
        assert!(dir.is_empty());
        assert_eq!(Log::of_opening(&dir), [""; 0]);
    });
}

#[test]
fn a_renamed_port_is_still_put_back() {
    in_host(|bed| {
        bed.host("ip link add v1 type veth peer name v1p");
        let before = bed.settings_of("host", "v1p");
        let dir = Dir::new();
        let mut settings = HostSettings::open(&dir.control()).unwrap();
        apply(&mut settings, "v1");
        assert!(bed.settings_of("host", "v1p").contains("tx-vlan-offload: off"));
        bed.host("ip link set v1p name lan1");
        settings.renamed(link("lan1").ifindex, "lan1").unwrap();
        assert!(settings.restore_all().is_empty());
        bed.host("ip link set lan1 name v1p");
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
        assert_eq!(apply(&mut settings, "v1"), [""; 0]);
        assert!(features().contains("tx-vlan-offload: off"));
        assert!(settings.restore_all().is_empty());
        assert_eq!(features(), before);

        // Now only a descriptor keeps the namespace alive, and no path leads to it.
        let kept = File::open(container.path()).unwrap();
        drop(container);
        let refused = apply(&mut settings, "v1");
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].contains("ethtool -K DEV txvlan off"), "{refused:?}");
        assert!(settings.restore_all().is_empty());
        drop(kept);
    });
}

/// Of the whole host, and for as long as this takes.
#[test]
fn grace_periods_are_expedited_while_many_ports_come_and_no_longer() {
    const EXPEDITED: &str = "/sys/kernel/rcu_expedited";
    let value = || fs::read_to_string(EXPEDITED).unwrap_or_default().trim().to_owned();
    if value() != "0" {
        eprintln!("SKIPPED: {EXPEDITED} is {:?}", value());
        return;
    }
    in_host(|_| {
        let dir = Dir::new();
        let mut killed = HostSettings::open(&dir.control()).unwrap();
        killed.expedite(3);
        assert_eq!((value().as_str(), dir.recorded().len()), ("0", 0));
        killed.expedite(100);
        assert_eq!((value().as_str(), dir.recorded().len()), ("1", 1));
        drop(killed);
        let mut next = HostSettings::open(&dir.control()).unwrap();
        assert_eq!((value().as_str(), dir.recorded().len()), ("0", 0));
        next.expedite(100);
        assert_eq!(value(), "1");
        // A 1 that another program wrote is left alone.
        let mut other = HostSettings::open(&Dir::new().control()).unwrap();
        other.expedite(100);
        other.end_expediting();
        assert_eq!(value(), "1");
        next.end_expediting();
        assert_eq!((value().as_str(), dir.recorded().len()), ("0", 0));
    });
}
