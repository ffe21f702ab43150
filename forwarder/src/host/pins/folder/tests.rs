use super::*;

#[test]
fn a_folder_tells_whose_it_is() {
    let folder = Folder { inode: 4_026_531_840, digest: 0x37ac };
    assert_eq!(folder.name(), "4026531840-000037ac");
    assert_eq!(Folder::parse(&folder.name()), Some(folder));
    for other in ["", "-", "7-", "7-37ac", "7-000037AC", "07-000037ac", "x-000037ac"] {
        assert_eq!(Folder::parse(other), None, "{other}");
    }
}
