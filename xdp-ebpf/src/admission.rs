//! Who may pass: frames for the host, and the anti-spoofing locks of a port.
//! Invariant: a frame for the host is never dropped here, whatever it contains.

use weir_abi::{IpLockKey, MacLockKey, PortConfig, Verdict, bytes::mac_bytes, verdict};

use crate::{IP_LOCK, MAC_LOCK, packet::Packet};

/// Addresses of the host as numbers, each loaded from the map value in one read.
#[inline(always)]
pub(crate) fn is_for_host(config: &PortConfig, dst: u64) -> bool {
    let words = core::ptr::from_ref(config).cast::<u64>();
    // SAFETY: `PortConfig` is three 8-aligned words: slot, flags; host_mac; bridge_mac.
    let (host, bridge) = unsafe { (words.add(1).read(), words.add(2).read()) };
    // In memory order the address comes first, then zero padding.
    let wanted = dst.swap_bytes() >> 16;
    wanted != 0 && (host == wanted || bridge == wanted)
}

#[inline(always)]
pub(crate) fn mac_allowed(slot: u16, src: u64) -> bool {
    MAC_LOCK.get_ptr(MacLockKey { slot, mac: mac_bytes(src) }).is_some()
}

/// Whether the source address (IPv4, IPv6, ARP sender) is one of the port's.
#[inline(always)]
pub(crate) fn ip_allowed(slot: u16, packet: &Packet, v: &Verdict) -> bool {
    match verdict::source_address(packet, v.flags, v.l3_off) {
        Some(addr) => IP_LOCK.get_ptr(IpLockKey::new(slot, addr)).is_some(),
        None => true,
    }
}
