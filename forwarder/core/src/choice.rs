//! What an operator can choose between: each choice is defined once, with its meaning and the names that
//! files, commands and reports use for it.

use std::{fmt, str::FromStr};

/// One of a few named values.
pub trait Choice: Copy + Eq + fmt::Debug + fmt::Display + FromStr + Send + Sync + 'static {
    const ALL: &'static [Self];

    fn name(self) -> &'static str;

    /// Its meaning, without a full stop.
    fn help(self) -> &'static str;

    /// Other names that files of earlier versions may use.
    fn other_names(self) -> &'static [&'static str];

    /// Looks a value up by its name, or by one of its other names.
    fn of_name(name: &str) -> Option<Self> {
        let is_it = |choice: &&Self| choice.name() == name || choice.other_names().contains(&name);
        Self::ALL.iter().find(is_it).copied()
    }

    /// All names, as errors list them: `drr | wrr | fifo`.
    fn names() -> String {
        Self::ALL.iter().map(|choice| choice.name()).collect::<Vec<_>>().join(" | ")
    }
}

/// Defines enums of named values. Each variant has its name, other names after `|`, and its meaning as its
/// comment.
#[macro_export]
macro_rules! choices {
    ($(
        $(#[$attribute:meta])*
        $choice:ident {
            $(
                #[doc = $help:literal]
                $(#[$default:ident])?
                $variant:ident = $name:literal $(| $other:literal)*,
            )+
        }
    )+) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $choice {
            $(#[doc = $help] $(#[$default])? $variant,)+
        }

        impl $crate::Choice for $choice {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            fn help(self) -> &'static str {
                match self {
                    $(Self::$variant => $help.trim_ascii(),)+
                }
            }

            fn other_names(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($other),*],)+
                }
            }
        }

        impl std::fmt::Display for $choice {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad($crate::Choice::name(*self))
            }
        }

        impl std::str::FromStr for $choice {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                <Self as $crate::Choice>::of_name(name)
                    .ok_or_else(|| format!("expected {}", <Self as $crate::Choice>::names()))
            }
        }

        impl serde::Serialize for $choice {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str($crate::Choice::name(*self))
            }
        }

        impl<'de> serde::Deserialize<'de> for $choice {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

/// Defines an enum of which each variant has a name and a sentence.
#[macro_export]
macro_rules! named {
    ($(#[$attribute:meta])* $kind:ident { $($variant:ident $name:literal $sentence:literal;)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $kind {
            $(#[doc = $sentence] $variant,)+
        }

        impl $kind {
            pub const COUNT: usize = [$(Self::$variant),+].len();
            pub const ALL: [Self; Self::COUNT] = [$(Self::$variant),+];

            /// Its name in statistics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// One sentence on what it is.
            pub const fn describe(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)+
                }
            }
        }

        impl $crate::counts::Named for $kind {
            const ALL: &'static [Self] = &Self::ALL;

            fn name(self) -> &'static str {
                Self::name(self)
            }

            fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad(self.name())
            }
        }
    };
}

choices! {
    /// The role of a port.
    Role {
        /// The way out of the host
        Uplink = "uplink",
        /// A virtual machine's interface
        Vif = "vif",
    }

    /// How the program is attached, and where its frames come out. The first version of weir had
    /// `skb`.
    Mode {
        /// At the port's tcx hook, in front of the bridge
        Gate = "gate" | "auto" | "skb",
        /// In the driver (XDP), steered to a socket of the port's own
        Native = "native",
    }

    /// What the worker does when there is nothing to do.
    #[derive(Default)]
    Idle {
        /// Poll without end: the lowest latency, a whole core
        Spin = "spin",
        /// Poll for a while, and as long as a link is contended; then sleep until a frame arrives
        #[default]
        Adaptive = "adaptive",
        /// Sleep at once: the least CPU
        Sleep = "sleep",
    }

    /// When an open container is handed to its scheduler.
    #[derive(Default)]
    Release {
        /// At the end of the turn that opened it
        #[default]
        Eager = "eager",
        /// Full, or after the timeout
        Fixed = "fixed",
        /// Full, or when its first packet would be late
        Adaptive = "adaptive",
    }

    /// The lane that a port's frames take.
    Lane {
        /// Frames that need no scheduling are handed to their port by the gate, in the kernel
        Auto = "auto",
        /// Every frame goes by a worker, which measures each of them
        Scheduled = "scheduled",
    }

    /// The policy by which a link is shared.
    #[derive(Default)]
    Policy {
        /// By bytes
        #[default]
        Drr = "drr",
        /// By packets
        Wrr = "wrr",
        /// In order of arrival: no port is protected from another
        Fifo = "fifo",
    }

    /// Where a frame goes while no worker takes the port's frames.
    Fallback {
        /// To the kernel: a bridge below carries on
        Pass = "pass",
        /// Nowhere: an isolated port stays isolated
        Drop = "drop",
    }

    /// The treatment of frames that bridges do not forward: those of spanning trees, LLDP and pauses.
    Reserved {
        /// They are dropped: no guest takes part in them
        Drop = "drop",
        /// The bridge gets them
        Pass = "pass",
    }

    /// Which side forwards where the host has rules that the gate cannot honour.
    ForeignRules {
        /// The bridge: the rules hold
        Bridge = "bridge",
        /// The gate nevertheless: the rules hold only for what it leaves to the bridge
        Ignore = "ignore",
    }
}

#[cfg(test)]
mod tests;
