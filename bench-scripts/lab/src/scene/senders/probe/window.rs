//! One run: a listener that is there before the window begins, a sender for as long as it lasts.
//! Invariant: the calling thread lends both its core and its priority, so that a sender does not
//! wait for its core even while it starts.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use system_tests::cpu;

use super::order::Order;
use super::process::Process;
use super::report::{self, Found};
use crate::scene::senders::halt::Halt;
use crate::spec::Probing;
use crate::stage::SENDERS;

/// So long before the window the listener is started.
const LEAD: Duration = Duration::from_millis(500);
/// A listener whose senders have all ended does so by itself.
const LINGER: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(50);
/// As that of other traffic that does not wait for its neighbours' programs.
const PRIORITY: u8 = 10;

#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) found: Found,
    /// Of both processes, in the window.
    pub(super) cpu: Duration,
}

/// `None` where it was told to end before.
pub(super) fn run(order: &Order, from: Instant, to: Instant, halt: &Halt) -> Result<Option<Ran>> {
    if !halt.wait_until(from.checked_sub(LEAD).unwrap_or(from)) {
        return Ok(None);
    }
    let as_sender = order.urgent && order.probing == Probing::RoundTrip;
    if as_sender {
        become_sender(order)?;
    }
    let mut listener = Process::start(&order.binary, &order.to, &order.listening())?;
    let words = order.sending(listener.port()?);
    if !as_sender {
        become_sender(order)?;
    }
    if !halt.wait_until(from) {
        return Ok(None);
    }
    let before = listener.cpu();
    let sender = Process::start(&order.binary, &order.from, &words)?;
    // One that began only now has yet to listen for the word to end.
    let begun = Instant::now() + MOMENT;
    if !halt.wait_until(to.max(begun)) {
        return Ok(None);
    }
    let cpu = sender.cpu() + listener.cpu().saturating_sub(before);
    // It has begun later than the window.
    sender.interrupt();
    let sent = sender.finish().context("the sender")?;
    if !listener.ends_within(LINGER) {
        listener.interrupt();
    }
    let heard = listener.finish().context("the receiver")?;
    let found = match order.probing {
        Probing::OneWay => report::one_way(&sent, &heard)?,
        Probing::RoundTrip => report::round_trip(&sent)?,
    };
    Ok(Some(Ran { found, cpu }))
}

fn become_sender(order: &Order) -> Result<()> {
    cpu::pin(SENDERS);
    if order.urgent {
        cpu::urgent(cpu::this_thread(), PRIORITY).context("no right to a real-time priority")?;
    }
    Ok(())
}
