//! Experiment files: their contents, and the resulting cells.
//!
//! - [`file`]: a file as a whole; [`scene`]: the contents of one cell
//! - [`scale`]: rates that fit the machine; [`judge`]: checks; [`figure`]: figures and published numbers
//! - [`mod@load`]: parses a file's text into an experiment, the papers' in order
//! - [`variables`] fills a file's variables in; [`cells`]: all cells
//! - [`check`]: errors of a file, as [`problem`]s; [`quantity`]: names of results
//!
//! Invariant: a file that loads can be run: every cell's scene is read and checked with it.

mod cells;
mod check;
mod figure;
mod file;
mod judge;
mod load;
mod problem;
pub mod quantity;
mod scale;
mod scene;
mod seat;
mod variables;

pub use system_tests::bed::Family;

pub(crate) use self::cells::alike;
pub use self::figure::{Axis, Draw, Figure, Line, Over, Published, PublishedLine};
pub use self::file::{Effort, Experiment, Peer, PeerKind, Variant, Vary};
pub use self::judge::{Check, Pair, Pick, Squeeze};
pub use self::load::{load, load_all};
pub use self::scale::{Capacity, Scale, Scaled};
pub use self::scene::{
    CountAt, Kind, Load, Probing, Scene, Step, Topology, Traffic, Vm, What, Window,
};
pub use self::seat::Seat;
