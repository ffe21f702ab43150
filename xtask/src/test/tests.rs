use super::{SKIPPED, Sum};

#[test]
fn sums_what_libtest_says() {
    let mut sum = Sum::default();
    sum.take("test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s");
    sum.take("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
    sum.take("test forward::mtu ... FAILED");
    sum.take(&format!("{SKIPPED}forward"));
    assert_eq!((sum.passed, sum.failed, sum.ignored, sum.skipped), (15, 1, 2, 1));
    assert_eq!(sum.failures, ["forward::mtu"]);
}
