//! The ports and how they are attached.

use serde::{Deserialize, Serialize};

use weir_core::Role;

/// `GET /v1/ports`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortList {
    pub version: u64,
    pub ports: Vec<PortInfo>,
}

impl PortList {
    pub fn port(&self, name: &str) -> Option<&PortInfo> {
        self.ports.iter().find(|port| port.name == name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortInfo {
    pub name: String,
    pub role: Role,
    pub state: State,
    /// Why the port has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    pub mode: Attached,
    /// The name from ethtool; empty while the interface is gone.
    pub driver: String,
    pub ifindex: u64,
    pub mtu: u64,
    pub queues: u64,
    /// Whether superframes can leave by this port whole.
    pub superframes: bool,
    /// How the gate can hand frames to the port itself; `None`: not at all, or not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub express: Option<Express>,
    /// Why not in a better way, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub express_remark: Option<String>,
    /// Whether the gate on it outlives weir if weir is killed; `None`: there is no gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<bool>,
}

weir_core::choices! {
    /// How frames reach a port from the gate.
    Express {
        /// Straight into the other end of the veth (`bpf_redirect_peer`)
        Peer = "peer",
        /// To the device (`bpf_redirect`)
        Redirect = "redirect",
    }

    /// The state of a port.
    State {
        /// It is served
        Up = "up",
        /// The interface is there, but without carrier or set down
        Down = "down",
        /// The interface was deleted; it is picked up when it returns
        Gone = "gone",
        /// The interface is there, but cannot be served; `problem` says why
        Failed = "failed",
        /// weir is stopping
        Stopped = "stopped",
    }

    /// How a port is attached now.
    Attached {
        /// Not at all
        None = "none",
        /// In the driver
        Native = "native",
        /// By the gate
        Gate = "gate",
    }
}
