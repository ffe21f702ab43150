//! Devices stacked on a port, such as VLAN devices: their frames never reach the bridge.

use std::io;

use nix::libc;

use super::{Device, Finding, Findings};
use crate::host::netlink::{Netlink, Request, attribute, attributes, text, u16_at, u32_at};

const HEADER_LEN: usize = 16;
const IFLA_VLAN_ID: u16 = 1;

/// A device stacked on another one of the same network namespace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Upper {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) lower: u32,
    pub(super) vid: Option<u16>,
}

pub(super) fn read(netlink: &mut Netlink) -> io::Result<Vec<Upper>> {
    let request = Request::about_link(libc::RTM_GETLINK, 0)
        .number(libc::IFLA_EXT_MASK, libc::RTEXT_FILTER_SKIP_STATS as u32);
    let answers = netlink.dump(&request)?;
    Ok(answers.iter().filter_map(|(_, payload)| decode(payload)).collect())
}

pub(super) fn decode(payload: &[u8]) -> Option<Upper> {
    let (mut name, mut lower, mut kind, mut vid) = (None, None, None, None);
    for (kind_of, value) in attributes(payload, HEADER_LEN) {
        match kind_of {
            libc::IFLA_IFNAME => name = Some(text(value)),
            libc::IFLA_LINK => lower = u32_at(value, 0),
            // The lower device is in another namespace.
            libc::IFLA_LINK_NETNSID => return None,
            libc::IFLA_LINKINFO => {
                for (kind_of, value) in attributes(value, 0) {
                    match kind_of {
                        libc::IFLA_INFO_KIND => kind = Some(text(value)),
                        libc::IFLA_INFO_DATA => {
                            vid = attribute(value, 0, IFLA_VLAN_ID).and_then(|vid| u16_at(vid, 0));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    // For a veth, the attribute names the other end.
    let kind = kind.filter(|kind| kind == "vlan")?;
    Some(Upper { name: name?, kind, lower: lower?, vid })
}

pub(super) fn judge(uppers: &[Upper], ports: &[Device], into: &mut Findings) {
    for upper in uppers {
        let Some(port) = ports.iter().find(|port| port.ifindex == upper.lower) else { continue };
        let vid = upper.vid.map_or(String::new(), |vid| format!(" of VLAN {vid}"));
        into.on_port(
            port.ifindex,
            Finding {
                found: format!(
                    "the {} device `{}` takes the frames{vid} that come in by `{}`",
                    upper.kind, upper.name, port.name
                ),
                to_do: format!("ip link del {}", upper.name),
            },
        );
    }
}
