//! Commands of the control side whose answer is no longer waited for.

use tokio::sync::oneshot;
use weir_core::{PortId, Reason};
use weir_port::TxFeatures;

use super::command::COMMANDS;
use super::*;

#[test]
fn what_nobody_waits_for_any_more_is_not_done() {
    let mut bench = Bench::with(1, 3, None, settings_of);
    let id = PortId(1);
    let (done, gone) = oneshot::channel();
    drop(gone);
    bench.commands[0].send(Command::Take { id, why: Reason::PortGone, done }).unwrap();
    let (done, gone) = oneshot::channel();
    drop(gone);
    let port = MemPort::new(PortId(7), 64);
    let new = Box::new(NewPort { id: PortId(7), settings: settings_of(7), port });
    bench.commands[0].send(Command::Add { new, done }).unwrap();
    let (done, mut pong) = oneshot::channel();
    bench.commands[0].send(Command::Ping { done }).unwrap();
    bench.workers[0].chores(bench.now_ns);
    assert_eq!(pong.try_recv(), Ok(()), "the next in line is answered");
    let ids: Vec<PortId> = bench.workers[0].lanes.ids().collect();
    assert_eq!(ids, [PortId(0), PortId(1), PortId(2)]);

    let (done, mut taken) = oneshot::channel();
    bench.commands[0].send(Command::Take { id, why: Reason::PortGone, done }).unwrap();
    bench.workers[0].chores(bench.now_ns);
    assert!(taken.try_recv().unwrap().is_some(), "tried again it is there");
}

#[test]
fn the_end_is_for_every_worker() {
    let mut bench = Bench::with(1, 1, None, settings_of);
    let (done, gone) = oneshot::channel();
    drop(gone);
    bench.commands[0].send(Command::Stop { done }).unwrap();
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
    inbox.recv().unwrap();
    assert_eq!(retune(), Ok(()));
}
