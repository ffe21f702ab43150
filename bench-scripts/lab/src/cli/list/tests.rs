use super::*;

fn kept(quick: bool) -> Kept {
    Kept {
        quick,
        date: "2025-01-02T03:04:05Z".to_owned(),
        commit: "0123456789ab".to_owned(),
        dirty: false,
        checks: 3,
        failing: vec!["everything arrives".to_owned()],
        unmeasured: 0,
        outdated: false,
        scale: None,
    }
}

fn one(id: &str, kept: Option<Kept>) -> Row {
    Row {
        id: id.to_owned(),
        title: "Equal maximum rates".to_owned(),
        paper: "A".to_owned(),
        claim: "It is so.".to_owned(),
        peers: vec!["weir".to_owned(), "bridge".to_owned()],
        whole: Amount { cells: 160, seconds: 1920.0 },
        quick: Amount { cells: 8, seconds: 32.0 },
        kept,
    }
}

#[test]
fn shows_what_there_is() {
    let bad = Kept { unmeasured: 2, outdated: true, scale: Some(0.43), ..kept(true) };
    let good = Kept { failing: Vec::new(), ..kept(false) };
    let rows = [one("A-E1", None), one("A-E2", Some(good)), one("E-latency", Some(bad))];
    insta::assert_snapshot!(table(&rows), @"
        A-E1       Equal maximum rates
                   160 cells, 32 min; quick 8, 32 s; weir, bridge
                   not run yet
        A-E2       Equal maximum rates
                   160 cells, 32 min; quick 8, 32 s; weir, bridge
                   whole run of 2025-01-02: 3 of 3 checks hold
        E-latency  Equal maximum rates
                   160 cells, 32 min; quick 8, 32 s; weir, bridge
                   quick run of 2025-01-02: 2 of 3 checks hold at 0.43 of the file's rates, 2 cells not measured; its file has changed since

        3 experiments: 480 cells, 96 min; quick 24 cells, 96 s
        ");
}
