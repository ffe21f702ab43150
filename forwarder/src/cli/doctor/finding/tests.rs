use super::*;

fn sample() -> Report {
    let mut report = Report::default();
    report.section("host");
    report.add(Level::Ok, "kernel", "Linux 6.18.0");
    report.section("v1");
    report.with_fix(
        Level::Warn,
        "gate",
        "left to the bridge: `v1` has mab on, and this sentence is long enough for two lines",
        "ip link set dev v1 type bridge_slave mab off",
    );
    report
}

#[test]
fn stands_in_columns() {
    let expected = "\
host
  ok    kernel  Linux 6.18.0

v1
  warn  gate    left to the bridge: `v1` has mab on, and this sentence is long
                enough for two lines
                -> ip link set dev v1 type bridge_slave mab off

no failure, 1 warning, no note
";
    assert_eq!(sample().text(Paint::PLAIN), expected);
    assert!(sample().text(Paint::PLAIN).lines().all(|line| line.chars().count() <= WIDTH));
}

#[test]
fn a_failure_shows_in_json_and_in_the_exit_code() {
    let mut report = sample();
    assert!(!report.fails());
    report.add(Level::Fail, "native", "occupied");
    assert!(report.fails());
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!((&json["ok"], &json["version"]), (&false.into(), &VERSION.into()));
    assert!(report.text(Paint { on: true }).contains("\x1b[1;31mFAIL\x1b[0m  native"));
    assert_eq!(json["findings"][1]["fix"], "ip link set dev v1 type bridge_slave mab off");
    assert_eq!(json["findings"][2]["level"], "fail");
    assert!(json["findings"][2].get("fix").is_none());
}
