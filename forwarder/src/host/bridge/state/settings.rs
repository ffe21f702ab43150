//! The settings of a bridge and of its ports that affect forwarding.

use std::fmt;
use std::time::Duration;

use crate::host::bridge::decode::TICK;
use crate::host::netlink::{Attributes, u16_at, u32_at};

/// The TPID of a customer's VLAN tag, 802.1Q.
pub const VLAN_PROTOCOL_8021Q: u16 = 0x8100;
const BR_BOOLOPT_MST_ENABLE: u32 = 1 << 2;

/// What a spanning tree permits a port, or a VLAN of a port, to do, by the kernel's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StpState(pub u8);

impl StpState {
    pub const DISABLED: Self = Self(0);
    pub const FORWARDING: Self = Self(3);
    pub const BLOCKING: Self = Self(4);
}

impl fmt::Display for StpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["disabled", "listening", "learning", "forwarding", "blocking"];
        match names.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Settings as the kernel reports them: each with its default and, where an attribute of its own carries it,
/// that attribute's number in linux/if_link.h and how its value is read.
macro_rules! settings {
    ($(#[$about:meta])* pub struct $name:ident {
        $($(#[$what:meta])* pub $field:ident: $kind:ty = $default:expr
            $(, $attribute:literal read by $read:expr)?;)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$what])* pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            /// With the attributes of this list; one that is not whole changes nothing.
            pub(in crate::host) fn with(mut self, list: Attributes<'_>) -> Self {
                for (attribute, value) in list.iter() {
                    match attribute {
                        $($($attribute => if let Some(value) = $read(value) {
                            self.$field = value;
                        })?)*
                        _ => {}
                    }
                }
                self
            }
        }
    };
}

settings! {
    /// The bridge itself; by default with the kernel's settings.
    pub struct Settings {
        pub name: String = String::new();
        pub up: bool = false;
        /// A process wants every frame on the bridge device.
        pub promiscuous: bool = false;
        /// Takes the place of `ageing` while `topology_change` is set.
        pub forward_delay: Duration = Duration::from_secs(15), 1 read by ticks;
        pub ageing: Duration = Duration::from_secs(300), 4 read by ticks;
        pub vlan_filtering: bool = false, 7 read by on;
        /// The TPID in host order.
        pub vlan_protocol: u16 = VLAN_PROTOCOL_8021Q,
            8 read by |value| u16_at(value, 0).map(u16::from_be);
        pub topology_change: bool = false, 14 read by on;
        /// Frames of this bridge alone are handed to iptables, ip6tables or arptables.
        pub nf_call_iptables: bool = false, 36 read by on;
        pub nf_call_ip6tables: bool = false, 37 read by on;
        pub nf_call_arptables: bool = false, 38 read by on;
        pub vlan_statistics: bool = false, 41 read by on;
        pub vlan_statistics_per_port: bool = false, 45 read by on;
        /// Multiple spanning trees: each VLAN may have a state of its own.
        pub mst: bool = false,
            46 read by |value| u32_at(value, 0).map(|options| options & BR_BOOLOPT_MST_ENABLE != 0);
    }
}

impl Settings {
    /// The time without a frame after which the bridge forgets an address; zero: it learns none.
    pub fn hold_time(&self) -> Duration {
        if self.topology_change { self.forward_delay } else { self.ageing }
    }
}

settings! {
    /// One port of a bridge, without its VLANs; by default with the kernel's settings, in a bridge that
    /// is up.
    pub struct PortSettings {
        pub name: String = String::new();
        pub stp_state: StpState = StpState::FORWARDING,
            1 read by |value: &[u8]| Some(StpState(*value.first()?));
        pub learning: bool = true, 8 read by on;
        pub proxy_arp: bool = false, 10 read by on;
        pub proxy_arp_wifi: bool = false, 12 read by on;
        pub vlan_tunnel: bool = false, 29 read by on;
        pub neigh_suppress: bool = false, 32 read by on;
        pub isolated: bool = false, 33 read by on;
        /// The port that takes the frames while this port has no carrier.
        pub backup_port: Option<u32> = None, 34 read by |value| Some(u32_at(value, 0));
        pub locked: bool = false, 39 read by on;
        /// MAC authentication bypass: a locked port reports unknown sources.
        pub mab: bool = false, 40 read by on;
        /// Neighbour suppression is decided for each VLAN.
        pub neigh_vlan_suppress: bool = false, 43 read by on;
    }
}

fn on(value: &[u8]) -> Option<bool> {
    value.first().map(|byte| *byte != 0)
}

fn ticks(value: &[u8]) -> Option<Duration> {
    u32_at(value, 0).map(|ticks| TICK.saturating_mul(ticks))
}
