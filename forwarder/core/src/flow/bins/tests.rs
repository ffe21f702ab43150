use super::*;

impl Bins {
    pub(in crate::flow) fn set(&mut self, part: Part, bin: usize, count: u32) {
        self.used[bin / LINE] = true;
        let place = self.place(bin / LINE, part) + bin % LINE;
        self.counts[place] = count;
    }
}

#[test]
fn a_part_that_is_given_back_is_taken_again_empty() {
    let mut bins = Bins::new(4);
    let (one, other) = (bins.take().unwrap(), bins.take().unwrap());
    assert_ne!(one, other);
    assert!(
        bins.record(one, Bin(7)) && bins.record(one, Bin(BINS - 1)) && bins.record(other, Bin(0))
    );
    bins.give(one, None);
    assert_eq!(bins.take(), Some(one));
    assert!(bins.part(one).iter().all(|count| *count == 0));
    assert_eq!(bins.part(other)[0], 1);
    assert_eq!(bins.touched, 2);
}

#[test]
fn what_is_poured_out_is_not_counted_twice() {
    let mut bins = Bins::new(1);
    let part = bins.take().unwrap();
    let bin = Bin::of(1_000);
    bins.set(part, bin.0, u32::MAX);
    assert!(!bins.record(part, bin), "it is full");
    let mut sum = Counts::default();
    bins.pour(part, &mut sum);
    assert!(bins.record(part, bin));
    bins.pour(part, &mut sum);
    let (sum, all) = (sum.to_histogram(), u64::from(u32::MAX) + 1);
    assert_eq!((sum.len(), sum.count_at(1_000)), (all, all));
}
