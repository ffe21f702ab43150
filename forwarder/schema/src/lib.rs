//! Every setting of weir, declared once, and what is generated from the declarations.
//!
//! - [`setting`]: the parts of a declaration, and the macro that declares
//! - [`sections`]: the settings
//! - [`value`]: the types of settings, with their reading and writing
//! - [`plan`]: all settings of one weir, validated
//! - [`file`]: parses a TOML file into a plan; [`table`]: one table; [`problem`]: their errors, with
//!   places
//! - [`document`]: a plan as clients read it, and the differences of two; [`patch`]: their changes to it
//! - [`pages`]: the example file and the reference
//! - [`host`]: the machine's cores; [`nearest`](nearest()): the word that was probably meant
#![forbid(unsafe_code)]

mod document;
mod file;
mod host;
mod nearest;
pub mod pages;
mod patch;
mod plan;
mod problem;
#[allow(rustdoc::broken_intra_doc_links, reason = "[forwarder] is a table of the file")]
mod sections;
pub mod setting;
mod table;
#[cfg(test)]
mod tests;
pub mod value;

pub use self::{
    document::{Difference, DifferenceKind, differences},
    file::{load, parse},
    host::Host,
    nearest::nearest,
    patch::PatchError,
    plan::{Located, Plan},
    problem::{ConfigErrors, Problem},
    sections::{
        ContainerPlan, DEFAULT_CONTROL, ForwarderPlan, MeasurePlan, PortPlan, SchedulerPlan,
    },
    setting::{Declaration, Effect, Section},
    value::{check_control, is_interface_name},
};
