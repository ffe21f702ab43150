use super::*;

#[test]
fn the_last_line_says_what_went_by_the_express_lane_and_why_frames_were_lost() {
    let mut ledger =
        LedgerReport { received: 9, delivered: 9, balanced: true, ..LedgerReport::default() };
    let expected = "received 9 + copies 0 = delivered 9 + passed 0 + lost 0 + in flight 0";
    assert_eq!(summary(&ledger), expected);
    ledger = LedgerReport {
        received: 12,
        delivered: 8,
        express: 7,
        lost: 3,
        balanced: false,
        lost_by_reason: [("shed".to_owned(), 2), ("shutdown".to_owned(), 1)].into(),
        ..ledger
    };
    let expected = "received 12 + copies 0 = delivered 8 (7 by the express lane) + passed 0 \
                        + lost 3 (shed 2, shutdown 1) + in flight 0 (NOT balanced: please report it)";
    assert_eq!(summary(&ledger), expected);
}
