//! Experiment files: their contents, and the resulting cells.
//!
//! - [`file`]: a file as a whole; [`scene`]: the contents of one cell; [`judge`]: checks
//! - [`scale`]: rates that fit the machine; [`quantity`]: names of results
//! - [`mod@load`]: parses a file's text into an experiment, the papers' in order
//! - [`variables`] fills a file's variables in; [`cells`]: all cells
//! - [`check`]: errors of a file, as [`problem`]s
//!
//! Invariant: a file that loads can be run: every cell's scene is read and checked with it.

mod cells;
mod check;
mod file;
mod judge;
mod load;
mod problem;
pub mod quantity;
mod scale;
mod scene;
mod variables;

pub use system_tests::bed::Family;

pub use self::file::{
    Axis, Draw, Effort, Experiment, Figure, Line, Over, Peer, PeerKind, Published, PublishedLine,
    Variant, Vary,
};
pub use self::judge::{Check, Pick, Squeeze};
pub use self::load::{load, load_all};
pub use self::scale::{Capacity, Scale, Scaled};
pub use self::scene::{
    CountAt, Kind, Load, Probing, Scene, Seat, Step, Topology, Traffic, Vm, What, Window,
};
