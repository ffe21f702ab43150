//! What happens to one packet between receive and send.
//!
//! Invariant: each function leaves its packet in exactly one place: in the engine, in the port, or
//! released and counted under a reason.

use weir_core::{Container, Engine, Key, Mac, PortId, PortSet, Reason};
use weir_port::{Packet, Pool, Port, Refused};

use super::lanes::Lane;

/// The addresses a frame is switched by.
#[inline]
pub(super) fn key_of(head: &[u8], vlan: u16) -> Option<Key> {
    let (dst, rest) = head.split_first_chunk::<6>()?;
    let (src, rest) = rest.split_first_chunk::<6>()?;
    (rest.len() >= 2).then(|| Key { dst: Mac::from(*dst), src: Mac::from(*src), vlan })
}

#[inline]
pub(super) fn offer<P>(
    engine: &mut Engine<Packet>,
    pool: &mut Pool,
    lane: &mut Lane<P>,
    now_ns: u64,
    ingress: PortId,
    egress: PortId,
    packet: Packet,
) {
    if let Err((packet, reason)) = engine.offer(now_ns, ingress, egress, packet) {
        lane.losses.add(reason, 1);
        pool.release(packet);
    }
}

/// One copy per port; the last gets the frame itself.
pub(super) fn flood<P>(
    engine: &mut Engine<Packet>,
    pool: &mut Pool,
    lane: &mut Lane<P>,
    now_ns: u64,
    ingress: PortId,
    egresses: PortSet,
    packet: Packet,
) {
    let mut left = egresses.len();
    for egress in egresses.iter() {
        left -= 1;
        if left == 0 {
            offer(engine, pool, lane, now_ns, ingress, egress, packet);
            return;
        }
        lane.copies += 1;
        match pool.copy(&packet) {
            Some(copy) => offer(engine, pool, lane, now_ns, ingress, egress, copy),
            None => lane.losses.add(Reason::NoFrames, 1),
        }
    }
    lane.losses.add(Reason::NoEgress, 1);
    pool.release(packet);
}

/// Hands a port what is queued for it, until either is out. True if anything was taken.
pub(super) fn drain<P: Port>(
    engine: &mut Engine<Packet>,
    pool: &mut Pool,
    lane: &mut Lane<P>,
    now_ns: u64,
    egress: PortId,
) -> bool {
    let mut taken = false;
    while lane.port.tx_room() > 0 {
        let Some(mut container) = engine.next(now_ns, egress) else { break };
        while let Some(packet) = container.pop() {
            match lane.port.send(pool, packet) {
                Ok(()) => taken = true,
                Err(Refused::Lost(packet, reason)) => {
                    lane.losses.add(reason, 1);
                    pool.release(packet);
                    taken = true;
                }
                Err(Refused::Full(packet)) => {
                    container.unpop(packet);
                    if let Err((mut container, reason)) = engine.put_back(egress, container) {
                        lose_all(pool, lane, &mut container, reason);
                        engine.recycle(container);
                    }
                    return taken;
                }
            }
        }
        engine.recycle(container);
    }
    taken
}

/// Ends the packets of a container that cannot be sent and cannot be kept.
#[cold]
fn lose_all<P>(
    pool: &mut Pool,
    lane: &mut Lane<P>,
    container: &mut Container<Packet>,
    reason: Reason,
) {
    while let Some(packet) = container.pop() {
        lane.losses.add(reason, 1);
        pool.release(packet);
    }
}
