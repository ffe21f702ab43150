use super::*;

#[test]
fn a_folder_tells_whose_it_is() {
    let weir = Identity { inode: 4_026_531_840, digest: 0x37ac };
    assert_eq!(name_of(weir), "4026531840-000037ac");
    assert_eq!(parse(&name_of(weir)), Some(weir));
    for other in ["", "-", "7-", "7-37ac", "7-000037AC", "07-000037ac", "x-000037ac"] {
        assert_eq!(parse(other), None, "{other}");
    }
}
