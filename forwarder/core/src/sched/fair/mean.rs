//! Virtual time: the weighted mean of the tags of those who compete.
//! Invariant: `now` is the mean, rounded down, so that at least one tag is not after it; with
//! nobody, what it was last. Tags wrap, and only their differences mean something.

#[derive(Debug, Default)]
pub(super) struct Mean {
    now: i64,
    /// Sum of weight * (tag - now): below `weight` between two calls.
    rest: i64,
    weight: i64,
}

impl Mean {
    #[inline]
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// Of all who compete.
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
            // Its own tag: it was the mean.
            self.now = tag;
            self.rest = 0;
        } else {
            self.settle();
        }
    }

    /// One of the tags moved by `by`.
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
mod tests {
    use super::*;

    #[test]
    fn is_the_weighted_mean() {
        let mut mean = Mean::default();
        mean.add(100, 1);
        assert_eq!(mean.now(), 100);
        mean.add(200, 3);
        assert_eq!(mean.now(), 175);
        mean.shift(-40, 3);
        assert_eq!(mean.now(), 145);
        mean.remove(100, 1);
        assert_eq!(mean.now(), 160);
        mean.remove(160, 3);
        assert_eq!(mean.now(), 160, "nobody is left, and it stays");
    }

    #[test]
    fn wraps() {
        let mut mean = Mean::default();
        mean.add(i64::MAX, 1);
        mean.add(i64::MAX.wrapping_add(10), 1);
        assert_eq!(mean.now(), i64::MAX.wrapping_add(5));
    }
}
