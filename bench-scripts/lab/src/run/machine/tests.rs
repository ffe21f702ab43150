use super::*;

#[test]
fn knows_dates() {
    // What `date -u -d @N` says.
    let known = [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_709_210_096, "2024-02-29T12:34:56Z"),
        (1_767_225_599, "2025-12-31T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
    ];
    for (unix_s, date) in known {
        assert_eq!(utc(unix_s), date);
    }
}

#[test]
fn reads_the_name_of_the_processor() {
    let text = "processor\t: 0\nmodel name\t: Some  CPU @ 2.1GHz \nmodel name\t: other\n";
    assert_eq!(model(text).as_deref(), Some("Some CPU @ 2.1GHz"));
    assert_eq!(model("processor : 0\n"), None);
}

#[test]
fn finds_out_about_this_one() {
    let here = Machine::here(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(!here.kernel.is_empty() && here.cores > 0 && !here.cpu.is_empty());
    let nowhere = Machine::here(Path::new("/proc"));
    assert_eq!((nowhere.commit.as_str(), nowhere.dirty), (UNKNOWN, false));
}
