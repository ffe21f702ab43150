//! The reasons for which frames are left to the bridge, in words.

use std::fmt;

use super::super::state::StpState;

/// Why the gate does not decide the frames of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    BridgeDown {
        bridge: String,
    },
    Promiscuous {
        bridge: String,
    },
    VlanProtocol {
        bridge: String,
        protocol: u16,
    },
    VlanStatistics {
        bridge: String,
        per_port: bool,
    },
    SpanningTrees {
        bridge: String,
    },
    StpState {
        port: String,
        state: StpState,
    },
    /// A setting of the port, by the word that the tools use.
    Switch {
        port: String,
        switch: &'static str,
    },
    BackupPort {
        port: String,
    },
    /// A VLAN of the port has a state or option of its own.
    VlanOption {
        port: String,
        vid: u16,
        state: StpState,
    },
    /// The driver may take a tag out of a frame before its program sees it.
    UnseenTags {
        port: String,
    },
    /// A rule of the host, found outside the bridge.
    Foreign {
        found: String,
        to_do: String,
    },
}

impl WhyNot {
    /// Whether a port can be told to ignore it.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign { .. })
    }

    /// What was found.
    pub fn found(&self) -> String {
        match self {
            Self::BridgeDown { bridge } => format!("the bridge `{bridge}` is down"),
            Self::Promiscuous { bridge } => {
                format!("the bridge `{bridge}` is promiscuous: somebody wants to see every frame")
            }
            Self::VlanProtocol { bridge, protocol } => {
                format!("the bridge `{bridge}` filters VLANs of protocol {protocol:#06x}")
            }
            Self::VlanStatistics { bridge, per_port } => {
                let of = if *per_port { "each VLAN of each port" } else { "each VLAN" };
                format!("the bridge `{bridge}` counts the frames of {of}")
            }
            Self::SpanningTrees { bridge } => {
                format!("the bridge `{bridge}` runs several spanning trees (MST)")
            }
            Self::StpState { port, state } => format!("`{port}` is in the STP state {state}"),
            Self::Switch { port, switch } => format!("`{port}` has {switch} on"),
            Self::BackupPort { port } => format!("`{port}` has a backup port"),
            Self::VlanOption { port, vid, state: StpState::Forwarding } => {
                format!("`{port}` has neigh_suppress on in VLAN {vid}")
            }
            Self::VlanOption { port, vid, state } => {
                format!("VLAN {vid} of `{port}` is in the state {state}")
            }
            Self::UnseenTags { .. } => {
                "the bridge filters VLANs, which the driver's program cannot see (mode = \"native\")"
                    .to_owned()
            }
            Self::Foreign { found, .. } => found.clone(),
        }
    }

    /// What the operator can do, to have the port's frames decided by the gate.
    pub fn to_do(&self) -> String {
        match self {
            Self::BridgeDown { bridge } => format!("ip link set dev {bridge} up"),
            Self::Promiscuous { bridge } => {
                format!("stop what watches it, or ip link set dev {bridge} promisc off")
            }
            Self::VlanProtocol { bridge, .. } => {
                format!("ip link set dev {bridge} type bridge vlan_protocol 802.1Q")
            }
            Self::VlanStatistics { bridge, .. } => {
                format!("ip link set dev {bridge} type bridge vlan_stats_enabled 0")
            }
            Self::SpanningTrees { bridge } => {
                format!("ip link set dev {bridge} type bridge mst_enabled 0")
            }
            Self::StpState { port, state: StpState::Disabled } => {
                format!("ip link set dev {port} up, and its other end as well")
            }
            Self::StpState { port, .. } => {
                format!("wait for the spanning tree, or bridge link set dev {port} state 3")
            }
            Self::Switch { port, switch } => {
                format!("ip link set dev {port} type bridge_slave {switch} off")
            }
            Self::BackupPort { port } => {
                format!("ip link set dev {port} type bridge_slave nobackup_port")
            }
            Self::VlanOption { port, vid, state: StpState::Forwarding } => {
                format!("bridge vlan set dev {port} vid {vid} neigh_suppress off")
            }
            Self::VlanOption { port, vid, .. } => {
                format!("bridge vlan set dev {port} vid {vid} state forwarding")
            }
            Self::UnseenTags { port } => format!("mode = \"gate\" for `{port}`"),
            Self::Foreign { to_do, .. } => to_do.clone(),
        }
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; its frames go by the bridge. To change that: {}", self.found(), self.to_do())
    }
}
