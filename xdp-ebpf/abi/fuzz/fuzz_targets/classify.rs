//! The parser must neither panic nor point outside the frame, whatever bytes it gets; cut off at
//! the end of the first buffer it must not say anything else than for the whole frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_abi::{Head, classify};

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, frame) = input;
    let whole = classify(frame);
    if let Ok(v) = whole {
        assert!(v.l3_off as usize <= frame.len() && v.csum_len <= v.l4_len);
        if v.l4_off != 0 {
            assert!(v.l4_off as usize + v.l4_len as usize <= frame.len());
        }
        if v.csum_len != 0 {
            let field = v.csum_off() as usize;
            assert_eq!(frame[field..field + 2], v.csum.to_be_bytes());
        }
    }
    let linear = &frame[..frame.len().min(cut as usize)];
    if let Ok(v) = classify(&Head { linear, len: frame.len() }) {
        assert_eq!(Ok(v), whole);
    }
});
