//! Checks a file. Invariant: a file that passes can be run and judged: every name is known, and every
//! quantity is measured.
//!
//! - [`head`]: peers, efforts, variables; [`scene`] and [`traffic`]: the scene of each cell
//! - [`claims`]: checks, figures and published numbers; [`scale`]: rates that fit the machine

mod claims;
mod head;
mod scale;
mod scene;
#[cfg(test)]
mod tests;
mod traffic;

use super::cells::context;
use super::problem::{Checked, Problem};
use super::{Experiment, variables};
use crate::cell::Cell;

/// Checks a whole file; `stem` is its name without the ending.
pub(super) fn whole(experiment: &Experiment, stem: &str) -> Checked {
    head::check(experiment, stem)?;
    variables::check_names(&experiment.variant)?;
    let cells = [once(experiment, false)?, once(experiment, true)?];
    head::check_x(experiment)?;
    claims::check(experiment, [&cells[0], &cells[1]])?;
    scale::check(experiment, [&cells[0], &cells[1]])
}

/// The cells of an effort's first repetition, each of them checked.
fn once(experiment: &Experiment, quick: bool) -> Result<Vec<Cell>, Problem> {
    let mut cells = experiment.all_cells(quick)?;
    cells.retain(|cell| cell.place.repetition == 0);
    for cell in &cells {
        check_cell(experiment, cell).map_err(|mut problem| {
            let seconds = experiment.effort(quick).seconds;
            problem.what.push_str(&context(&cell.place.variant, cell.place.x, seconds));
            problem
        })?;
    }
    Ok(cells)
}

fn check_cell(experiment: &Experiment, cell: &Cell) -> Checked {
    scene::check(&cell.scene)?;
    for (index, peer) in experiment.peer.iter().enumerate() {
        if peer.name == cell.place.peer {
            scene::check_peer(peer.kind, &cell.scene, &format!("peer.{index}.kind"))?;
        }
    }
    Ok(())
}

/// `1 VM`, `2 VMs`.
fn vms(count: u8) -> String {
    if count == 1 { "1 VM".to_owned() } else { format!("{count} VMs") }
}

/// Whether a name can be part of other names: letters, digits and those of `more`.
fn is_plain(name: &str, more: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}
