//! Whole files: valid ones, and their cells.

mod order;
pub(in crate::spec) mod sample;

use self::sample::{GOOD, good, told};
use super::*;
use crate::spec::{Family, Kind};

#[test]
fn the_experiments_of_the_project_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    let all = load_all(&folder).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(all[0].id, "A-E1");
    for experiment in &all {
        for quick in [false, true] {
            let cells = experiment.cells(quick).unwrap();
            assert_eq!(cells.len(), experiment.places(quick).len());
            let mut keys: Vec<String> = cells.iter().map(|cell| cell.place.key()).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), cells.len(), "{}", experiment.id);
        }
    }
}

#[test]
fn cells_are_in_order() {
    let places = |quick| {
        let cells = good().cells(quick).unwrap();
        cells.iter().map(|cell| cell.place.key()).collect::<Vec<String>>().join(" ")
    };
    insta::assert_snapshot!(places(false), @"weir_v4_30_r0 bridge_v4_30_r0 weir_v4_40_r0 bridge_v4_40_r0 weir_v6_30_r0 weir_v6_40_r0 weir_v4_30_r1 bridge_v4_30_r1 weir_v4_40_r1 bridge_v4_40_r1 weir_v6_30_r1 weir_v6_40_r1");
    insta::assert_snapshot!(places(true), @"weir_v4_40_r0 weir_v6_40_r0");
}

#[test]
fn variables_are_filled_in() {
    let cells = good().cells(true).unwrap();
    let scene = &cells[0].scene;
    assert_eq!(scene.vm[0].max, Some(40.0));
    assert_eq!((scene.window[1].from, scene.window[1].to), (1.5, 2.0));
    assert_eq!((scene.step[0].at, scene.step[0].weights.as_slice()), (1.0, &[1, 4][..]));
    assert_eq!((scene.traffic[1].kind, scene.traffic[1].start), (Kind::Probe, 1.0));
    assert_eq!(cells[1].scene.traffic[0].family, Family::V6);
    let full = good().cells(false).unwrap();
    assert_eq!((full[0].scene.step[0].at, full[0].scene.load[0].stop), (5.0, 10.0));
}

#[test]
fn vms_may_be_varied() {
    let text = GOOD
        .replace("vms = 2", "vms = '$x'")
        .replace("[30, 40]", "[2, 4]")
        .replace("[40]", "[4]")
        .replace("$x / 10", "$x / 2");
    let experiment = read(&text, "A-E9").unwrap();
    let vms: Vec<u8> = experiment.cells(false).unwrap().iter().map(|cell| cell.scene.vms).collect();
    assert_eq!(vms, [2, 2, 4, 4, 2, 4, 2, 2, 4, 4, 2, 4]);
}

#[test]
fn an_experiment_read_by_hand_says_where_its_error_is() {
    let mut experiment = good();
    experiment.vary = None;
    let error = experiment.cells(false).unwrap_err();
    insta::assert_snapshot!(error, @"A-E9.toml: variant 1.set.first: $x is what `vary` varies, and there is no [vary]: add it (with variant v4, $seconds = 10)");
}

#[test]
fn files_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    let told = |error: Error| {
        format!("{error:#}").replace(&folder.path().display().to_string(), "experiments")
    };
    let mut all = vec![told(load_all(folder.path()).unwrap_err())];
    all.push(told(load(&folder.path().join("A-E9.toml")).unwrap_err()));
    fs::write(folder.path().join("README.md"), "no experiment").unwrap();
    for id in ["E-router-tcp", "A-E9", "A-E1", "D-udp", "E-router"] {
        let paper = &id[..1];
        let text = GOOD
            .replace("\"A-E9\"", &format!("\"{id}\""))
            .replace("paper = \"A\"", &format!("paper = \"{paper}\""));
        fs::write(folder.path().join(format!("{id}.toml")), text).unwrap();
    }
    let ids: Vec<String> =
        load_all(folder.path()).unwrap().into_iter().map(|experiment| experiment.id).collect();
    assert_eq!(ids, ["A-E1", "A-E9", "D-udp", "E-router", "E-router-tcp"]);
    fs::write(folder.path().join("A-E2.toml"), GOOD).unwrap();
    all.push(told(load_all(folder.path()).unwrap_err()));
    fs::write(folder.path().join("A-E2.toml"), [0xff]).unwrap();
    all.push(told(load_all(folder.path()).unwrap_err()));
    all.push(told(load_all(&folder.path().join("none")).unwrap_err()));
    insta::assert_snapshot!(all.join("\n"), @r#"
    experiments: has no experiments: they are files called ID.toml
    experiments/A-E9.toml: cannot be read: No such file or directory (os error 2)
    experiments/A-E2.toml: line 1: id: the file is called A-E2.toml: rename it, or write id = "A-E2"
    experiments/A-E2.toml: cannot be read: stream did not contain valid UTF-8
    experiments/none: cannot be read: No such file or directory (os error 2)
    "#);
}

#[test]
fn what_is_no_experiment() {
    let all = [
        told("title = \"A title\"\n", ""),
        told("title = ", "titel = "),
        told("title = ", "title "),
        told("repetitions = 2", "repetitions = 'two'"),
        told("kind = \"bridge\"", "kind = \"switch\""),
        told("least = 0.98", "at-least = 0.98"),
    ];
    // The list of the others grows with time.
    let all = all.map(|what| what.split(", expected one of").next().unwrap().to_owned());
    insta::assert_snapshot!(all.join("\n"), @r#"
    line 1: missing field `title`
    line 2: unknown field `titel`
    line 2: key with no value, expected `=`
    line 9: invalid type: string "two", expected u32
    line 27: unknown variant `switch`
    line 63: unknown field `at-least`
    "#);
}

#[test]
fn a_line_may_be_divided() {
    for over in ["peer = 'weir'", "quantity = 'alone.vm1.mbit', variant = 'v4', x = 30"] {
        let text =
            GOOD.replace("\"VM 1\", peers", &format!("\"VM 1\", over = {{ {over} }}, peers"));
        assert!(read(&text, "A-E9").is_ok(), "{over}");
    }
}
