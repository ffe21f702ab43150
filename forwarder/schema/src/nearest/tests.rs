use super::*;

#[test]
fn slips_find_their_word_and_strangers_do_not() {
    let keys = ["name", "role", "mode", "weight", "min-rate", "max-rate"];
    assert_eq!(nearest("wieght", &keys), Some("weight"));
    assert_eq!(nearest("min_rate", &keys), Some("min-rate"));
    assert_eq!(nearest("Mode", &keys), Some("mode"));
    assert_eq!(nearest("colour", &keys), None);
    assert_eq!(nearest("", &keys), None);
}
