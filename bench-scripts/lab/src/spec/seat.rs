//! Names of senders and receivers. Invariant: a name stands for one place only.

/// The place that a [`Seat`](super::Seat) stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Vm(u8),
    Every,
    Uplink,
    Right,
    Via(u8),
    ViaEvery,
    /// By every router but the first.
    ViaOthers,
}

impl Place {
    pub(crate) fn read(seat: &str) -> Option<Self> {
        Some(match seat {
            "every" => Self::Every,
            "uplink" => Self::Uplink,
            "right" => Self::Right,
            "via-every" => Self::ViaEvery,
            "via-others" => Self::ViaOthers,
            _ => match (seat.strip_prefix("vm"), seat.strip_prefix("via")) {
                (Some(digits), _) => Self::Vm(number(digits)?),
                (None, Some(digits)) => Self::Via(number(digits)?),
                (None, None) => return None,
            },
        })
    }

    /// Whether it is the right host by a router.
    pub(crate) fn is_way(self) -> bool {
        matches!(self, Self::Via(_) | Self::ViaEvery | Self::ViaOthers)
    }
}

/// `01` and `+1` are not names of VM 1.
fn number(digits: &str) -> Option<u8> {
    digits.parse().ok().filter(|_| !digits.starts_with(['0', '+']))
}

#[cfg(test)]
mod tests;
