//! The settings of a bridge and of its ports that affect forwarding.

use std::fmt;
use std::time::Duration;

/// The TPID of a customer's VLAN tag, 802.1Q.
pub const VLAN_PROTOCOL_8021Q: u16 = 0x8100;

/// What a spanning tree permits a port, or a VLAN of a port, to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StpState {
    Disabled,
    Listening,
    Learning,
    Forwarding,
    Blocking,
    /// A state that this version does not know.
    Other(u8),
}

impl From<u8> for StpState {
    fn from(state: u8) -> Self {
        match state {
            0 => Self::Disabled,
            1 => Self::Listening,
            2 => Self::Learning,
            3 => Self::Forwarding,
            4 => Self::Blocking,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for StpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("disabled"),
            Self::Listening => f.write_str("listening"),
            Self::Learning => f.write_str("learning"),
            Self::Forwarding => f.write_str("forwarding"),
            Self::Blocking => f.write_str("blocking"),
            Self::Other(state) => write!(f, "{state}"),
        }
    }
}

/// The bridge itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub name: String,
    pub up: bool,
    /// A process wants every frame on the bridge device.
    pub promiscuous: bool,
    pub ageing: Duration,
    /// Takes the place of `ageing` while `topology_change` is set.
    pub forward_delay: Duration,
    pub topology_change: bool,
    pub vlan_filtering: bool,
    /// The TPID in host order.
    pub vlan_protocol: u16,
    pub vlan_statistics: bool,
    pub vlan_statistics_per_port: bool,
    /// Multiple spanning trees: each VLAN may have a state of its own.
    pub mst: bool,
    /// Frames of this bridge alone are handed to iptables, ip6tables or arptables.
    pub nf_call_iptables: bool,
    pub nf_call_ip6tables: bool,
    pub nf_call_arptables: bool,
}

impl Default for Settings {
    /// A bridge with the kernel's defaults.
    fn default() -> Self {
        Self {
            name: String::new(),
            up: false,
            promiscuous: false,
            ageing: Duration::from_secs(300),
            forward_delay: Duration::from_secs(15),
            topology_change: false,
            vlan_filtering: false,
            vlan_protocol: VLAN_PROTOCOL_8021Q,
            vlan_statistics: false,
            vlan_statistics_per_port: false,
            mst: false,
            nf_call_iptables: false,
            nf_call_ip6tables: false,
            nf_call_arptables: false,
        }
    }
}

impl Settings {
    /// The time without a frame after which the bridge forgets an address; zero: it learns none.
    pub fn hold_time(&self) -> Duration {
        if self.topology_change { self.forward_delay } else { self.ageing }
    }
}

/// One port of a bridge, without its VLANs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSettings {
    pub name: String,
    pub stp_state: StpState,
    pub learning: bool,
    pub isolated: bool,
    pub locked: bool,
    /// MAC authentication bypass: a locked port reports unknown sources.
    pub mab: bool,
    pub neigh_suppress: bool,
    /// Neighbour suppression is decided for each VLAN.
    pub neigh_vlan_suppress: bool,
    pub proxy_arp: bool,
    pub proxy_arp_wifi: bool,
    pub vlan_tunnel: bool,
    /// The port that takes the frames while this port has no carrier.
    pub backup_port: Option<u32>,
}

impl Default for PortSettings {
    /// A port with the kernel's defaults, in a bridge that is up.
    fn default() -> Self {
        Self {
            name: String::new(),
            stp_state: StpState::Forwarding,
            learning: true,
            isolated: false,
            locked: false,
            mab: false,
            neigh_suppress: false,
            neigh_vlan_suppress: false,
            proxy_arp: false,
            proxy_arp_wifi: false,
            vlan_tunnel: false,
            backup_port: None,
        }
    }
}
