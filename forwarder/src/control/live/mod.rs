//! What of a plan can be changed while traffic flows: shown as a JSON document, changed by merge
//! patches (RFC 7396) on it, and compared.
//! Invariant: a plan changes as a whole or not at all, and what it may become is decided by the
//! readers of the configuration file, in their words.

mod differences;
mod document;
mod patch;
#[cfg(test)]
mod tests;

pub use self::{
    differences::{Difference, Effect, What},
    patch::PatchError,
};
