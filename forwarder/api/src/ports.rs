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
    /// As ethtool names it; empty while the interface is gone.
    pub driver: String,
    pub ifindex: u64,
    pub mtu: u64,
    pub queues: u64,
    /// Whether superframes can leave by this port whole.
    pub superframes: bool,
    /// How the gate can hand frames to the port itself; `None`: not at all, or not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub express: Option<Express>,
    /// Why not in a better way, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub express_remark: Option<String>,
    /// Whether the gate on it outlives weir, if it is killed; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<bool>,
}

/// How frames reach a port from the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Express {
    /// Straight into the other end of the veth (`bpf_redirect_peer`).
    Peer,
    /// To the device (`bpf_redirect`).
    Redirect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Up,
    /// The interface is there, but without carrier or set down.
    Down,
    /// The interface was deleted; it is picked up when it returns.
    Gone,
    /// The interface is there, but cannot be served; `problem` says why.
    Failed,
    /// weir is stopping.
    Stopped,
}

/// How a port is attached now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attached {
    #[serde(rename = "none")]
    None,
    #[serde(rename = "native")]
    Native,
    #[serde(rename = "gate")]
    Gate,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Gone => "gone",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

impl Attached {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Native => "native",
            Self::Gate => "gate",
        }
    }
}

impl Express {
    pub fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Redirect => "redirect",
        }
    }
}
