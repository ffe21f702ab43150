use super::*;

#[test]
fn words_and_bytes_are_the_same() {
    let meta = Meta {
        ingress_ns: 0x0102_0304_0506_0708,
        flow_hash: 0x1112_1314,
        len: 0x2122_2324,
        port: 0x3132,
        egress: 0x4142,
        flags: 0x5152,
        l4_off: 0x6162,
        gso_size: 0x7172,
        vlan: 0x8182,
        l3_off: 0x91,
        gso_type: 0xa1,
        abi: 0xb1b2,
    };
    assert_eq!(meta.to_words().map(u64::to_le_bytes).as_flattened(), meta.to_bytes());
}
