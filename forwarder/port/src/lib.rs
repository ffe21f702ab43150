//! Frames and the ways they enter and leave: the only package of weir that may use `unsafe`.
//!
//! Invariant: every frame of a [`pool::Pool`] has exactly one owner at any time, and
//! `census()` adds up to the total.
#![allow(unsafe_code)]

pub mod probe;
