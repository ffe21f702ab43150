use super::*;

#[test]
fn a_star_is_one_part_but_not_all() {
    assert!(matches("both.vm1.mbit", "both.vm1.mbit"));
    assert!(matches("both.*.mbit", "both.vm1.mbit"));
    assert!(matches("*.*.of_owed", "one.vm1.of_owed"));
    assert!(matches("*.vm1.mbit", "all.vm1.mbit"));
    for (pattern, name) in [
        ("both.*.mbit", "both.all.mbit"),
        ("both.*.mbit", "alone.vm1.mbit"),
        ("both.*.mbit", "both.vm1.kpps"),
        ("both.vm1.mbit", "both.vm12.mbit"),
        ("*.mbit", "both.vm1.mbit"),
    ] {
        assert!(!matches(pattern, name), "{pattern}, {name}");
    }
}

#[test]
fn rates_are_told_from_shares_and_times() {
    for rate in ["both.vm1.mbit", "*.*.owed_mbit", "run.all.goodput_mbit", "vm1.mbit"] {
        assert!(is_rate(rate), "{rate}");
    }
    for other in ["run.all.loss", "run.all.link", "run.vm1.of_owed", "run.ask.answers_per_s"] {
        assert!(!is_rate(other), "{other}");
    }
}

#[test]
fn what_is_left_open_is_bound_by_place() {
    assert_eq!(bind("alone.*.mbit", "both.vm2.mbit"), "alone.vm2.mbit");
    assert_eq!(bind("alone.vm1.kpps", "both.vm2.mbit"), "alone.vm1.kpps");
    assert_eq!(open_parts("both.*.mbit", "both.vm2.mbit"), "vm2");
    assert_eq!(open_parts("*.*.mbit", "both.vm2.mbit"), "both.vm2");
    assert_eq!(open_parts("both.vm2.mbit", "both.vm2.mbit"), "");
}

fn scene(link: &str) -> Scene {
    let text = format!(
        r#"vms = 2
            {link}
            traffic = [
                {{ kind = "flood", from = "vm1", to = "uplink", size = 100 }},
                {{ kind = "probe", from = "vm2", to = "uplink", size = 100, name = "polite" }},
                {{ kind = "ask", from = "uplink", to = "vm2", size = 100 }},
            ]
            window = [{{ name = "both", from = 0, to = 1 }}]"#
    );
    toml::from_str(&text).unwrap()
}

#[test]
fn known_names() {
    for name in [
        "both.vm1.mbit",
        "both.*.of_owed",
        "*.vm2.least",
        "both.all.jain",
        "both.polite.p99_us",
        "both.polite.loss",
        "both.vm2.answers_per_s",
        "both.vm2.records_per_s",
        "both.cpu.us_per_packet",
        "both.weir.released_playout",
        "both.events.dtlb_misses",
    ] {
        assert_eq!(check_value(name, &scene("link = 100"), PeerKind::Weir), Ok(()));
    }
    for name in ["vm1.mbit", "polite.p99_us", "cpu.worker"] {
        assert_eq!(check_series(name, &scene(""), PeerKind::Bridge), Ok(()));
    }
}

#[test]
fn unknown_names() {
    let value = |name, link| check_value(name, &scene(link), PeerKind::Bridge).unwrap_err();
    let series = |name| check_series(name, &scene(""), PeerKind::Bridge).unwrap_err();
    let all = [
        value("vm1.mbit", ""),
        value("alone.vm1.mbit", ""),
        value("both.vm3.mbit", ""),
        value("both.vm1.mbits", ""),
        value("both.vm1.p99_us", ""),
        value("both.vm1.of_owed", ""),
        value("both.*.of_owed", ""),
        value("both.*.jain", "link = 100"),
        value("both.weir.released_full", ""),
        series("both.vm1.mbit"),
        series("*.mbit"),
        series("vm1.least"),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
        `vm1.mbit` is no quantity: write `window.who.what`
        `alone.vm1.mbit`: there is no window `alone`, valid: both
        `both.vm3.mbit`: there is no `vm3` here, valid: all, cpu, events, polite, vm1, vm2
        `both.vm1.mbits`: `vm1` has no `mbits` here, valid: mbit, kpps, goodput_mbit, offered_mbit, offered_kpps, loss, least, most
        `both.vm1.p99_us`: `vm1` has no `p99_us` here, valid: mbit, kpps, goodput_mbit, offered_mbit, offered_kpps, loss, least, most
        `both.vm1.of_owed`: `vm1` has no `of_owed` here, valid: mbit, kpps, goodput_mbit, offered_mbit, offered_kpps, loss, least, most
        `both.*.of_owed`: `of_owed` is measured of none here
        `both.*.jain`: `jain` is measured of none here
        `both.weir.released_full`: there is no `weir` here, valid: all, cpu, events, polite, vm1, vm2
        `both.vm1.mbit` is no series over time: write `who.what`
        `*.mbit`: a line needs one name in place of `*`
        `vm1.least` is of a whole window and has no series
        ");
}
