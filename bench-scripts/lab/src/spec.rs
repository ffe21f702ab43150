//! Experiment files: what they say, and the cells they come to.
//!
//! - [`file`]: a file as a whole; [`scene`]: what happens in one cell
//! - [`scale`]: rates that fit the machine; [`judge`]: what must hold; [`figure`]: what is drawn, and what was published
//! - [`mod@load`]: from a file's text to an experiment; [`order`]: the papers' order
//! - [`variables`] and [`arithmetic`] make scenes of the file's words; [`cells`]: all of them
//! - [`check`]: what a file may not say, in words of [`problem`]; [`quantity`]: names of results
//!
//! Invariant: a file that loads can be run: every cell's scene is read and checked with it.

mod arithmetic;
mod cells;
mod check;
mod figure;
mod file;
mod judge;
mod load;
mod order;
mod problem;
pub mod quantity;
mod scale;
mod scene;
mod seat;
mod variables;

pub use system_tests::bed::Family;

pub(crate) use self::cells::alike;
pub use self::figure::{Axis, Draw, Figure, Line, Over, Published, PublishedLine};
pub use self::file::{Effort, Experiment, Peer, PeerKind, SpecError, Variant, Vary};
pub use self::judge::{Check, Pair, Pick, Squeeze};
pub use self::load::{load, load_all};
pub use self::scale::{Capacity, Scale, Scaled};
pub use self::scene::{
    CountAt, Kind, Load, Probing, Scene, Seat, Step, Topology, Traffic, Vm, What, Window,
};
pub(crate) use self::seat::Place;
