//! Faults for the kernel-free port: errors of a kernel or a device, drawn from a seed.
//!
//! Invariant: the same seed gives the same faults at the same calls.

/// How often each fault happens, in thousandths. The default is never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub seed: u64,
    /// `send` finds the transmit ring full.
    pub tx_full: u16,
    /// A kick takes only some of the frames.
    pub short_send: u16,
    /// A kick takes nothing (EAGAIN).
    pub again: u16,
    /// The device drops a frame, which is completed nevertheless (EBUSY).
    pub busy: u16,
    /// A frame is sent, but its completion comes after all others, or never.
    pub late_completion: u16,
    /// The packet socket takes nothing (ENOBUFS).
    pub no_buffers: u16,
    /// The packet socket refuses a packet permanently (any other errno).
    pub tx_error: u16,
    /// The kernel finds no frame to receive into.
    pub fill_empty: u16,
    /// The receive ring is full.
    pub rx_full: u16,
    /// A descriptor names a foreign frame.
    pub bad_descriptor: u16,
    /// The last part of a chain never arrives.
    pub truncated_chain: u16,
}

impl Faults {
    /// All faults, each this often.
    pub fn all(seed: u64, thousandths: u16) -> Self {
        Self {
            seed,
            tx_full: thousandths,
            short_send: thousandths,
            again: thousandths,
            busy: thousandths,
            late_completion: thousandths,
            no_buffers: thousandths,
            tx_error: thousandths,
            fill_empty: thousandths,
            rx_full: thousandths,
            bad_descriptor: thousandths,
            truncated_chain: thousandths,
        }
    }
}
