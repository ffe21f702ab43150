use super::*;

const COLUMNS: &[Column] = &[
    Column { id: "name", title: "NAME", kind: Kind::Text, rank: 0 },
    Column { id: "to", title: "TO", kind: Kind::Address(6), rank: 2 },
    Column { id: "rx", title: "RX", kind: Kind::Number(5), rank: 1 },
    Column { id: "shed", title: "SHED", kind: Kind::Mark(4), rank: 3 },
];

fn grid() -> Grid {
    let row = |name: &str, to: &str, rx: Option<u64>| Row {
        cells: vec![
            Cell::text(name),
            Cell::text(to),
            Cell::number(rx, |n| n.to_string()),
            Cell::text(""),
        ],
        note: None,
    };
    Grid {
        columns: COLUMNS,
        rows: vec![
            row("v10", "10.0.0.100", Some(9)),
            row("v2", "10.0.0.2", Some(10)),
            row("v1", "10.0.0.1", None),
        ],
        empty: String::new(),
    }
}

fn names(filter: &str, column: usize, reversed: bool) -> Vec<String> {
    let mut grid = grid();
    grid.arrange(filter, Order { column, reversed });
    grid.rows.iter().map(|row| row.cells[0].text.clone()).collect()
}

#[test]
fn texts_ascend_and_numbers_descend_by_value() {
    assert_eq!(names("", 0, false), ["v1", "v2", "v10"]);
    assert_eq!(names("", 0, true), ["v10", "v2", "v1"]);
    assert_eq!(names("", 2, false), ["v2", "v10", "v1"]);
    assert_eq!(names("", 2, true), ["v10", "v2", "v1"], "what is not known stays below");
    assert_eq!(names("", 9, false), ["v10", "v2", "v1"], "no such column: as they came");
    assert_eq!(names("V1", 0, false), ["v1", "v10"]);
    assert_eq!(names("0.0.2", 0, false), ["v2"]);
    assert!(names("nowhere", 0, false).is_empty());
}

#[test]
fn what_does_not_fit_goes_by_rank_and_addresses_get_what_is_left() {
    let grid = grid();
    // name 5, to 6 to 10, rx 5, shed 4: 23 at least.
    assert_eq!(grid.fit(80), [(0, 5), (1, 10), (2, 5), (3, 4)]);
    assert_eq!(grid.fit(25), [(0, 5), (1, 8), (2, 5), (3, 4)]);
    assert_eq!(grid.fit(22), [(0, 5), (1, 10), (2, 5)]);
    assert_eq!(grid.fit(17), [(0, 5), (2, 5)]);
    assert_eq!(grid.fit(3), [(0, 3)]);
    for width in 1..100 {
        let fit = grid.fit(width);
        let used = fit.iter().map(|(_, has)| has).sum::<usize>() + fit.len() - 1;
        assert!(used <= width, "{width}: {fit:?}");
    }
}
