//! Other forwarders between the first guest and the uplink host. Each forwards as long as the value
//! lives that its function returns. Invariant: see the module above; their data goes with them.

use crate::bed::{GUEST_IF, UPLINK_PORT};
use crate::ns::output;
use crate::observer::attach;
use crate::wait::Halt;
use crate::{Bed, Ns, Started, StartedThread, cpu, wait_for};
use anyhow::{Context, Result};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;
use weir_rig::bare::Bare;
use weir_rig::{Attached, Hook, programs};

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
const STARTS: Duration = Duration::from_secs(10);
/// testpmd's MiB of memory without huge pages; 2 KiB a frame.
const MEMORY: &str = "256";
const FRAMES: &str = "16384";

/// XDP redirect: the way that never leaves the kernel.
pub fn redirect(bed: &Bed) -> Result<Vec<Attached>> {
    whole_checksums_of_both(bed)?;
    let port = bed.guest(0)?.port.as_str();
    [(port, UPLINK_PORT), (UPLINK_PORT, port)]
        .into_iter()
        .map(|(from, to)| {
            let program = programs::redirect(bed.host.ifindex(to)?)?;
            attach(&bed.host, from, program, Hook::Native)
        })
        .collect()
}

/// These forwarders never complete a checksum that the sender leaves to a device, and the receiver would
/// drop the frame.
fn whole_checksums_of_both(bed: &Bed) -> Result<()> {
    for end in [bed.guest(0)?, &bed.uplink] {
        end.ns.ethtool(&format!("-K {GUEST_IF} tx off"))?;
    }
    Ok(())
}

/// A loop between two AF_XDP sockets in native mode, pinned to `core`: the best that a worker could be.
pub fn bare(bed: &Bed, core: usize) -> Result<StartedThread<()>> {
    let (ready, started) = mpsc::channel();
    let host = bed.host.path();
    let port = bed.guest(0)?.port.clone();
    let ports = [bed.host.ifindex(&port)?, bed.host.ifindex(UPLINK_PORT)?];
    let mut thread = StartedThread::new(&Halt::default(), move |halt| {
        Ns::enter(&host)?;
        cpu::pin(core);
        let mut sockets = Bare::bind(&port, UPLINK_PORT)?;
        let mut programs = Vec::new();
        for (socket, ifindex) in sockets.fds().into_iter().zip(ports) {
            let (mut program, mut map) = programs::to_socket()?;
            map.set(0, socket, 0)?;
            programs.push(program.attach(ifindex, Hook::Native)?);
        }
        let _ = ready.send(());
        sockets.run(|| halt.is_said());
        // Detached before the sockets close, as weir does.
        drop(programs);
        Ok(())
    });
    if started.recv().is_err() {
        thread.join().context("the bare loop")?;
    }
    Ok(thread)
}

/// Open vSwitch's daemons, and their data.
#[derive(Debug)]
pub struct Ovs {
    _switch: Started,
    _database: Started,
    _folder: TempDir,
}

/// Open vSwitch in user space, over AF_XDP: a learning bridge, on `core`.
pub fn ovs(bed: &Bed, core: usize) -> Result<Ovs> {
    whole_checksums_of_both(bed)?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let path = |name: &str| at(name).display().to_string();
    let here = |command: &mut Command| {
        for key in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"] {
            command.env(key, folder.path());
        }
    };
    let daemon = |name: &str, mut command: Command, args: &[String]| {
        here(&mut command);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Started::new(name, &mut command)
    };
    output(Command::new("ovsdb-tool").args(["create", &path("conf.db"), SCHEMA]))?;
    let socket = format!("unix:{}", path("db.sock"));
    let database = daemon(
        "ovsdb-server",
        Command::new("ovsdb-server"),
        &[path("conf.db"), format!("--remote=p{socket}"), format!("--unixctl={}", path("db.ctl"))],
    )?;
    wait_for(STARTS, "the database", || at("db.sock").exists())?;
    let tell = |words: &str| {
        let mut command = Command::new("ovs-vsctl");
        here(&mut command);
        command.args(["--timeout=10", &format!("--db={socket}")]);
        output(command.args(words.split(' '))).map(drop)
    };
    tell("--no-wait init")?;
    tell(&format!("--no-wait set Open_vSwitch . other_config:pmd-cpu-mask={:#x}", 1_u64 << core))?;
    let switch = daemon(
        "ovs-vswitchd",
        bed.host.cmd("ovs-vswitchd"),
        &[socket.clone(), format!("--unixctl={}", path("switch.ctl"))],
    )?;
    tell("add-br ovs0 -- set bridge ovs0 datapath_type=netdev fail-mode=standalone")?;
    for port in [bed.guest(0)?.port.as_str(), UPLINK_PORT] {
        tell(&format!("add-port ovs0 {port} -- set interface {port} type=afxdp"))?;
    }
    Ok(Ovs { _switch: switch, _database: database, _folder: folder })
}

/// DPDK's testpmd over AF_XDP. It forwards on `core` soon after the return, and its main thread, which
/// reads commands, runs on `main`.
pub fn testpmd(bed: &Bed, main: usize, core: usize) -> Result<Started> {
    whole_checksums_of_both(bed)?;
    let port = bed.guest(0)?.port.as_str();
    let mut command = bed.host.cmd("dpdk-testpmd");
    command.args(["-l", &format!("{main},{core}"), "--main-lcore", &main.to_string()]);
    command.args(["--no-huge", "-m", MEMORY, "--no-pci", "--no-shconf", "--no-telemetry"]);
    command.args(["-d", "librte_net_af_xdp.so", "-d", "librte_mempool_ring.so"]);
    for (number, interface) in [port, UPLINK_PORT].into_iter().enumerate() {
        command.args(["--vdev", &format!("net_af_xdp{number},iface={interface}")]);
    }
    command.args(["--", "--forward-mode=io", "--auto-start", "--no-mlockall"]);
    command.arg(format!("--total-num-mbufs={FRAMES}"));
    // It ends with its input, which stays open as long as the returned value lives.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Started::new("dpdk-testpmd", &mut command)
}
