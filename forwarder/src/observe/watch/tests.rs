use super::query::Direction;
use super::*;

#[test]
fn names_become_places_or_are_refused_with_those_that_there_are() {
    let names = [(PortId(3), "v1".to_owned()), (PortId(0), "nic0".to_owned())];
    let with = |ports: &[&str]| WatchQuery {
        ports: ports.iter().map(|name| (*name).to_owned()).collect(),
        ..WatchQuery::new(Kind::Capture)
    };
    assert_eq!(ports_of(&with(&[]), &names), Ok(None));
    let ports = ports_of(&with(&["v1"]), &names).unwrap().unwrap();
    assert!(ports.contains(PortId(3)) && ports.len() == 1);
    let refused = ports_of(&with(&["nic0", "v7"]), &names).unwrap_err();
    assert_eq!(
        (refused.why, refused.error.as_str()),
        (StatusCode::NOT_FOUND, "there is no port v7; valid: v1, nic0")
    );
}

#[test]
fn the_program_tells_no_more_than_somebody_wants() {
    let of = |direction| outcomes(&WatchQuery { direction, ..WatchQuery::new(Kind::Capture) });
    let both = of(Direction::Both);
    assert_eq!(both & bit(Counter::Steered), 0);
    assert_ne!(both & bit(Counter::PassedHost), 0);
    assert_eq!(of(Direction::In), both);
    assert_eq!(of(Direction::Out), 0);
    assert_eq!(of(Direction::Lost) & bit(Counter::PassedHost), 0);
    assert_ne!(of(Direction::Lost) & bit(Counter::Spoofed), 0);
    assert_eq!(outcomes(&WatchQuery::new(Kind::Trace)), both);
}

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
