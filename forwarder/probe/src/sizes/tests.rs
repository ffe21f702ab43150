use super::*;

#[test]
fn one_a_list_and_a_range() {
    let sizes = |text: &str| -> Sizes { text.parse().unwrap() };
    assert_eq!(sizes("64"), Sizes::default());
    let list: Vec<u32> = (0..4).map(|n| sizes("64,512,1400").nth(n)).collect();
    assert_eq!(list, [64, 512, 1400, 64]);
    let range = sizes("64..1400,9000");
    assert_eq!(
        (range.nth(0), range.nth(1), range.nth(1336), range.nth(1337)),
        (64, 65, 1400, 9000)
    );
    assert_eq!((range.smallest(), range.largest()), (64, 9000));
    assert_eq!((sizes("100,200").mean(), range.to_string().as_str()), (150, "64..1400,9000"));
}

#[test]
fn what_is_no_size_is_answered_with_one() {
    for text in ["", "65508", "64..", "..64", "1400..64", "64,", "64B", "64-1400", "-1"] {
        let error = text.parse::<Sizes>().unwrap_err();
        assert!(error.contains("e.g. \"64\""), "{text}: {error}");
    }
}
