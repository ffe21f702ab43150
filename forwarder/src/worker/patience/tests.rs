use super::*;

#[tokio::test]
async fn one_long_wait_and_then_short_ones() {
    let patience = AnswerTimeout::with(7);
    let began = Instant::now();
    let (_owing, answer) = oneshot::channel::<()>();
    let late = patience.wait(answer).await.unwrap_err();
    assert!((ANSWER_WITHIN..2 * ANSWER_WITHIN).contains(&began.elapsed()), "{late}");
    assert!(late.to_string().starts_with("the worker on core 7 has not answered for 2."));
    for _ in 0..3 {
        let began = Instant::now();
        let (_owing, answer) = oneshot::channel::<()>();
        let other = patience.clone();
        let late = other.wait(answer).await.unwrap_err();
        assert!(began.elapsed() < ANSWER_WITHIN / 2, "{late}");
        assert!(matches!(late, NoAnswer::Late { core: 7, waited } if waited > ANSWER_WITHIN));
        assert!(patience.overdue().is_some());
    }
    let (done, answer) = oneshot::channel();
    done.send(3).unwrap();
    assert_eq!(patience.wait(answer).await, Ok(3));
    assert_eq!(*patience.overdue(), None);
}

#[tokio::test]
async fn a_worker_that_has_ended_is_not_waited_for() {
    let patience = AnswerTimeout::with(0);
    let (done, answer) = oneshot::channel::<()>();
    drop(done);
    assert_eq!(patience.wait(answer).await, Err(NoAnswer::Ended));
    assert_eq!(*patience.overdue(), None);
}
