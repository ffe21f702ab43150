//! Numbers under the names of an enum: losses by reason, releases by reason, the counters of a port.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// An enum that [`named!`](crate::named) defines.
pub trait Named: Copy + 'static {
    const ALL: &'static [Self];

    fn name(self) -> &'static str;

    /// Its place in `ALL`.
    fn index(self) -> usize;
}

/// A number for each of the `N` values of `K`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NamedCounts<K, const N: usize>([u64; N], PhantomData<K>);

impl<K, const N: usize> Default for NamedCounts<K, N> {
    fn default() -> Self {
        Self([0; N], PhantomData)
    }
}

impl<K: Named, const N: usize> NamedCounts<K, N> {
    #[inline]
    pub fn add(&mut self, of: K, more: u64) {
        if let Some(count) = self.0.get_mut(of.index()) {
            *count += more;
        }
    }

    pub fn get(&self, of: K) -> u64 {
        self.0.get(of.index()).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Those that are not 0, in the order of `K::ALL`.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> + '_ {
        K::ALL.iter().copied().zip(self.0).filter(|(_, count)| *count != 0)
    }

    /// The same in the form of reports.
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        self.iter().map(|(of, count)| (of.name().to_owned(), count)).collect()
    }
}

impl<K: Named, const N: usize> FromIterator<(K, u64)> for NamedCounts<K, N> {
    fn from_iter<I: IntoIterator<Item = (K, u64)>>(counts: I) -> Self {
        let mut all = Self::default();
        counts.into_iter().for_each(|(of, count)| all.add(of, count));
        all
    }
}

impl<K, const N: usize> std::ops::AddAssign for NamedCounts<K, N> {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl<K: Named, const N: usize> fmt::Debug for NamedCounts<K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(of, count)| (of.name(), count))).finish()
    }
}
