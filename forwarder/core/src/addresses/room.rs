//! The writer's own copy of the table, and how its rows are added, moved and removed: every change of the
//! table's words and of a port's count is here. Invariant: a port's `entries` is the number of present rows
//! at that port, and each history is in the calendar once.

use super::{Address, AddressTable, At, History, Location, PortId, Review, WAYS, Word, Words};

/// The contents of a word, and what only the writer needs to know.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) address: Address,
    /// Where the address is, or where it last was if it is not present.
    pub(super) location: Location,
    /// The word is written. A row that is not present keeps the history of an address that the bridge has
    /// forgotten, until the history is settled or the way is needed.
    pub(super) present: bool,
    pub(super) pinned: bool,
    pub(super) history: Option<Box<History>>,
}

impl Row {
    fn word(&self) -> Option<Word> {
        let Self { address, location, present, pinned, .. } = *self;
        present.then_some(Word { address, location, pinned })
    }

    /// Whether the entry may be evicted for another address.
    fn may_be_evicted(&self) -> bool {
        self.present && !self.pinned && self.location != Location::Host
    }
}

type Bucket = [Option<Row>; WAYS];

/// The rows by bucket. A bucket takes memory when its first address is added.
#[derive(Debug)]
pub(super) struct Rows(Vec<Option<Box<Bucket>>>);

impl Rows {
    pub(super) fn new(buckets: usize) -> Self {
        Self((0..buckets).map(|_| None).collect())
    }

    pub(super) fn find(&self, bucket: usize, address: Address) -> Option<At> {
        let rows = self.0.get(bucket)?.as_deref()?;
        let is_it = |row: &Option<Row>| row.as_ref().is_some_and(|row| row.address == address);
        let way = rows.iter().position(is_it)?;
        Some(At { bucket, way })
    }

    pub(super) fn get(&self, at: At) -> Option<&Row> {
        self.0.get(at.bucket)?.as_deref()?.get(at.way)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: At) -> Option<&mut Row> {
        self.0.get_mut(at.bucket)?.as_deref_mut()?.get_mut(at.way)?.as_mut()
    }

    fn put(&mut self, at: At, row: Row) {
        let bucket = self.0.get_mut(at.bucket).map(Option::get_or_insert_default);
        if let Some(place) = bucket.and_then(|bucket| bucket.get_mut(at.way)) {
            *place = Some(row);
        }
    }

    fn take(&mut self, at: At) -> Option<Row> {
        let place = self.0.get_mut(at.bucket)?;
        let rows = place.as_deref_mut()?;
        let row = rows.get_mut(at.way)?.take();
        if rows.iter().all(Option::is_none) {
            *place = None;
        }
        row
    }

    /// A way without a row, or otherwise one whose row is not present.
    fn free_way(&self, bucket: usize) -> Option<At> {
        let Some(rows) = self.0.get(bucket)?.as_deref() else { return Some(At { bucket, way: 0 }) };
        let absent = |row: &Option<Row>| row.as_ref().is_some_and(|row| !row.present);
        let way = rows.iter().position(Option::is_none).or_else(|| rows.iter().position(absent))?;
        Some(At { bucket, way })
    }

    fn in_bucket(&self, bucket: usize) -> impl Iterator<Item = (At, &Row)> {
        let rows = self.0.get(bucket).and_then(Option::as_deref).into_iter().flatten();
        rows.enumerate().filter_map(move |(way, row)| Some((At { bucket, way }, row.as_ref()?)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (At, &Row)> {
        (0..self.0.len()).flat_map(|bucket| self.in_bucket(bucket))
    }

    /// The places of the rows that `which` matches.
    pub(super) fn places(&self, which: impl Fn(&Row) -> bool) -> Vec<At> {
        self.iter().filter(|(_, row)| which(row)).map(|(at, _)| at).collect()
    }

    pub(super) fn histories(&mut self) -> impl Iterator<Item = &mut History> {
        let rows = self.0.iter_mut().flatten().flat_map(|bucket| bucket.iter_mut());
        rows.flatten().filter_map(|row| row.history.as_deref_mut())
    }
}

impl<W: Words> AddressTable<W> {
    /// Adds an address that has no row.
    pub(super) fn insert(&mut self, now: u64, address: Address, location: Location) {
        let row = Row { address, location, present: true, pinned: false, history: None };
        if !self.ports.has_room(location) || !self.place(now, row) {
            self.refuse(now, address, location);
        }
    }

    /// Writes a present row into its bucket, if a way is free or can be freed.
    fn place(&mut self, now: u64, row: Row) -> bool {
        let bucket = self.words.bucket(row.address);
        let Some(at) = self.rows.free_way(bucket).or_else(|| self.evict(now, bucket, &row)) else {
            return false;
        };
        // The way may have a row without a word, kept for its history.
        self.remove_row(at);
        self.ports.with(row.location, |port| port.entries += 1);
        let word = row.word();
        self.rows.put(at, row);
        self.words.store(at, word);
        self.words.reset_seen(at);
        true
    }

    /// Removes the least recently seen entry of the fullest port from a full bucket. Its word stays until the
    /// new one is stored over it.
    fn evict(&mut self, now: u64, bucket: usize, winner: &Row) -> Option<At> {
        let candidates = self.rows.in_bucket(bucket).filter(|(_, row)| row.may_be_evicted());
        let (at, loser) = candidates.max_by(|(a_at, a), (b_at, b)| {
            let seen = || self.words.last_seen(*b_at).cmp(&self.words.last_seen(*a_at));
            self.ports.compare(a.location, b.location).then_with(seen)
        })?;
        let unconditional = winner.pinned || winner.location == Location::Host;
        if !unconditional && !self.ports.must_yield(loser.location, winner.location) {
            return None;
        }
        let (address, from) = (loser.address, loser.location);
        self.remove_row(at);
        self.ports.with(from, |port| port.evicted += 1);
        self.refused.remember(now, address, from);
        Some(at)
    }

    fn refuse(&mut self, now: u64, address: Address, location: Location) {
        self.ports.with(location, |port| port.refused += 1);
        self.refused.remember(now, address, location);
    }

    /// The bridge names a place other than the one where a row is, or last was.
    pub(super) fn contest(&mut self, now: u64, at: At, to: Location) {
        let seen_ns = self.words.last_seen(at);
        let Some(row) = self.rows.get_mut(at) else { return };
        let (address, from, present) = (row.address, row.location, row.present);
        let mut history = row.history.take().unwrap_or_default();
        self.calendar.remove(&(history.due_ns, address));
        if history.is_settled(now) {
            *history = History::default();
        }
        let belongs = history.claim(now, from, present.then_some(seen_ns), to);
        self.calendar.insert((history.due_ns, address));
        row.history = Some(history);
        self.ports.with(to, |port| match belongs == to {
            true => port.moves += 1,
            false => port.damped += 1,
        });
        self.stand(now, at, belongs);
    }

    /// Moves a row to a place, in the way that it has. If the place's quota is used up, the row is stored
    /// nowhere: the bridge knows where the address is, and it is not at the old place.
    pub(super) fn stand(&mut self, now: u64, at: At, to: Location) {
        let Some(row) = self.rows.get(at) else { return };
        let address = row.address;
        if row.present && row.location == to {
            return;
        }
        if self.ports.has_room(to) {
            return self.write(at, to, false);
        }
        self.blank(at);
        if let Some(row) = self.rows.get_mut(at) {
            row.location = to;
        }
        self.refuse(now, address, to);
    }

    /// Moves a row without checking for room.
    fn write(&mut self, at: At, to: Location, pinned: bool) {
        let Some(row) = self.rows.get_mut(at) else { return };
        let from = row.present.then_some(row.location);
        (row.location, row.present, row.pinned) = (to, true, pinned);
        let word = row.word();
        if let Some(from) = from {
            self.ports.with(from, |port| port.entries -= 1);
        }
        self.ports.with(to, |port| port.entries += 1);
        self.words.store(at, word);
        if from != Some(to) {
            self.words.reset_seen(at);
        }
    }

    /// Removes a row's word. The row itself stays if it has a history.
    fn blank(&mut self, at: At) {
        let Some(row) = self.rows.get_mut(at) else { return };
        if row.history.is_none() {
            self.remove(at);
        } else if row.present {
            (row.present, row.pinned) = (false, false);
            let from = row.location;
            self.ports.with(from, |port| port.entries -= 1);
            self.words.store(at, None);
            self.words.reset_seen(at);
        }
    }

    /// The bridge has forgotten the address of a row.
    pub(super) fn unlearn(&mut self, at: At) {
        if let Some(row) = self.rows.get_mut(at)
            && let Some(history) = &mut row.history
        {
            history.unhear();
        }
        self.blank(at);
    }

    /// Removes a row and its word.
    pub(super) fn remove(&mut self, at: At) {
        self.remove_row(at);
        self.words.store(at, None);
        self.words.reset_seen(at);
    }

    /// Removes a row whose word is about to be replaced.
    fn remove_row(&mut self, at: At) {
        let Some(row) = self.rows.take(at) else { return };
        if row.present {
            self.ports.with(row.location, |port| port.entries -= 1);
        }
        if let Some(history) = row.history {
            self.calendar.remove(&(history.due_ns, row.address));
        }
    }

    pub(super) fn drop_history(&mut self, at: At) {
        if let Some(row) = self.rows.get_mut(at)
            && let Some(history) = row.history.take()
        {
            self.calendar.remove(&(history.due_ns, row.address));
        }
    }

    /// Makes a locked address stay where its lock says; false if there is no room for it. `over_host`: even if
    /// the host has it.
    pub(super) fn settle_pin(
        &mut self,
        now: u64,
        address: Address,
        pin: Location,
        over_host: bool,
    ) -> bool {
        let Some(at) = self.find(address) else {
            let row = Row { address, location: pin, present: true, pinned: true, history: None };
            let placed = self.place(now, row);
            if !placed {
                self.ports.with(pin, |port| port.refused += 1);
            }
            return placed;
        };
        let Some(row) = self.rows.get(at) else { return true };
        let host = row.present && row.location == Location::Host;
        if !row.pinned && (over_host || !host) {
            self.drop_history(at);
            self.write(at, pin, true);
        }
        true
    }

    /// Moves a row to where a lock says.
    pub(super) fn pin_at(&mut self, at: At, port: PortId) {
        self.drop_history(at);
        self.write(at, Location::Port(port), true);
    }

    /// Reviews a history that is due.
    pub(super) fn review(&mut self, now: u64, address: Address, out: &mut Vec<Address>) {
        let Some(at) = self.find(address) else { return };
        let seen_ns = self.words.last_seen(at);
        let Some(row) = self.rows.get_mut(at) else { return };
        let Some(history) = &mut row.history else { return };
        match history.review(now, seen_ns) {
            Review::Settled => {
                row.history = None;
                if !row.present {
                    self.remove(at);
                }
                return;
            }
            Review::Calm(ask) if ask || !row.present => out.push(address),
            Review::Calm(_) | Review::Wait => {}
        }
        self.calendar.insert((history.due_ns, address));
    }
}
