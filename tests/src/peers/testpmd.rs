//! DPDK's testpmd over AF_XDP between the first guest and the uplink host. Invariant: see the module above; it
//! ends when it is dropped.

use super::redirect;
use crate::bed::UPLINK_PORT;
use crate::{Bed, Started};
use anyhow::Result;
use std::process::Stdio;

/// MiB of memory without huge pages; 2 KiB a frame.
const MEMORY: &str = "256";
const FRAMES: &str = "16384";

/// Starts it; it forwards on `core` soon after the return, and its main thread, which reads commands,
/// runs on `main`.
pub fn start(bed: &Bed, main: usize, core: usize) -> Result<Started> {
    redirect::whole_checksums_of_both(bed)?;
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
