use super::*;
use crate::observe::dump::samples;

#[test]
fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("latency.hlog");
    write(&path, "one\n").unwrap();
    write(&path, "other\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "other\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let nowhere = dir.path().join("no/such");
    let error = format!("{:#}", write(&nowhere, "").unwrap_err());
    assert!(error.starts_with(&format!("{}: ", nowhere.display())), "{error}");
    let occupied = dir.path().join("folder");
    fs::create_dir_all(occupied.join("within")).unwrap();
    write(&occupied, "text").unwrap_err();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn what_a_weir_leaves_and_what_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deep/dumps");
    let (latency, flows) = (samples::latency(), samples::flows());
    let stats = crate::observe::samples::report();
    assert_eq!(write_last(&folder, &stats, &latency, &flows), [""; 0]);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    let expected = [
        "flows.csv",
        "flows.json",
        "latency.csv",
        "latency.hgrm",
        "latency.hlog",
        "latency.json",
        "loss.csv",
        "stats.json",
    ];
    assert_eq!(names, expected);
    let text = fs::read_to_string(folder.join("stats.json")).unwrap();
    assert_eq!(serde_json::from_str::<StatsReport>(&text).unwrap(), stats);

    let mut bare = latency.clone();
    bare.vifs[0].stages[0].histogram = None;
    let wrong = write_last(&folder, &stats, &bare, &flows);
    assert_eq!(wrong, ["weir's answer has no histogram of v1.steer: is it another version?"]);
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(write_last(&file, &stats, &latency, &flows).len(), 1);
}
