use super::*;
use proptest::prelude::*;

/// A scene with only this part filled in.
fn scene(text: &str) -> Scene {
    toml::from_str(&format!("{text}\nwindow = [{{ name = 'all', from = 0, to = 1 }}]")).unwrap()
}

fn near(owed: Option<Vec<f64>>, wanted: &[f64]) {
    let owed = owed.unwrap();
    let off = owed.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(owed.len() == wanted.len() && off < 1e-6, "{owed:?} is not {wanted:?}");
}

#[test]
fn promises_weights_and_demands_share_a_link() {
    let scene =
        scene("vms = 3\nlink = 100\nvm = [{ number = 1, min = 50 }, { number = 3, weight = 4 }]");
    near(scene.owed(&[], &[]), &[50.0, 10.0, 40.0]);
    near(scene.owed(&[1, 1, 1], &[]), &[50.0, 25.0, 25.0]);
    near(scene.owed(&[1, 3], &[Some(8.0)]), &[8.0, 276.0 / 7.0, 368.0 / 7.0]);
    near(scene.owed(&[], &[None, Some(0.0), None]), &[50.0, 0.0, 50.0]);
}

#[test]
fn without_a_link_maxima_are_owed_if_everybody_has_one() {
    let capped = scene("vms = 2\nvm = [{ number = 1, max = 30 }, { number = 2, max = 40 }]");
    near(capped.owed(&[], &[]), &[30.0, 40.0]);
    near(capped.owed(&[5], &[None, Some(7.5)]), &[30.0, 7.5]);
    assert!(scene("vms = 2\nvm = [{ number = 1, max = 30 }]").owed(&[], &[]).is_none());
    assert!(scene("vms = 2").owed(&[], &[]).is_none());
}

#[test]
fn weights_that_end_early_are_followed_by_the_scenes() {
    let scene = scene("vms = 3\nvm = [{ number = 3, weight = 7 }]");
    assert_eq!(scene.all_weights(&[]), [1, 1, 7]);
    assert_eq!(scene.all_weights(&[5]), [5, 1, 7]);
}

proptest! {
    /// Nothing is owed twice, no VM more than its demand, and the link is full if the demand suffices.
    #[test]
    fn what_is_owed_fills_the_link_and_no_more(
        weights in prop::collection::vec(1_u32..100, 1..8),
        demands in prop::collection::vec(prop::option::of(0.0_f64..200.0), 8),
    ) {
        let scene = scene(&format!("vms = {}\nlink = 100", weights.len()));
        let owed = scene.owed(&weights, &demands).unwrap();
        let asked: f64 = owed.iter().zip(&demands).map(|(_, d)| d.unwrap_or(100.0)).sum();
        let sum: f64 = owed.iter().sum();
        prop_assert!((sum - asked.min(100.0)).abs() < 1e-3, "{owed:?} of {demands:?}");
        for (owed, demand) in owed.iter().zip(&demands) {
            prop_assert!(*owed <= demand.unwrap_or(100.0) + 1e-6);
        }
    }
}

#[test]
fn promises_become_lines_of_ports() {
    let peer = toml::from_str(
        "name = 'it'\nkind = 'weir'\nidle = 'spin'\nmode = 'native'\nlane = 'auto'\nconfig.scheduler = { policy = 'fifo' }",
    )
    .unwrap();
    let scene = scene(
        "vms = 3\nlink = 100.5\nvm = [{ number = 1, weight = 4, min = 2.5 }, { number = 3, max = 33.3333333 }]",
    );
    let spec = weir(&peer, &scene).unwrap();
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
