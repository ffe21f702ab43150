use super::*;

#[test]
fn classes_have_what_is_owed_and_borrow_up_to_their_maximum() {
    let one = Sender::greedy(1.0);
    let all = [one, Sender::greedy(3.0), Sender { max: 10.0, ..one }, Sender { min: 30.0, ..one }];
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    let shared = rates(Some(100.0), &all);
    let wanted = [(15.0, 100.0), (45.0, 100.0), (10.0, 10.0), (30.0, 100.0)];
    for (shared, wanted) in shared.into_iter().zip(wanted) {
        let (rate, ceil) = shared.unwrap();
        assert!(near(rate, wanted.0) && near(ceil, wanted.1), "{rate} {ceil} {wanted:?}");
    }
    assert_eq!(rates(None, &all), [None, None, Some((10.0, 10.0)), None]);
}
