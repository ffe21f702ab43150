use super::*;

#[test]
fn every_name_is_there_and_every_line_fits() {
    let text = counters();
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    for reason in Reason::ALL {
        assert!(text.contains(&format!("\n  {}\n", reason.name())));
    }
    for counter in PortCounter::ALL {
        assert!(text.contains(&format!("\n  {}\n", counter.name())));
    }
    for counter in Counter::all() {
        assert!(text.contains(&format!("\n  {}\n", counter.name())));
    }
    for stage in weir_core::Stage::ALL {
        assert!(text.contains(&format!("\n  {}\n", stage.name())));
    }
    for reason in weir_core::ReleaseReason::ALL {
        assert!(text.contains(&format!("\n  {reason}\n")));
    }
    assert!(text.starts_with(
        "PORTS\n  rx\n      What the port's guest or link sent; a superframe is one frame.\n"
    ));
}
