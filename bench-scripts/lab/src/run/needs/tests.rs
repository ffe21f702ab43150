use super::*;
use crate::run::tests::testing;

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
