//! What can be chosen between, by the names that the configuration and the command line write.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The way out: unknown destinations go there.
    Uplink,
    /// A virtual machine's interface.
    Vif,
}

/// How the program is attached and the socket bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// At the port's tcx hook: what needs no scheduling is left to the bridge
    #[value(alias = "auto")]
    Gate,
    /// In the driver (XDP), steered to a socket of the port's own
    Native,
    /// Of the first version of weir, which attached generic XDP
    #[value(hide = true)]
    Skb,
}

impl Mode {
    /// What is meant by it today.
    pub fn settled(self) -> Self {
        if self != Self::Skb {
            return self;
        }
        tracing::warn!(
            "mode \"skb\" is now \"gate\", the default: nothing needs to be said for it"
        );
        Self::Gate
    }
}

/// What the worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Idle {
    /// Poll without end: the lowest latency, a whole core
    Spin,
    /// Poll for a while, then sleep until a frame arrives
    Adaptive,
    /// Sleep at once: the least CPU
    Sleep,
}

/// When a container is handed to its scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Release {
    Eager,
    Fixed,
    Adaptive,
}

/// By which way a port's frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lane {
    /// Frames that need no scheduling are handed to their port by the gate, in the kernel
    Auto,
    /// Every frame goes by a worker, which measures each of them
    Scheduled,
}

/// How a link is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    Drr,
    Wrr,
    Fifo,
}

/// Where a frame goes while no worker takes the port's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fallback {
    /// To the kernel: a bridge below carries on.
    Pass,
    /// Nowhere: an isolated port stays isolated.
    Drop,
}

/// What becomes of frames that bridges do not forward: of spanning trees, LLDP, pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reserved {
    /// Nothing: no guest takes part in them.
    Drop,
    /// The bridge has them.
    Pass,
}

/// Who forwards where rules of the host were found that the gate cannot honour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ForeignRules {
    /// The bridge: the rules hold.
    Bridge,
    /// The gate nevertheless: they hold for what it leaves to the bridge only.
    Ignore,
}

/// The name of a choice as the configuration and the command line write it.
pub fn name_of<T: ValueEnum>(choice: &T) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// All names of a choice: `drr | wrr | fifo`.
pub fn names_of<T: ValueEnum>() -> String {
    let hidden = |choice: &&T| choice.to_possible_value().is_some_and(|value| value.is_hide_set());
    let shown = T::value_variants().iter().filter(|choice| !hidden(choice));
    shown.map(name_of).collect::<Vec<_>>().join(" | ")
}

macro_rules! display_as_named {
    ($($choice:ty),*) => {$(
        impl fmt::Display for $choice {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(&name_of(self))
            }
        }
    )*};
}
display_as_named!(Role, Mode, Idle, Release, Lane, Policy, Fallback, Reserved, ForeignRules);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_written_as_the_operator_writes_them() {
        assert_eq!(names_of::<Mode>(), "gate | native");
        assert_eq!(format!("{:<7}|", Role::Vif), "vif    |");
    }
}
