use super::numbers;

#[test]
fn versions_are_compared_by_their_numbers() {
    let old = "linux-image-6.12.9+deb12-amd64-unsigned";
    let new = "linux-image-6.12.10+deb12-amd64-unsigned";
    assert!(numbers(old) < numbers(new));
    assert!(old > new, "and not by their letters");
}
