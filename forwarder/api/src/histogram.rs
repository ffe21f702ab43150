//! Whole histograms in a report. Invariant: every implementation of HdrHistogram decodes the same
//! counts from an encoded histogram.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use hdrhistogram::{Counter, Histogram};

/// HdrHistogram's V2 encoding, deflated, in base64, as a line of an interval log has it.
pub fn encode<C: Counter>(times: &Histogram<C>) -> String {
    let mut bytes = Vec::new();
    #[expect(clippy::expect_used, reason = "it fails on counts above 2^63 and on a full Vec only")]
    V2DeflateSerializer::new().serialize(times, &mut bytes).expect("memory takes every byte");
    STANDARD.encode(bytes)
}

/// Decodes the result of [`encode`]; `None`: it is something else.
pub fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests;
