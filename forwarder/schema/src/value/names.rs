//! Settings that name something: interfaces, paths, addresses, cores.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;
use toml::de::DeValue;
use weir_core::Mac;

use super::{Value, shown, text, texts, valid, whole};
use crate::{
    problem::{Fault, fault},
    setting::{Context, Kind, Node},
};

/// `sun_path` holds 108 bytes with the closing zero.
const MAX_SOCKET_PATH_LEN: usize = 107;
/// IFNAMSIZ minus the closing zero.
const MAX_NAME_LEN: usize = 15;
/// The most addresses in a lock.
const MAX_LOCKS: usize = 256;

texts! {
    /// The name of an interface.
    String, in (): |()| {
        Kind::new(
            "NAME|none",
            "an interface's name, such as \"eth1\": 1 to 15 characters without spaces, slashes and \
             colons",
        )
    },
    |name, ()| match is_interface_name(name) {
        true => Ok(name.to_owned()),
        false => Err(format!("\"{name}\" cannot be an interface's name")),
    };

    /// An address on this machine only.
    SocketAddr, in (): |()| {
        Kind::new("ADDRESS|none", "a loopback address and port, such as \"127.0.0.1:9477\"")
    },
    |text, ()| match text.parse::<Self>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(address) => Err(format!("{address} is not a loopback address")),
        Err(_) => Err(format!("\"{text}\" is not an address with a port")),
    };

    /// The path of a socket.
    PathBuf, in (): |()| {
        Kind::new("PATH|none", "an absolute path of at most 107 bytes, such as \"/run/weir.sock\"")
    },
    |path, ()| check_control(Path::new(path)).map(|()| path.into());
}

/// Whether the kernel could give an interface this name.
pub fn is_interface_name(name: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
}

/// Whether a socket could be made at this path.
pub fn check_control(path: &Path) -> Result<(), String> {
    let shown = path.display();
    if !path.is_absolute() || path.file_name().is_none() {
        return Err(format!("\"{shown}\" is not the absolute path of a file"));
    }
    let len = path.as_os_str().len();
    if len > MAX_SOCKET_PATH_LEN {
        return Err(format!("the path is too long for a socket ({len} bytes)"));
    }
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err("the path has a zero byte in it".to_owned());
    }
    Ok(())
}

/// The core of one of the workers.
impl Value for usize {
    type Range = ();

    fn kind((): &()) -> Kind {
        Kind::new("CORE|none", "a core of [forwarder] workers")
    }

    fn read(node: &Node<'_>, (): &(), context: &Context<'_>) -> Result<Self, Vec<Fault>> {
        let valid = format!("{}: {}", valid(Self::kind(&())), joined(context.workers));
        let core = whole(node.get_ref(), &valid)?;
        match context.workers.iter().find(|worker| **worker as u64 == core) {
            Some(worker) => Ok(*worker),
            None => fault(format!("there is no worker on core {core}"), valid),
        }
    }
}

/// Cores of this machine, each once; the bounds are of their number.
impl Value for Vec<usize> {
    type Range = RangeInclusive<usize>;

    fn kind(range: &Self::Range) -> Kind {
        let (least, most) = (range.start(), range.end());
        let valid = format!("a list of {least} to {most} cores, such as [1]");
        Kind::new("CORE[,CORE]|none", valid)
    }

    fn read(
        node: &Node<'_>,
        range: &Self::Range,
        context: &Context<'_>,
    ) -> Result<Self, Vec<Fault>> {
        let valid = valid(Self::kind(range));
        let (known, mut seen) = (&context.host.cores, Self::new());
        let cores = list(node, &valid, *range.end(), |value| {
            let valid = format!("valid: {}", joined(known));
            let core = whole(value, &valid)?;
            match known.iter().copied().find(|known| *known as u64 == core) {
                None => fault(format!("there is no core {core}"), valid),
                Some(core) if seen.contains(&core) => {
                    fault(format!("core {core} is listed twice"), "valid: each core once")
                }
                Some(core) => {
                    seen.push(core);
                    Ok(core)
                }
            }
        })?;
        if cores.is_empty() { fault("the list is empty", valid) } else { Ok(cores) }
    }
}

fn joined(cores: &[usize]) -> String {
    cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

macro_rules! locks {
    ($($address:ty: $value_name:literal, $such_as:literal, $read:path;)+) => {$(
        /// Source addresses; duplicates count once.
        impl Value for Vec<$address> {
            type Range = ();

            fn kind((): &()) -> Kind {
                Kind::new($value_name, concat!("a list of addresses, such as ", $such_as))
            }

            fn read(node: &Node<'_>, (): &(), _: &Context<'_>) -> Result<Self, Vec<Fault>> {
                let mut locks = Self::new();
                for address in list(node, &valid(Self::kind(&())), MAX_LOCKS, $read)? {
                    if !locks.contains(&address) {
                        locks.push(address);
                    }
                }
                Ok(locks)
            }

            fn of_text(text: &str) -> Result<Json, String> {
                let items = text.split(',').map(|item| match item.parse::<$address>() {
                    Ok(item) => Ok(item.to_string()),
                    Err(_) => Err(format!("\"{item}\" is no such address")),
                });
                items.collect::<Result<Vec<String>, String>>().map(Json::from)
            }
        }
    )+};
}
locks! {
    Mac: "MAC[,MAC]|none", "[\"02:00:00:00:00:01\"]", mac;
    IpAddr: "IP[,IP]|none", "[\"10.0.0.1\", \"fd00::1\"]", ip;
}

fn mac(value: &DeValue<'_>) -> Result<Mac, Vec<Fault>> {
    let valid = "valid: six pairs of hex digits, such as \"02:00:00:00:00:01\"";
    let text = text(value, valid)?;
    let Ok(mac) = text.parse::<Mac>() else {
        return fault(format!("\"{text}\" is not a MAC address"), valid);
    };
    if mac.is_multicast() || mac.to_u64() == 0 {
        let wrong = format!("{text} cannot be a sender: it is a group's address, or none");
        return fault(wrong, "valid: one interface's address (its first byte is even)");
    }
    Ok(mac)
}

fn ip(value: &DeValue<'_>) -> Result<IpAddr, Vec<Fault>> {
    let valid = "valid: an IPv4 or IPv6 address without prefix length, such as \"10.0.0.1\"";
    let text = text(value, valid)?;
    let Ok(ip) = text.parse::<IpAddr>() else {
        return fault(format!("\"{text}\" is not an IP address"), valid);
    };
    if ip.is_multicast() || ip.is_unspecified() {
        let wrong = format!("{ip} cannot be a sender: it is a group's address, or none");
        return fault(wrong, "valid: one interface's address");
    }
    Ok(ip)
}

/// A list whose items are read one by one; a bad item is reported at its place.
fn list<T>(
    node: &Node<'_>,
    valid: &str,
    most: usize,
    mut read: impl FnMut(&DeValue<'_>) -> Result<T, Vec<Fault>>,
) -> Result<Vec<T>, Vec<Fault>> {
    let DeValue::Array(items) = node.get_ref() else {
        return fault(format!("{} is not a list", shown(node.get_ref())), valid);
    };
    if items.len() > most {
        let wrong = format!("{} items are too many", items.len());
        return fault(wrong, format!("valid: at most {most}"));
    }
    let (mut values, mut faults) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        match read(item.get_ref()) {
            Ok(value) => values.push(value),
            Err(found) => {
                let found = found.into_iter();
                faults.extend(found.map(|fault| Fault { span: Some(item.span()), ..fault }));
            }
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}
