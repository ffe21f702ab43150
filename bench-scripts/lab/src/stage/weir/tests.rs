use super::super::owed::tests::scene;
use super::*;

#[test]
fn promises_become_lines_of_ports() {
    let peer = toml::from_str(
        "name = 'it'\nkind = 'weir'\nidle = 'spin'\nmode = 'native'\nlane = 'auto'\nconfig.scheduler = { policy = 'fifo' }",
    )
    .unwrap();
    let scene = scene(
        "vms = 3\nlink = 100.5\nvm = [{ number = 1, weight = 4, min = 2.5 }, { number = 3, max = 33.3333333 }]",
    );
    let spec = spec(&peer, &scene).unwrap();
    assert_eq!((spec.idle, spec.mode, spec.lane), ("spin", "native", "auto"));
    assert_eq!(spec.workers, [1]);
    assert_eq!(spec.extra, "[scheduler]\npolicy = \"fifo\"\n");
    let ports: Vec<String> =
        spec.ports.iter().map(|(name, lines)| format!("{name}\n{lines}")).collect();
    insta::assert_snapshot!(ports.concat(), @r#"
        nic0
        rate = "100500000bit"
        v1
        weight = 4
        min-rate = "2500000bit"
        v3
        weight = 1
        max-rate = "33333333bit"
        "#);
}

#[test]
fn new_weights_are_a_change_of_the_vms_ports() {
    let change = change(&[30, 1]).to_string();
    assert_eq!(change, r#"{"ports":{"v1":{"weight":30},"v2":{"weight":1}}}"#);
}
