use super::*;
use weir_probe::timing::Spread;

#[test]
fn the_first_is_drawn_and_all_are_logged() {
    let (mut one, other) = (Spread::default(), Spread::default());
    for n in 1..=1000_u64 {
        one.record(n * 1_000);
    }
    let named: [Named<'_>; 2] = [("latency", &one), ("waking", &other)];
    let folder = tempfile::tempdir().unwrap();
    let [hgrm, hlog] = ["a.hgrm", "a.hlog"].map(|name| folder.path().join(name));
    let output = OutputArgs { json: false, hgrm: Some(hgrm.clone()), hlog: Some(hlog.clone()) };
    save(&output, &named, 2_000_000_000, 3_000_000_000).unwrap();
    let drawn = std::fs::read_to_string(&hgrm).unwrap();
    let last = drawn.lines().rfind(|line| !line.starts_with('#')).unwrap();
    assert!(last.split_whitespace().eq(["1000.447", "1.000000000000", "1000"]), "{drawn}");
    let log = std::fs::read_to_string(&hlog).unwrap();
    assert!(log.contains("Tag=latency,") && log.contains("Tag=waking,"), "{log}");
    let taken = OutputArgs { hgrm: Some(folder.path().to_owned()), ..OutputArgs::default() };
    assert!(save(&taken, &named, 2_000_000_000, 0).is_err());
}
