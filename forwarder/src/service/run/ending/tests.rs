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
