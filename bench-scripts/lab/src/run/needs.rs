//! Programs that cells take. Invariant: what is missing is said before anything is measured.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::cell::Cell;
use crate::spec::{Kind, What};

/// Every bed's.
const ALWAYS: [&str; 3] = ["ip", "tc", "ethtool"];

pub(super) fn of<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> BTreeSet<&'static str> {
    let mut needs = BTreeSet::from(ALWAYS);
    for scene in cells.into_iter().map(|cell| &cell.scene) {
        if scene.traffic.iter().any(|traffic| traffic.kind == Kind::Tcp) {
            needs.insert("iperf3");
        }
        needs.extend(scene.load.iter().map(|load| match load.what {
            What::Burn => "stress-ng",
            What::Disk => "fio",
        }));
    }
    needs
}

pub(super) fn ensure(needs: &BTreeSet<&'static str>) -> Result<()> {
    let missing: Vec<&str> = needs.iter().copied().filter(|name| !exists(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "there is no {} on this machine: `cargo xtask setup` installs it",
        missing.join(" and no ")
    )
}

fn exists(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // As root from a service or by `su`, PATH may lack these, where `ip` lives.
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing;

    #[test]
    fn asks_for_what_scenes_use() {
        let mut cells = testing::cells(1, 0, 1);
        assert_eq!(of(&cells), BTreeSet::from(ALWAYS));
        cells[0].scene = toml::from_str(
            r#"
            vms = 1
            window = [{ name = "w", from = 0, to = 1 }]
            traffic = [{ kind = "tcp", from = "vm1", to = "uplink" }]
            load = [{ what = "disk", at = "vm1", start = 0, stop = 1 }]
            "#,
        )
        .unwrap();
        assert_eq!(of(&cells), BTreeSet::from(["ip", "tc", "ethtool", "iperf3", "fio"]));
    }

    #[test]
    fn names_what_is_missing() {
        ensure(&BTreeSet::from(["sh"])).unwrap();
        let error = ensure(&BTreeSet::from(["no-such-a", "no-such-b", "sh"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no no-such-a and no no-such-b on this machine: `cargo xtask setup` installs it"
        );
    }
}
