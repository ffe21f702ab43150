//! Names of senders and receivers. Invariant: a name stands for one place only.

use std::fmt::{Display, Formatter};

use serde::Deserialize;

/// A sender or receiver: `"vm1"`, `"vm2"`, …, `"uplink"` (with routers the left host), `"right"` (the
/// right host), `"every"` (each VM, a flow of its own each), or `"via1"`, … (the right host by router
/// 1; only as a destination), `"via-every"` and `"via-others"` (by each but router 1; none where that is
/// the only one). The host has loads only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Seat {
    Vm(u8),
    Every,
    Uplink,
    Right,
    Via(u8),
    ViaEvery,
    ViaOthers,
    Host,
}

const NAMES: [(&str, Seat); 6] = [
    ("every", Seat::Every),
    ("uplink", Seat::Uplink),
    ("right", Seat::Right),
    ("via-every", Seat::ViaEvery),
    ("via-others", Seat::ViaOthers),
    ("host", Seat::Host),
];

impl TryFrom<String> for Seat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let named = NAMES.iter().find(|(name, _)| *name == text).map(|(_, seat)| *seat);
        let vm = || text.strip_prefix("vm").and_then(number).map(Self::Vm);
        let via = || text.strip_prefix("via").and_then(number).map(Self::Via);
        named.or_else(vm).or_else(via).ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name).join(", ");
            format!("\"{text}\" is no seat: write one of vm1 …, via1 …, {names}")
        })
    }
}

impl Display for Seat {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Vm(number) => write!(f, "vm{number}"),
            Self::Via(number) => write!(f, "via{number}"),
            other => {
                let name = NAMES.iter().find(|(_, seat)| seat == other);
                f.write_str(name.map_or("", |(name, _)| name))
            }
        }
    }
}

impl Seat {
    /// Whether it is the right host by a router.
    pub(crate) fn is_way(self) -> bool {
        matches!(self, Self::Via(_) | Self::ViaEvery | Self::ViaOthers)
    }

    /// Whether it is one place at most.
    pub(crate) fn is_single(self) -> bool {
        !matches!(self, Self::Every | Self::ViaEvery | Self::ViaOthers)
    }
}

/// `01` and `+1` are not names of VM 1.
fn number(digits: &str) -> Option<u8> {
    digits.parse().ok().filter(|_| !digits.starts_with(['0', '+']))
}

#[cfg(test)]
mod tests;
