//! Follows the pair: ends that are deleted, set down or given another MTU, and the loss of the mount.
//!
//! Invariant: the reported events lead from the initial state to the kernel's present one. A look is due
//! when a notification concerns either end, and now and then: the loss of a mount comes without one.

use std::sync::Arc;

use super::Pair;
use crate::host::links::{Link, Links, LinksError, read_link_at};
use crate::host::mounts::Kept;

/// One end of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Outer,
    Inner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairEvent {
    /// Deleted, as both ends are at once, or moved to another namespace.
    Gone(End),
    /// Nothing passes any more.
    Down(End),
    Mtu {
        end: End,
        mtu: u32,
    },
    /// The mount was taken away: the namespace ends with this process.
    NotKept,
    /// It was mounted again.
    Kept,
}

/// The pair at one moment; `None`: that end does not exist.
#[derive(Debug, Clone)]
struct State {
    outer: Option<Link>,
    inner: Option<Link>,
    kept: bool,
}

/// The events between two moments.
fn changes(before: &State, now: &State) -> Vec<PairEvent> {
    let mut events = Vec::new();
    let ends = [(End::Outer, &before.outer, &now.outer), (End::Inner, &before.inner, &now.inner)];
    for (end, before, now) in ends {
        match (before, now) {
            (Some(_), None) => events.push(PairEvent::Gone(end)),
            (Some(before), Some(now)) => {
                if before.up && !now.up {
                    events.push(PairEvent::Down(end));
                }
                if before.mtu != now.mtu {
                    events.push(PairEvent::Mtu { end, mtu: now.mtu });
                }
            }
            // An end that is gone does not come back under its index; a new pair has a new watch.
            (None, _) => {}
        }
    }
    match (before.kept, now.kept) {
        (true, false) => events.push(PairEvent::NotKept),
        (false, true) => events.push(PairEvent::Kept),
        _ => {}
    }
    events
}

/// Made by [`Pair::watch`].
#[derive(Debug)]
pub struct PairWatch {
    /// The ends, each asked for in its own namespace.
    outer: (Links, u32),
    inner: (Links, u32),
    kept: Option<Arc<Kept>>,
    state: State,
}

impl Pair {
    /// Follows changes of the pair. The socket inside also keeps the namespace of the inner end.
    pub fn watch(&self) -> Result<PairWatch, LinksError> {
        // The state in which the pair was made: whatever happened since is the first event.
        let up = |end: &Link| Some(Link { up: true, ..end.clone() });
        let (outer, inner) = (up(&self.outer), up(&self.inner));
        Ok(PairWatch {
            outer: (Links::open()?, self.outer.ifindex),
            inner: (self.netns.enter(Links::open)??, self.inner.ifindex),
            kept: self.kept.clone(),
            state: State { outer, inner, kept: self.kept.is_some() },
        })
    }
}

impl PairWatch {
    /// The interface whose notifications, which are also those of its other end, call for a look.
    pub fn ifindex(&self) -> u32 {
        self.outer.1
    }

    /// What has happened since the last look.
    pub async fn look(&mut self) -> Result<Vec<PairEvent>, LinksError> {
        let kept = self.kept.as_ref().is_some_and(|kept| kept.holds());
        let now = State { outer: end(&self.outer).await?, inner: end(&self.inner).await?, kept };
        let events = changes(&self.state, &now);
        self.state = now;
        Ok(events)
    }
}

async fn end((links, ifindex): &(Links, u32)) -> Result<Option<Link>, LinksError> {
    let ifindex = *ifindex;
    Ok(links.spawn(move |netlink| read_link_at(netlink, ifindex)).await??)
}

#[cfg(test)]
mod tests;
