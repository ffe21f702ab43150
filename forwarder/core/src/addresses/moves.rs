//! The moves of one address: which of those who claim it is believed.
//!
//! A move is believed at once, and so is the next, so a migration works however often it is tried
//! within reason. From the third move within [`WINDOW_NS`] on, the address is *damped*: it belongs
//! to the claimant with the oldest right that was heard within that time. Oldest is where the
//! address stood before it began to move, or where it last stood still for [`SETTLED_NS`] (so an
//! intruder who takes an address while its owner is silent has no right to it when the owner
//! returns), then by first appearance. Damping ends when no other place has claimed the address for
//! [`WINDOW_NS`]. Invariant: a claimant that is silent holds a damped address for no longer than
//! that, so an owner that really left cannot be held at its old place.

use super::Location;

/// The time in which [`MOVES`] moves are too many, and how long an address must then be quiet.
pub const WINDOW_NS: u64 = 10_000_000_000;
/// The move that is not believed any more.
pub const MOVES: usize = 3;
/// How long an address must stand still for the place to become its own: until then the bridge
/// would have forgotten a silent owner as well.
pub const SETTLED_NS: u64 = 300_000_000_000;
/// Claimants that are remembered of an address.
const CLAIMS: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Claim {
    location: Location,
    heard_ns: u64,
}

/// Of an address that moved. It is dropped when the address has stood still for [`SETTLED_NS`].
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// By right, the oldest first.
    claims: [Option<Claim>; CLAIMS],
    /// The moves before the next, the latest last.
    moved_ns: [Option<u64>; MOVES - 1],
    /// When another place than the one where the address stands was named last. `None`: not damped.
    contested_ns: Option<u64>,
    /// When to look at it again, unless something happens before.
    pub(super) due_ns: u64,
}

/// What time has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Review {
    Wait,
    /// Not damped any more; true: the bridge may have another view of it.
    Calm(bool),
    /// Has stood still so long that its moves are forgotten.
    Settled,
}

impl History {
    pub(super) fn is_damped(&self) -> bool {
        self.contested_ns.is_some()
    }

    pub(super) fn is_settled(&self, now: u64) -> bool {
        !self.is_damped() && now >= self.due_ns
    }

    /// The bridge names another place than the one where the address stands; there the gate saw it
    /// last at `seen_ns`. `None`: the bridge has forgotten it there. Returns where it is to stand.
    pub(super) fn claim(
        &mut self,
        now: u64,
        stands: Location,
        seen_ns: Option<u64>,
        to: Location,
    ) -> Location {
        let [first, last] = self.moved_ns;
        let begins = !self.is_damped() && last.is_none_or(|last| !recent(now, last));
        // Whoever had the address when it began to move has the benefit of the doubt.
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

    /// The bridge names the place where the address stands.
    pub(super) fn confirm(&mut self, now: u64, stands: Location) {
        self.heard(now, stands, now);
    }

    /// The bridge knows no place: whoever was heard before has no right from that.
    pub(super) fn unhear(&mut self) {
        self.claims.iter_mut().flatten().for_each(|claim| claim.heard_ns = 0);
    }

    /// There is no such place any more.
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
        // Had the bridge seen the frames that the gate saw since, it would have moved the address
        // back.
        Review::Calm(seen_ns <= contested_ns)
    }

    /// The remembered claimant with the oldest right that was heard lately.
    fn rightful(&self, now: u64) -> Option<Location> {
        self.claims.iter().flatten().find(|claim| claim.is_heard(now)).map(|claim| claim.location)
    }

    fn heard(&mut self, now: u64, location: Location, at_ns: u64) {
        if let Some(known) = self.claims.iter_mut().flatten().find(|c| c.location == location) {
            known.heard_ns = known.heard_ns.max(at_ns);
            return;
        }
        if self.claims.iter().all(Option::is_some) {
            // One that has been silent gives way, but for the owner. With none of them silent, who
            // comes now has the weakest right, and need not be remembered.
            let owner = self.claims.first().copied().flatten().map(|owner| owner.location);
            self.drop_claim(|claim| Some(claim.location) != owner && !claim.is_heard(now));
        }
        if let Some(free) = self.claims.iter_mut().find(|claim| claim.is_none()) {
            *free = Some(Claim { location, heard_ns: at_ns });
        }
    }

    /// Drops the last of the claims that `which` names; the others keep their order.
    fn drop_claim(&mut self, which: impl Fn(&Claim) -> bool) {
        let at = self.claims.iter().rposition(|claim| claim.as_ref().is_some_and(&which));
        let Some(tail) = at.and_then(|at| self.claims.get_mut(at..)) else { return };
        tail.rotate_left(1);
        if let Some(last) = tail.last_mut() {
            *last = None;
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
