//! Request and response over TCP, each sent when the last is answered: a closed loop, like the clients
//! of a service.
//!
//! Invariant: all clients are on the senders' core, however many there are.

use super::exchange::{Measured, Terms};
use crate::spec::Traffic;

/// Bytes of a request and of its answer.
const USUAL: u32 = 64;

pub(super) fn terms(traffic: &Traffic) -> Terms {
    let size = traffic.size.unwrap_or(USUAL) as usize;
    Terms { request: size, response: size, tell, goodput: false, what: "answer" }
}

/// A kilobyte of answers is 1024 bytes, as load generators for services count them.
fn tell(measured: &Measured<'_>) -> Vec<(&'static str, f64)> {
    let answers_per_s = measured.times.len() as f64 / measured.seconds;
    let kbytes = answers_per_s * measured.terms.response as f64 / 1024.0;
    vec![("answers_per_s", answers_per_s), ("kbytes_per_s", kbytes)]
}
