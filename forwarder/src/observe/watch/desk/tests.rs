use super::*;

#[tokio::test]
async fn one_at_a_time_and_the_second_hears_of_the_first() {
    let desk = Arc::new(Desk::default());
    let wanted = Wanted { ports: vec!["v1".into()], ..Wanted::new(Kind::Capture) };
    let first = desk.claim(&wanted, "curl/8").unwrap();
    let refused = desk.claim(&Wanted::new(Kind::Trace), "x").unwrap_err();
    assert_eq!(refused.why, Refusal::Busy);
    assert!(refused.error.starts_with("a capture of v1 (curl/8) has been watching for 0 s"));
    assert_eq!(desk.end(Some(first.id() + 1)), None, "another one is meant");
    assert_eq!(desk.end(Some(first.id())).as_deref(), Some("a capture of v1 (curl/8)"));
    first.stopped().await;
    drop(first);
    assert_eq!(desk.end(None), None);
    let second = desk.claim(&Wanted::new(Kind::Trace), "x").unwrap();
    let closing = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.close().await }
    });
    second.stopped().await;
    drop(second);
    closing.await.unwrap();
    assert_eq!(desk.claim(&wanted, "x").unwrap_err().why, Refusal::Unavailable);
}
