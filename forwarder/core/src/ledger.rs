//! The names of all losses. Invariant: a frame that came in is delivered, passed on, in flight, or lost under
//! exactly one `Reason`.

use crate::{NamedCounts, named};

named! {
    /// Every name by which a frame can be lost, from the program to the wire: what happened, and what to do
    /// about it.
    #[allow(rustdoc::broken_intra_doc_links, reason = "[forwarder] is a table of weir's file")]
    Reason {
        Malformed "malformed" "A header was cut short or impossible; look at what the sender emits (a capture on its interface shows it).";
        Spoofed "spoofed" "The source address is not one the port may use; correct the guest, or the port's mac-lock or ip-lock.";
        Shed "shed" "The vif's queue was over its bound, so the program dropped on the sender's own core; the sender offers more than its share.";
        NoMeta "no_meta" "There was no room for the metadata in front of the frame; the driver gives too little headroom: use mode = \"gate\" for the port.";
        FallbackDrop "fallback_drop" "No worker was there for the frame, one that stood still, or a table of long ago, and the port's fallback is to drop; it ends when the worker is back, or set the fallback to pass.";
        Reserved "reserved" "The frame was for a reserved group (01:80:c2:00:00:0x), to which guests may not send; switch off what speaks spanning tree or LLDP there, or set the port's `reserved` to pass.";
        Storm "storm" "The port sent more group frames, or frames for unknown addresses, than its limit lets through; find the loop or the scanner, or raise `storm`.";
        RxShare "rx_share" "The source had its share of the worker's receive ring waiting; the worker is overloaded: give it a core of its own or more workers.";
        RxRingFull "rx_ring_full" "The worker did not empty the receive ring in time; it is overloaded: give it a core of its own or more workers.";
        FillEmpty "fill_empty" "The kernel had no free frame to receive into; raise `frames` in [forwarder].";
        BadDescriptor "bad_descriptor" "The kernel returned a descriptor that was not ours; please report it with the kernel's version.";
        TruncatedChain "truncated_chain" "A chain of fragments ended too early or was too long; the driver's multi-buffer support is in doubt.";
        NoEgress "no_egress" "The program named no port for it to leave by, or the one it came by; please report it.";
        NoFrames "no_frames" "No free frame was left for a segment; raise `frames` in [forwarder].";
        QueueFull "queue_full" "The vif's queue towards a contended link was at its bound; the sender offers more than its share, or raise `queue`.";
        MtuExceeded "mtu_exceeded" "The packet is longer than the egress port's MTU and cannot be cut; make the MTUs equal.";
        GsoUnsupported "gso_unsupported" "The egress device cannot take a superframe of this kind and it could not be segmented here; turn that offload off in the guest.";
        TxBusy "tx_busy" "The egress device dropped the frame when it was handed over (EBUSY): its ring or backlog was full; give the port a `rate` that its guest keeps up with. Or it is a tap that took nothing for a second: its VM is paused.";
        TxError "tx_error" "The kernel refused to send the frame for good; see the worker's log for the error.";
        Stalled "stalled" "It waited at a worker that stood still for nearly half a second, and frames behind it may have gone by the bridge since; give the worker a core of its own, and look at what kept it from running.";
        PortGone "port_gone" "The port it was for, or came from, was removed or down.";
        Shutdown "shutdown" "The packet still waited when the forwarder stopped and its drain time was over.";
    }
}

impl Reason {
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }
}

/// Lost frames by reason.
pub type Losses = NamedCounts<Reason, { Reason::COUNT }>;

#[cfg(test)]
mod tests;
