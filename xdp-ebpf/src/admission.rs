//! Who may pass: frames for the host, the anti-spoofing locks of a port, and what is shed.
//! Invariant: a frame for the host is never dropped here, whatever it contains.

use weir_abi::{
    FdbKey, IpLockKey, MacLockKey, PortConfig, Verdict, bytes::mac_bytes, meta_flags, shed, verdict,
};

use crate::{FDB, IP_LOCK, MAC_LOCK, SHED, packet::Packet};

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

/// Whether the port's frames for that destination are dropped. Who that is, is asked only if the
/// port has any bit set: a look-up in the table costs more than all of this.
#[inline(always)]
pub(crate) fn is_shed(slot: u16, v: &Verdict) -> bool {
    let Some(row) = SHED.get_ptr(slot.into()) else {
        return false;
    };
    // SAFETY: a word of the row, which user space may store to meanwhile.
    let word = |n: usize| unsafe { row.cast::<u64>().add(n).read_volatile() };
    let any = (0..shed::ROW_WORDS).fold(0, |any, n| any | word(n));
    // A group address is behind no single port: whoever else waits for it must not lose it.
    if any == 0 || v.flags & meta_flags::MULTICAST != 0 {
        return false;
    }
    let Some(egress) = FDB.get_ptr(FdbKey::new(v.dst, v.vlan)) else {
        return false;
    };
    // SAFETY: user space replaces a value whole.
    let (n, mask) = shed::bit(unsafe { egress.read_volatile() } as u16);
    word(n) & mask != 0
}
