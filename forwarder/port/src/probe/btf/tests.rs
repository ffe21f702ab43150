use super::*;

#[test]
fn offsets_are_plausible_or_absent() {
    let Some(facts) = KernelFacts::read() else { return };
    assert!(facts.skb.usable() && facts.skb.head != facts.skb.data, "{facts:?}");
}
