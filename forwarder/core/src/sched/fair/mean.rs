//! Virtual time: the weighted mean of the tags of the vifs that compete. Invariant: `now` is the mean,
//! rounded down, so that at least one tag is not after it; while no vif competes, it keeps its last value.
//! Tags wrap, and only their differences are meaningful.

#[derive(Debug, Default)]
pub(super) struct Mean {
    now: i64,
    /// The sum of weight * (tag - now): below `weight` between two calls.
    rest: i64,
    weight: i64,
}

impl Mean {
    #[inline]
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// The sum of the weights of all vifs that compete.
    #[inline]
    pub(super) fn weight(&self) -> i64 {
        self.weight
    }

    #[inline]
    pub(super) fn add(&mut self, tag: i64, weight: i64) {
        self.rest += weight * tag.wrapping_sub(self.now);
        self.weight += weight;
        self.settle();
    }

    #[inline]
    pub(super) fn remove(&mut self, tag: i64, weight: i64) {
        self.rest -= weight * tag.wrapping_sub(self.now);
        self.weight -= weight;
        if self.weight == 0 {
            // It was the only one, so its tag was the mean.
            self.now = tag;
            self.rest = 0;
        } else {
            self.settle();
        }
    }

    /// Moves one of the tags by `by`.
    #[inline]
    pub(super) fn shift(&mut self, by: i64, weight: i64) {
        self.rest += weight * by;
        self.settle();
    }

    #[inline]
    fn settle(&mut self) {
        let by = self.rest.div_euclid(self.weight);
        self.now = self.now.wrapping_add(by);
        self.rest -= by * self.weight;
    }
}

#[cfg(test)]
mod tests;
