//! What the schedulers promise, for any weights, rates, sizes and arrivals. Order and conservation
//! are checked by the world that all of these run in.

mod bounds;
mod order;
mod prompt;
mod rates;
mod world;
