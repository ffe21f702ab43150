//! Netfilter: nftables' base chains, their hooks and devices, and whether they do anything (over
//! nfnetlink); br_netfilter, which hands bridged frames to the IP firewall; and the tables of the tools
//! that preceded nftables.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use rtnetlink::sys::protocols::NETLINK_NETFILTER;

use super::super::state::Settings;
use super::{Findings, Ports};
use crate::host::netlink::{Attributes, Netlink, Request, text};

// linux/netfilter.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
const INET: u8 = 1;
const IPV4: u8 = 2;
const ARP: u8 = 3;
const NETDEV: u8 = 5;
const BRIDGE: u8 = 7;
const IPV6: u8 = 10;
const SUBSYSTEM: u16 = 10 << 8;
const NFT_MSG_GETCHAIN: u16 = 4;
const NFT_MSG_GETRULE: u16 = 7;
const HEADER_LEN: usize = 4;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_DEV: u16 = 3;
const NFTA_HOOK_DEVS: u16 = 4;
const NFTA_DEVICE_NAME: u16 = 1;
const NFTA_DEVICE_PREFIX: u16 = 2;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NF_DROP: u32 = 0;
const PREROUTING: u32 = 0;
const FORWARD: u32 = 2;
const POSTROUTING: u32 = 4;
/// `NF_INET_INGRESS`: the inet family at a device.
const INET_INGRESS: u32 = 5;

const SYSCTL: &str = "/proc/sys/net/bridge";
/// The tables of this thread's network namespace; /proc/net shows those of the process.
const TABLES: &str = "/proc/thread-self/net";
const MODULES: &str = "/proc/modules";

/// A base chain: one that the kernel runs by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) family: u8,
    pub(super) table: String,
    pub(super) name: String,
    pub(super) hook: u32,
    /// Names of devices, and beginnings of names.
    pub(super) devices: Vec<String>,
    pub(super) prefixes: Vec<String>,
    pub(super) drops: bool,
    pub(super) rules: usize,
}

impl Chain {
    /// Whether the chain does anything. An empty chain with policy accept does not.
    fn does_something(&self) -> bool {
        self.drops || self.rules > 0
    }

    fn is_at(&self, device: &str) -> bool {
        self.devices.iter().any(|name| name == device)
            || self.prefixes.iter().any(|prefix| device.starts_with(prefix))
    }

    fn family_name(&self) -> &'static str {
        match self.family {
            INET => "inet",
            IPV4 => "ip",
            ARP => "arp",
            NETDEV => "netdev",
            BRIDGE => "bridge",
            IPV6 => "ip6",
            _ => "other",
        }
    }

    /// Whether bridged frames traverse the chain, provided that they are handed to that family.
    fn sees_forwarded(&self, family: u8) -> bool {
        let hook = match family {
            // The hooks of ARP: in, out, forward.
            ARP => self.hook == 2,
            _ => matches!(self.hook, PREROUTING | FORWARD | POSTROUTING),
        };
        self.family == family && hook && self.does_something()
    }

    fn describe(&self) -> String {
        let does = match (self.drops, self.rules) {
            (true, 0) => "drops everything".to_owned(),
            (true, 1) => "has 1 rule and drops the rest".to_owned(),
            (true, rules) => format!("has {rules} rules and drops the rest"),
            (false, 1) => "has 1 rule".to_owned(),
            (false, rules) => format!("has {rules} rules"),
        };
        let Self { table, name, .. } = self;
        format!("the nftables chain `{} {table} {name}` {does}", self.family_name())
    }
}

/// Every base chain of this network namespace.
pub(super) fn chains() -> io::Result<Vec<Chain>> {
    let mut netlink = Netlink::open_family(NETLINK_NETFILTER)?;
    let mut ask = |kind| netlink.dump(&Request::new(SUBSYSTEM | kind, &[0; HEADER_LEN]));
    let mut chains: Vec<_> =
        ask(NFT_MSG_GETCHAIN)?.iter().filter_map(|(_, payload)| chain(payload)).collect();
    if chains.is_empty() {
        return Ok(chains);
    }
    let mut rules: BTreeMap<(u8, String, String), usize> = BTreeMap::new();
    for key in ask(NFT_MSG_GETRULE)?.iter().filter_map(|(_, payload)| rule(payload)) {
        *rules.entry(key).or_default() += 1;
    }
    for chain in &mut chains {
        let key = (chain.family, chain.table.clone(), chain.name.clone());
        chain.rules = rules.get(&key).copied().unwrap_or(0);
    }
    Ok(chains)
}

fn be32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

/// Parses a chain; `None` for one that is only jumped to.
pub(super) fn chain(payload: &[u8]) -> Option<Chain> {
    let all = Attributes::behind(HEADER_LEN, payload);
    let (table, name) = (all.text(NFTA_CHAIN_TABLE)?, all.text(NFTA_CHAIN_NAME)?);
    let drops = match all.get(NFTA_CHAIN_POLICY) {
        Some(policy) => be32(policy)? == NF_DROP,
        None => false,
    };
    let hooked = Attributes(all.get(NFTA_CHAIN_HOOK)?);
    let (family, hook) = (*payload.first()?, be32(hooked.get(NFTA_HOOK_HOOKNUM)?)?);
    let listed = |wanted| {
        let found = hooked.nested(NFTA_HOOK_DEVS).iter().filter(move |(kind, _)| *kind == wanted);
        found.map(|(_, value)| text(value))
    };
    let single = hooked.text(NFTA_HOOK_DEV);
    let mut devices: Vec<String> = single.into_iter().chain(listed(NFTA_DEVICE_NAME)).collect();
    // A chain with a single device is named by both attributes.
    devices.dedup();
    let prefixes = listed(NFTA_DEVICE_PREFIX).collect();
    Some(Chain { family, table, name, hook, devices, prefixes, drops, rules: 0 })
}

/// The chain that contains a rule.
fn rule(payload: &[u8]) -> Option<(u8, String, String)> {
    let all = Attributes::behind(HEADER_LEN, payload);
    Some((*payload.first()?, all.text(NFTA_RULE_TABLE)?, all.text(NFTA_RULE_CHAIN)?))
}

/// Chains of the bridge family and of devices.
pub(super) fn judge_chains(chains: &[Chain], ports: &Ports, into: &mut Findings) {
    for chain in chains.iter().filter(|chain| chain.does_something()) {
        let to_do = format!("nft delete table {} {}", chain.family_name(), chain.table);
        if chain.sees_forwarded(BRIDGE) {
            into.on_bridge(chain.describe(), to_do.clone());
        }
        if chain.family == NETDEV || (chain.family == INET && chain.hook == INET_INGRESS) {
            for (&port, name) in ports.iter().filter(|(_, name)| chain.is_at(name)) {
                let found = format!("{} on `{name}`", chain.describe());
                into.on_port(port, found, to_do.clone());
            }
        }
    }
}

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

pub(super) fn read_host(bridge: &Settings) -> Host {
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

/// Chains of the IP firewall that see bridged frames, and tables of the older tools.
pub(super) fn judge_host(host: &Host, chains: &[Chain], into: &mut Findings) {
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
