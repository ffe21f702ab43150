use super::*;

#[test]
fn one_bit_anywhere_makes_it_another_flow() {
    let key = FlowKey {
        src: [7; 16],
        dst: [9; 16],
        src_port: 1,
        dst_port: 2,
        vlan: 3,
        ethertype: 0x0800,
        proto: 6,
        ingress: 4,
    };
    let packed = PackedKey::from(&key);
    assert_eq!(FlowKey::from(&packed), key);
    assert!(packed.same(&packed.clone()));
    let mut others = Vec::new();
    for bit in 0..8 {
        let flip = 1u8 << bit;
        for at in 0..16 {
            let mut other = key;
            other.src[at] ^= flip;
            others.push(other);
            let mut other = key;
            other.dst[at] ^= flip;
            others.push(other);
        }
        others.push(FlowKey { proto: key.proto ^ flip, ..key });
    }
    for flip in (0..16).map(|bit| 1u16 << bit) {
        others.push(FlowKey { src_port: key.src_port ^ flip, ..key });
        others.push(FlowKey { dst_port: key.dst_port ^ flip, ..key });
        others.push(FlowKey { vlan: key.vlan ^ flip, ..key });
        others.push(FlowKey { ethertype: key.ethertype ^ flip, ..key });
        others.push(FlowKey { ingress: key.ingress ^ flip, ..key });
    }
    assert_eq!(others.len(), 8 * (2 * 16 + 5 * 2 + 1));
    for other in &others {
        let other_packed = PackedKey::from(other);
        assert!(!packed.same(&other_packed) && FlowKey::from(&other_packed) == *other);
    }
}
