use std::time::Instant;

use super::*;
use Role::{Uplink, Vif};

fn spread(cores: &[usize], ports: &[(Option<usize>, Role)]) -> Vec<usize> {
    let mut loads = vec![Load::default(); cores.len()];
    let place_one = |&(wanted, role): &(Option<usize>, Role)| {
        let at = place(cores, &loads, wanted, role);
        loads[at].add(role);
        at
    };
    ports.iter().map(place_one).collect()
}

#[test]
fn uplinks_share_the_first_worker_and_vifs_are_spread() {
    let ports = [(None, Uplink), (None, Vif), (None, Vif), (None, Vif), (None, Vif)];
    assert_eq!(spread(&[4, 5], &ports), [0, 1, 1, 0, 1]);
    assert_eq!(spread(&[4], &ports), [0; 5]);
    assert_eq!(spread(&[1, 2, 3], &ports), [0, 1, 2, 1, 2]);
}

#[test]
fn a_port_goes_where_it_is_told_and_the_others_make_room() {
    let ports = [(Some(4), Vif), (Some(4), Vif), (Some(5), Uplink), (None, Vif), (None, Vif)];
    assert_eq!(spread(&[4, 5], &ports), [0, 0, 1, 1, 0]);
    assert_eq!(spread(&[4, 5], &[(Some(9), Vif)]), [0], "a core without a worker is none");
}

#[test]
fn the_pool_is_made_for_the_busiest() {
    let ports = [(Some(4), Vif), (Some(4), Vif), (Some(4), Uplink), (None, Vif)];
    assert_eq!(most_ports(&[4, 5], ports), 3);
    assert_eq!(most_ports(&[4], ports), 4);
    assert_eq!(most_ports(&[], []), 0);
}
#[tokio::test]
async fn one_that_stands_still_is_named_and_costs_one_long_wait() {
    let id = PortId(3);
    let (mute, inbox) = WorkerHandle::mute(5);
    let mut workers = Workers { cores: vec![5], handles: vec![mute], past_kicks: vec![0] };
    let began = Instant::now();
    let mut late = vec![workers.ping().await.unwrap_err()];
    late.push(workers.snapshots().await.unwrap_err());
    late.push(workers.reshape(&Change::default()).await.unwrap_err());
    late.push(workers.withdraw(0, id, Reason::PortGone).await.unwrap_err());
    late.push(workers.handle(0).unwrap().reclaim(id).await.unwrap_err());
    late.push(workers.watch(None).await.unwrap_err());
    assert!(began.elapsed() < 2 * worker::ANSWER_WITHIN, "{:?}", began.elapsed());
    for late in late {
        let text = late.to_string();
        assert!(text.starts_with("the worker on core 5 has not answered for "), "{text}");
    }
    assert_eq!(inbox.try_iter().count(), 6);
}
