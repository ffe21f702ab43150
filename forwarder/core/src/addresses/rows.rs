//! The writer's own copy of the table: the contents of the words, and what only the writer needs to know. A
//! bucket takes memory when its first address is added.

use super::moves::History;
use super::{Address, At, Location, WAYS, Word};

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
    pub(super) fn word(&self) -> Option<Word> {
        let Self { address, location, present, pinned, .. } = *self;
        present.then_some(Word { address, location, pinned })
    }

    /// Whether the entry may be evicted for another address.
    pub(super) fn may_be_evicted(&self) -> bool {
        self.present && !self.pinned && self.location != Location::Host
    }
}

type Bucket = [Option<Row>; WAYS];

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

    pub(super) fn put(&mut self, at: At, row: Row) {
        let bucket = self.0.get_mut(at.bucket).map(Option::get_or_insert_default);
        if let Some(place) = bucket.and_then(|bucket| bucket.get_mut(at.way)) {
            *place = Some(row);
        }
    }

    pub(super) fn take(&mut self, at: At) -> Option<Row> {
        let place = self.0.get_mut(at.bucket)?;
        let rows = place.as_deref_mut()?;
        let row = rows.get_mut(at.way)?.take();
        if rows.iter().all(Option::is_none) {
            *place = None;
        }
        row
    }

    /// A way without a row, or otherwise one whose row is not present.
    pub(super) fn free_way(&self, bucket: usize) -> Option<At> {
        let Some(rows) = self.0.get(bucket)?.as_deref() else { return Some(At { bucket, way: 0 }) };
        let absent = |row: &Option<Row>| row.as_ref().is_some_and(|row| !row.present);
        let way = rows.iter().position(Option::is_none).or_else(|| rows.iter().position(absent))?;
        Some(At { bucket, way })
    }

    pub(super) fn in_bucket(&self, bucket: usize) -> impl Iterator<Item = (At, &Row)> {
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
