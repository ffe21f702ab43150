use std::future::pending;

use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn work_goes_on_until_it_is_done() {
    let (_tell, told) = watch::channel(None);
    assert_eq!(End(told).bound(async { 3 }).await, Some(3));
}

#[tokio::test]
async fn who_is_told_to_end_ends() {
    let (tell, told) = watch::channel(None);
    let end = End(told);
    let other = end.clone();
    let began = Instant::now();
    let stuck = tokio::spawn(async move { other.bound(pending::<()>()).await });
    tell.send(Some(Ending::HandOver)).unwrap();
    assert_eq!(stuck.await.unwrap(), None);
    assert!(began.elapsed() >= WORK_ENDS && began.elapsed() < 50 * WORK_ENDS);
    // Work that begins later is cut short as well, and work that takes no time is done.
    assert_eq!(end.bound(pending::<()>()).await, None);
    assert_eq!(end.bound(async { 3 }).await, Some(3));
    end.requested().await;
    assert_eq!(end.ending(), Ending::HandOver);
}

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
