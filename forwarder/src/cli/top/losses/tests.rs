use super::*;
use crate::cli::{render::samples::report, top::sample::Sample};

#[test]
fn every_reason_has_its_rate_its_places_and_its_sentence() {
    let before = Sample { stats: report(), ..Sample::default() };
    let mut after = before.clone();
    after.stats.uptime_ns += 2_000_000_000;
    after.stats.ledger.lost_by_reason.insert("queue_full".to_owned(), 4_400);
    after.stats.ledger.lost_by_reason.insert("not_of_this_version".to_owned(), 2);
    let grid = grid(&Span::new(Some(&before), &after));
    let row = |name: &str| grid.rows.iter().find(|row| row.cells[0].text == name).unwrap();
    let texts: Vec<&str> = row("queue_full").cells.iter().map(|cell| cell.text.as_str()).collect();
    assert_eq!(texts[..3], ["queue_full", "200", "4,400"]);
    assert_eq!(texts[4], "v1 4,000");
    assert_eq!(row("queue_full").note, Some(Reason::QueueFull.describe()));
    assert_eq!(row("port_gone").cells[1].text, "0");
    assert_eq!(row("not_of_this_version").note, None);
}

#[test]
fn nothing_lost_is_said() {
    let grid = grid(&Span::new(None, &Sample::default()));
    assert!(grid.rows.is_empty());
    assert_eq!(grid.empty, "nothing lost");
}
