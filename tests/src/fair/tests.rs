use super::*;

fn near(link: f64, senders: &[Sender], expected: &[f64]) {
    let rates = rates(link, senders);
    assert!(worst_percent(&rates, expected) < 1e-6, "{rates:?} is not {expected:?}");
}

#[test]
fn weights_share_what_minimum_rates_leave() {
    let [one, two, five] = [1.0, 2.0, 5.0].map(Sender::greedy);
    near(80.0, &[one, two, five], &[10.0, 20.0, 50.0]);
    near(100.0, &[one, two, five, Sender { min: 40.0, ..one }], &[7.5, 15.0, 37.5, 40.0]);
}

#[test]
fn what_one_does_not_ask_for_goes_to_the_others() {
    let one = Sender::greedy(1.0);
    let asks = |demand| Sender { demand, ..one };
    near(100.0, &[one, one, asks(10.0)], &[45.0, 45.0, 10.0]);
    near(100.0, &[asks(10.0), asks(20.0)], &[10.0, 20.0]);
    near(100.0, &[Sender { max: 5.0, ..one }, one], &[5.0, 95.0]);
}
