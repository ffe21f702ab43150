use super::*;

#[tokio::test]
async fn one_at_a_time_and_the_second_hears_of_the_first() {
    let slot = Arc::new(WatchSlot::default());
    let query = WatchQuery { ports: vec!["v1".into()], ..WatchQuery::new(Kind::Capture) };
    let first = slot.claim(&query, "curl/8").unwrap();
    let refused = slot.claim(&WatchQuery::new(Kind::Trace), "x").unwrap_err();
    assert_eq!(refused.why, StatusCode::CONFLICT);
    assert!(refused.error.starts_with("a capture of v1 (curl/8) has been watching for 0 s"));
    assert_eq!(slot.end(Some(first.id + 1)), None, "another one is meant");
    assert_eq!(slot.end(Some(first.id)).as_deref(), Some("a capture of v1 (curl/8)"));
    first.stopped().await;
    drop(first);
    assert_eq!(slot.end(None), None);
    let second = slot.claim(&WatchQuery::new(Kind::Trace), "x").unwrap();
    let closing = tokio::spawn({
        let slot = Arc::clone(&slot);
        async move { slot.close().await }
    });
    second.stopped().await;
    drop(second);
    closing.await.unwrap();
    assert_eq!(slot.claim(&query, "x").unwrap_err().why, StatusCode::SERVICE_UNAVAILABLE);
}
