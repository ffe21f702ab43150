//! Open vSwitch in user space, over AF_XDP, between the first guest and the uplink host: a learning
//! bridge. Invariant: see the module above; all its data is in a folder that goes with it.

use super::redirect;
use crate::bed::UPLINK_PORT;
use crate::ns::output;
use crate::{Bed, Started, wait_for};
use anyhow::Result;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
const STARTS: Duration = Duration::from_secs(10);

/// The daemons, and their data.
#[derive(Debug)]
pub struct Ovs {
    _switch: Started,
    _database: Started,
    _folder: TempDir,
}

/// Starts it; it forwards from the return on, on `core`.
pub fn start(bed: &Bed, core: usize) -> Result<Ovs> {
    redirect::whole_checksums_of_both(bed)?;
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
