use super::*;
use crate::run::tests::testing;

fn store(folder: &Path, weir: &str) -> Store {
    Store::new(folder, "X-1", false, &testing::machine(), weir)
}

#[test]
fn finds_what_it_kept_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let cells = testing::cells(2, 2, 2);
    let ours = store(folder.path(), "weir-a");
    let measured = testing::measured(&cells[0], 3.0);
    assert_eq!(ours.find(&cells[0]), None);
    ours.keep(&cells[0], &measured).unwrap();
    assert_eq!(ours.find(&cells[0]), Some(measured));
    assert_eq!(ours.find(&cells[1]), None);

    assert_eq!(store(folder.path(), "weir-b").find(&cells[0]), None);
    let mut changed = cells[0].clone();
    changed.scene.vms += 1;
    assert_eq!(ours.find(&changed), None);
    let mut other = cells[0].clone();
    other.peer.title = Some("only said otherwise".to_owned());
    assert!(ours.find(&other).is_some());
    other.peer.config.insert("scheduler".to_owned(), "other".into());
    assert_eq!(ours.find(&other), None);
    let mut elsewhere = testing::machine();
    elsewhere.kernel = "7".to_owned();
    let elsewhere = Store::new(folder.path(), "X-1", false, &elsewhere, "weir-a");
    assert_eq!(elsewhere.find(&cells[0]), None);
}

#[test]
fn measures_again_what_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let cell = testing::cells(1, 0, 1).remove(0);
    let ours = store(folder.path(), "weir-a");
    ours.keep(&cell, &testing::measured(&cell, 3.0)).unwrap();
    let path = ours.path(&cell);
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert_eq!(ours.find(&cell), None);
}

#[test]
fn whole_results_come_before_quick_ones() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(kept(folder.path(), "X-1").unwrap(), None);
    let mut results = testing::results("X-1", true);
    write_results(folder.path(), &results).unwrap();
    assert_eq!(kept(folder.path(), "X-1").unwrap(), Some(results.clone()));
    results.quick = false;
    write_results(folder.path(), &results).unwrap();
    assert_eq!(kept(folder.path(), "X-1").unwrap(), Some(results));
    let mode = fs::metadata(folder.path().join("X-1.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o444, 0o444);

    fs::write(folder.path().join("X-1.json"), "{").unwrap();
    let error = format!("{:#}", kept(folder.path(), "X-1").unwrap_err());
    assert!(error.contains("remove it, or run X-1 again"), "{error}");
}

#[test]
fn one_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = lock(folder.path()).unwrap();
    assert!(lock(folder.path()).is_err());
    drop(first);
    lock(folder.path()).unwrap();
}
