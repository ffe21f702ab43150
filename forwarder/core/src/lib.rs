//! The pure core of weir: no clock, no I/O, no `unsafe`; time enters as an argument.
#![forbid(unsafe_code)]

pub mod offload;
