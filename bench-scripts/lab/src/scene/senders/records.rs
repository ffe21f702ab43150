//! Records of a size over one TCP connection, each acknowledged: throughput and response time.
//!
//! Invariant: throughput covers the bytes that came in the window, whole records or not; the response
//! time covers the records that were acknowledged in it.

use super::exchange::{Measured, Terms};
use crate::spec::Traffic;

const USUAL: u32 = 1000;
const ACKNOWLEDGEMENT: usize = 1;

pub(super) fn terms(traffic: &Traffic) -> Terms {
    Terms {
        request: traffic.size.unwrap_or(USUAL) as usize,
        response: ACKNOWLEDGEMENT,
        tell,
        goodput: true,
        what: "record acknowledged",
    }
}

fn tell(measured: &Measured<'_>) -> Vec<(&'static str, f64)> {
    let bytes_per_s = measured.received as f64 / measured.seconds;
    vec![("records_per_s", bytes_per_s / measured.terms.request as f64)]
}
