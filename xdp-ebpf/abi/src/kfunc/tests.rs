use super::*;

#[test]
fn placeholders_become_calls_and_nothing_else_changes() {
    let mut object = [0xffu8; 32];
    object[8..12].copy_from_slice(&MOV_R0);
    object[12..16].copy_from_slice(&RDONLY_CAST.to_le_bytes());
    let kfuncs = Kfuncs { cast_to_kern_ctx: 7, rdonly_cast: 0x1234 };
    assert_eq!(link(&mut object, kfuncs), [0, 1]);
    assert_eq!(object[8..16], [0x85, 0x20, 0, 0, 0x34, 0x12, 0, 0]);
    assert!(object[..8].iter().chain(&object[16..]).all(|b| *b == 0xff));
}
