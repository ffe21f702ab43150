//! Commands of the control side whose answer is no longer waited for.

use std::time::Duration;

use tokio::time::timeout;
use weir_core::{PortId, Reason};
use weir_port::TxFeatures;

use super::handle::COMMANDS;
use super::*;

/// Sends a command, and does not wait for its answer.
async fn ask_in_vain<T>(asked: impl Future<Output = T>) {
    assert!(timeout(Duration::ZERO, asked).await.is_err());
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_done() {
    let mut bench = Bench::with(1, 3, None, settings_of);
    let (worker, handle, now_ns) = (&mut bench.workers[0], &bench.handles[0], bench.now_ns);
    let id = PortId(1);
    ask_in_vain(handle.take(id, Reason::PortGone)).await;
    let port = MemPort::new(PortId(7), 64);
    ask_in_vain(handle.add(PortId(7), settings_of(7), port)).await;
    let (pong, ()) = tokio::join!(handle.ping(), async { worker.chores(now_ns) });
    assert_eq!(pong, Ok(()), "the next in line is answered");
    let ids: Vec<PortId> = worker.lanes.all().iter().collect();
    assert_eq!(ids, [PortId(0), PortId(1), PortId(2)]);

    let take = handle.take(id, Reason::PortGone);
    let (taken, ()) = tokio::join!(take, async { worker.chores(now_ns) });
    assert!(taken.unwrap().is_some(), "tried again it is there");
}

#[test]
fn the_end_is_for_every_worker() {
    let mut bench = Bench::with(1, 1, None, settings_of);
    bench.handles[0].stop();
    bench.workers[0].chores(bench.now_ns);
    assert!(!bench.workers[0].running);
}

#[test]
fn a_worker_that_takes_no_commands_is_not_given_more_than_the_bound() {
    let (worker, inbox) = WorkerHandle::<MemPort>::mute(3);
    let retune = || worker.retune(PortId(1), 1500, TxFeatures::ALL);
    for _ in 0..COMMANDS {
        retune().unwrap();
    }
    assert_eq!(retune(), Err(NoAnswer::Full { core: 3 }));
    drop(inbox.recv().unwrap());
    assert_eq!(retune(), Ok(()));
}
