//! br_netfilter, which hands bridged frames to the IP firewall, and the tables of the tools that
//! preceded nftables.

use std::fs;
use std::path::Path;

use super::super::state::Settings;
use super::Findings;
use super::nft::{ARP, Chain, INET, IPV4, IPV6};

const SYSCTL: &str = "/proc/sys/net/bridge";
/// The tables of this thread's network namespace; /proc/net shows those of the process.
const TABLES: &str = "/proc/thread-self/net";
const MODULES: &str = "/proc/modules";

/// A switch of br_netfilter: the tool whose rules then apply, the families of its chains in nftables, and
/// the file that lists the older tool's tables.
struct Switch {
    tool: &'static str,
    families: &'static [u8],
    tables: &'static str,
}

impl Switch {
    fn sysctl(&self) -> String {
        format!("bridge-nf-call-{}", self.tool)
    }
}

const SWITCHES: [Switch; 3] = [
    Switch { tool: "iptables", families: &[IPV4, INET], tables: "ip_tables_names" },
    Switch { tool: "ip6tables", families: &[IPV6, INET], tables: "ip6_tables_names" },
    Switch { tool: "arptables", families: &[ARP], tables: "arp_tables_names" },
];

/// The content of this host's files.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// The switches that are on, by the name of their tool, for the host or for this bridge.
    pub(super) on: Vec<&'static str>,
    /// The tables of older tools that are in use, with the file that lists them.
    pub(super) tables: Vec<(&'static str, String)>,
    pub(super) modules: Vec<String>,
}

pub(super) fn read(bridge: &Settings) -> Host {
    let mut host = Host::default();
    // Either the host hands over the frames of every bridge, or this bridge hands over its own.
    let own = [bridge.nf_call_iptables, bridge.nf_call_ip6tables, bridge.nf_call_arptables];
    for (switch, own) in SWITCHES.iter().zip(own) {
        let all = fs::read_to_string(Path::new(SYSCTL).join(switch.sysctl()));
        // Without br_netfilter there is no such file, and the bridge's own switch does nothing.
        if all.is_ok_and(|text| own || text.trim() == "1") {
            host.on.push(switch.tool);
        }
        let tables = fs::read_to_string(Path::new(TABLES).join(switch.tables)).unwrap_or_default();
        host.tables.extend(tables.lines().map(|table| (switch.tables, table.to_owned())));
    }
    let modules = fs::read_to_string(MODULES).unwrap_or_default();
    let names = modules.lines().filter_map(|line| line.split_whitespace().next());
    host.modules = names.map(str::to_owned).collect();
    host
}

pub(super) fn judge(host: &Host, chains: &[Chain], into: &mut Findings) {
    for switch in SWITCHES.iter().filter(|switch| host.on.contains(&switch.tool)) {
        let hands = format!("br_netfilter hands bridged frames to {}", switch.tool);
        let to_do = format!("sysctl -w net.bridge.{}=0", switch.sysctl());
        let chain = chains
            .iter()
            .find(|chain| switch.families.iter().any(|family| chain.sees_forwarded(*family)));
        let mut tables = host.tables.iter().filter(|(file, _)| *file == switch.tables);
        let found = match (chain, tables.next()) {
            (Some(chain), _) => format!("{hands}: {}", chain.describe()),
            (None, Some((_, table))) => format!("{hands}: its table `{table}` is in use"),
            (None, None) => continue,
        };
        into.on_bridge(found, to_do);
    }
    // The kernel loads a table at its first use; nothing shows whether it has rules.
    for table in ["ebtable_filter", "ebtable_nat", "ebtable_broute"] {
        if host.modules.iter().any(|module| module == table) {
            let found = format!("the module `{table}` is loaded: ebtables may have rules");
            into.on_bridge(found, format!("modprobe -r {table}"));
        }
    }
}
