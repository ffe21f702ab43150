//! The guarantees of the schedulers, for any weights, rates, sizes and arrivals. The `world` module, in which
//! all of these run, checks order and conservation.

mod bounds;
mod order;
mod prompt;
mod rates;
mod world;
