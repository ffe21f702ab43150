//! The moves of one address: which of its claimants is believed.
//!
//! A move is believed at once, and so is the next, so that a migration works even if it is repeated. From the
//! third move within [`WINDOW_NS`] on, the address is *damped*: it stays with the claimant that has the
//! oldest right among those heard within that time. The oldest right has the place where the address was
//! before it began to move, or where it last stayed for [`SETTLED_NS`]; after that, the order of first
//! appearance counts. (An intruder that takes an address while its owner is silent therefore has no right to
//! it when the owner returns.) Damping ends when no other place has claimed the address for [`WINDOW_NS`].
//! Invariant: a silent claimant holds a damped address for no longer than [`WINDOW_NS`], so an owner that
//! really left is not held at its old place.

use super::Location;

/// The time within which [`MOVES`] moves are too many, and for which an address must then be quiet.
pub const WINDOW_NS: u64 = 10_000_000_000;
/// The number of the first move within [`WINDOW_NS`] that is not believed.
pub const MOVES: usize = 3;
/// How long an address must stay at a place to belong there: by then the bridge would have forgotten a silent
/// owner as well.
pub const SETTLED_NS: u64 = 300_000_000_000;
/// The number of claimants remembered for each address.
const CLAIMS: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Claim {
    location: Location,
    heard_ns: u64,
}

/// The history of an address that moved. It is dropped when the address has not moved for [`SETTLED_NS`].
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Ordered by right, the oldest first; at most [`CLAIMS`].
    claims: Vec<Claim>,
    /// Times of the last believed moves, the latest last.
    moved_ns: [Option<u64>; MOVES - 1],
    /// When a place other than the current one was last named. `None`: not damped.
    contested_ns: Option<u64>,
    /// When to review the history, unless something happens before.
    pub(super) due_ns: u64,
}

/// The result of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Review {
    Wait,
    /// The address is no longer damped; true: the bridge may have it at another place.
    Calm(bool),
    /// The address has stayed in one place long enough for its moves to be forgotten.
    Settled,
}

impl History {
    pub(super) fn is_damped(&self) -> bool {
        self.contested_ns.is_some()
    }

    pub(super) fn is_settled(&self, now: u64) -> bool {
        !self.is_damped() && now >= self.due_ns
    }

    /// The bridge names a place other than the current one, where the gate last saw the address at `seen_ns`.
    /// `None`: the bridge has already forgotten it there. Returns where the address is to stay.
    pub(super) fn claim(
        &mut self,
        now: u64,
        stands: Location,
        seen_ns: Option<u64>,
        to: Location,
    ) -> Location {
        let [first, last] = self.moved_ns;
        let begins = !self.is_damped() && last.is_none_or(|last| !recent(now, last));
        // The place that had the address when it began to move counts as heard.
        let heard_ns = seen_ns.map_or(0, |seen_ns| if begins { now } else { seen_ns });
        self.heard(now, stands, heard_ns);
        self.heard(now, to, now);
        if !self.is_damped() && first.is_none_or(|first| !recent(now, first)) {
            self.moved_ns = [last, Some(now)];
            self.due_ns = now + SETTLED_NS;
            return to;
        }
        self.contested_ns = Some(now);
        self.due_ns = now + WINDOW_NS;
        self.rightful(now).unwrap_or(to)
    }

    /// The bridge no longer has the address: having been heard before gives no claimant a right.
    pub(super) fn unhear(&mut self) {
        self.claims.iter_mut().for_each(|claim| claim.heard_ns = 0);
    }

    /// The place no longer exists.
    pub(super) fn forget(&mut self, location: Location) {
        self.drop_claim(|claim| claim.location == location);
    }

    pub(super) fn review(&mut self, now: u64, seen_ns: u64) -> Review {
        if now < self.due_ns {
            return Review::Wait;
        }
        let Some(contested_ns) = self.contested_ns.take() else { return Review::Settled };
        self.moved_ns = [None; MOVES - 1];
        self.due_ns = now + SETTLED_NS;
        // If the bridge had seen the frames that the gate has seen since, it would have moved the address
        // back.
        Review::Calm(seen_ns <= contested_ns)
    }

    /// The remembered claimant with the oldest right that was heard within [`WINDOW_NS`].
    fn rightful(&self, now: u64) -> Option<Location> {
        self.claims.iter().find(|claim| claim.is_heard(now)).map(|claim| claim.location)
    }

    /// A place named the address at `at_ns`.
    pub(super) fn heard(&mut self, now: u64, location: Location, at_ns: u64) {
        if let Some(known) = self.claims.iter_mut().find(|c| c.location == location) {
            known.heard_ns = known.heard_ns.max(at_ns);
            return;
        }
        if self.claims.len() == CLAIMS {
            // A silent claimant other than the owner is dropped. If none is silent, the new claimant has the
            // weakest right and need not be remembered.
            let owner = self.claims.first().map(|owner| owner.location);
            self.drop_claim(|claim| Some(claim.location) != owner && !claim.is_heard(now));
        }
        if self.claims.len() < CLAIMS {
            self.claims.push(Claim { location, heard_ns: at_ns });
        }
    }

    /// Drops the last of the claims that `which` matches; the others keep their order.
    fn drop_claim(&mut self, which: impl Fn(&Claim) -> bool) {
        if let Some(at) = self.claims.iter().rposition(which) {
            self.claims.remove(at);
        }
    }
}

impl Claim {
    fn is_heard(&self, now: u64) -> bool {
        self.heard_ns != 0 && recent(now, self.heard_ns)
    }
}

fn recent(now: u64, at_ns: u64) -> bool {
    now.saturating_sub(at_ns) < WINDOW_NS
}
