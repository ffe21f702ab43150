//! The views, in the order of [`View`].

use super::{flows, grid::Declared, links, losses, vifs};
use crate::cli::args::View;

pub(super) static ALL: [&Declared; 4] = [&vifs::VIEW, &flows::VIEW, &losses::VIEW, &links::VIEW];

pub(super) fn of(view: View) -> &'static Declared {
    ALL[view as usize]
}
