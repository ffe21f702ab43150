//! A port's counts besides its traffic and its losses: each count's name and sentence, used by the
//! worker, the reports, the metrics and `weir stats --help-counters`.

weir_core::named! {
    /// A count; its name is the key in the `counters` of a port's report.
    PortCounter {
        Copies "copies" "Pieces and segments made here of superframes that came in by this port, beyond the superframes themselves; each has its own end.";
        ChecksumsCompleted "checksums_completed" "Half-done checksums that were completed.";
        SuperframesSegmented "superframes_segmented" "Superframes that were cut here because the device does not do it.";
        Kicks "kicks" "System calls that told the kernel to send.";
        KickAgain "kick_again" "Kicks after which the device had not taken everything yet.";
        DeviceDropped "device_dropped" "Frames that the port's device dropped on their way to the guest, weir's and others'.";
        Addresses "addresses" "Addresses behind the port in the gate's table now.";
        AddressesRefused "addresses_refused" "Addresses that were not taken into the table: the port's quota was used up, or there was no room.";
        AddressesEvicted "addresses_evicted" "Addresses that lost their place in the table to one of a port that had less.";
        AddressesAgainstLock "addresses_against_lock" "Addresses that the port claimed against another port's lock.";
        Moves "moves" "Addresses that came to this port from another one.";
        MovesDamped "moves_damped" "Addresses that the port claimed and that were not believed, because they moved too often.";
    }
}

/// A port's counts.
pub type PortCounts = weir_core::NamedCounts<PortCounter, { PortCounter::COUNT }>;
