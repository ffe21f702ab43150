use super::*;

fn names(scales: &[&str]) -> Vec<String> {
    let scales: Vec<Scale> = scales.iter().map(|text| toml::from_str(text).unwrap()).collect();
    cells(scales.iter()).unwrap().into_iter().map(|cell| cell.place.peer).collect()
}

#[test]
fn only_what_is_asked_for_is_measured() {
    let (mbit, pps) = ("mbit = 1\nshare = 1", "pps = 1\nshare = 1");
    assert_eq!(names(&[]), [""; 0]);
    assert_eq!(names(&[mbit, mbit]), ["tcp"]);
    assert_eq!(names(&[mbit, pps]), ["frames", "tcp"]);
}

#[test]
fn the_worst_window_counts() {
    let scene: Scene = toml::from_str(FRAMES).unwrap();
    let mut outcome = Outcome::default();
    for (window, kpps) in scene.window.iter().zip([300.0, 320.0, 150.0, 310.0, 330.0]) {
        outcome.values.insert(format!("{}.all.kpps", window.name), kpps);
    }
    assert_eq!(least(&outcome, &scene, "kpps").unwrap(), 150.0);
    outcome.values.remove("w3.all.kpps");
    let error = least(&outcome, &scene, "kpps").unwrap_err();
    assert_eq!(error.to_string(), "nothing came through weir: no rate can be fitted to that");
}
