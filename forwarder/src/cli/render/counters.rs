//! `weir stats --help-counters`: every name in the statistics with its sentence. Invariant: the
//! sentences come from the counting types, so that none is missing and none is stale.

use weir_abi::Counter;
use weir_api::PortCounter;
use weir_core::{Reason, ReleaseReason, Stage};

use super::{WIDTH, wrapped};

/// Fields that are not members of a counting enum, and where such members come between them: a line for
/// each, below the field that they belong to.
const FIELDS: &str = "\
PORTS
  rx: What the port's guest or link sent; a superframe is one frame.
  tx: What was delivered to it: the device has taken it and reported it done, or the gate has handed it over.
  passed: What the program left to the kernel, for the host or for lack of a socket.
  superframes: How many of the frames that workers took or sent were chains, up to 64 kB, cut later or never.
  lanes: What it sent, by the lane that it went: express (the gate handed it to its port), scheduled (a worker took it), bridge (left to the kernel). Express and scheduled are in rx.
  tx_lanes: What was delivered to it, by lane. What the bridge delivers is in no count of weir's.
  link: Of a port with a rate: by which lane frames reach it now (express until a source has to wait, then scheduled), and how often it passed to the scheduler.
  queued: What waits to be sent out of the port now.

LATENCY (of scheduled packets: steer + container + queue + tx = residence)
{stages}
  residence: All of it; what the gate handed over itself is not measured. Resolution: 64 ns or 1 in 128, up to 17 s.

FLOWS (every frame of a source's rx is in one of them, or in a sum)
  capacity: Flows that can be told apart at once. More needs a larger `flows`.
  known: Flows that are.
  jitter: How much the residence changes from packet to packet (RFC 3550).
  other: Of one source: packets of flows for which there was no room, and all that the gate handed over itself (`express`).
  ended: Of one source: flows without packets for longer than `flow-idle`.

SHARES (weir stats --shares; `links` of a port)
  share: The part of what went over the link that came from this port.
  weight: What it gets of a contended link, compared with the others.
  min, max: The rates it was promised, and is held to; for the link: its own rate.
  queued: Bytes of it that wait for this link now.
  shed: It sends more for this link than may wait: until most of that is gone, the XDP program drops it at its own core. A smaller load, a larger `queue` or a larger share ends it.

CONTAINERS (packets of one port for one link that travel together)
  fill: Bytes in one when it was let go, on average.
  wait: How long one was open, on average.
{releases}

LEDGER (received + copies = delivered + passed + lost + in flight)
  received: Every frame that entered a port, whatever became of it.
  copies: Made here by cutting superframes, beyond the superframes themselves; each has its own end.
  delivered: Handed over: to a device that has reported it done, or by the gate.
  express: How many of those the gate handed over itself. What their device drops afterwards is in its device_dropped.
  lost: Ended under one of the reasons below.
  in_flight: In a ring or a queue at the moment; 0 soon after traffic stops.
  balanced: Whether the two sides are equal. If not once traffic has stopped, it is a bug: please report it.

WORKER
  busy: Moving frames.
  idle: Nothing to do: polling or asleep, as `idle` is configured.
  back_pressured: Something to send, and no device that takes it.
  limited: Something could have left, and waited for nothing but the worker: it is the limit. `now_permille` is its part of the last tenths of a second.
  turns: Rounds over all ports.
  kicks: System calls that tell the kernel to send.

FRAMES (free + fill + rx + held + tx = total)
  free: In no use.
  fill: With the kernel, to receive into.
  rx: Received, and not looked at yet.
  held: In containers and queues.
  tx: With the kernel, being sent.";

/// Every name, with its meaning and advice.
pub fn counters() -> String {
    let mut text = String::new();
    for line in FIELDS.lines() {
        match line.split_once(": ").filter(|_| line.starts_with(' ')) {
            Some((name, sentence)) => entries(&mut text, [(name.trim_start(), sentence)]),
            None if line == "{stages}" => {
                entries(&mut text, Stage::ALL.map(|it| (it.name(), it.describe())));
            }
            None if line == "{releases}" => {
                entries(&mut text, ReleaseReason::ALL.map(|it| (it.name(), it.describe())));
            }
            None => text.extend([line, "\n"]),
        }
    }
    text += "\nCOUNTERS OF A PORT (`counters` in its JSON)\n";
    entries(&mut text, PortCounter::ALL.map(|it| (it.name(), it.describe())));
    text += "\nOUTCOMES IN THE XDP PROGRAM (one per frame)\n";
    entries(&mut text, Counter::all().map(|it| (it.name(), it.describe())));
    text += "\nREASONS OF LOSS (one per lost frame)\n";
    entries(&mut text, Reason::ALL.map(|it| (it.name(), it.describe())));
    text
}

fn entries<'n>(text: &mut String, names: impl IntoIterator<Item = (&'n str, &'n str)>) {
    for (name, sentence) in names {
        text.extend(["  ", name, "\n"]);
        text.push_str(&wrapped(sentence, 6, WIDTH));
    }
}

#[cfg(test)]
mod tests;
