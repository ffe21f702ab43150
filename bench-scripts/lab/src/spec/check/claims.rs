//! Checks, figures and published numbers. Invariant: the quantities that they name are measured in
//! every cell that they cover, so that a check fails for its results and not for its wording.

use super::Names;
use crate::cell::{Cell, Place, same_x};
use crate::spec::problem::{Checked, Problem, each, require, within};
use crate::spec::quantity::{check_series, check_value, has_any};
use crate::spec::{Check, Draw, Experiment, Figure, Line, Pick, Published};

/// `cells` of the full and of the quick effort.
pub(super) fn check(experiment: &Experiment, cells: &[Vec<Cell>; 2]) -> Checked {
    each("check", &experiment.check, |check, _| {
        bounds(check)?;
        check.picks().try_for_each(|(key, pick)| within(key, picks(experiment, pick)))?;
        let what = "a ceiling is for a check with least: take it out";
        require(check.ceiling.is_none() || check.least.is_some(), "ceiling", what)?;
        judged(experiment, check, &cells[0], false)?;
        judged(experiment, check, &cells[1], true)
    })?;
    published(&experiment.published)?;
    each("figure", &experiment.figure, |figure, _| drawn(experiment, figure, &cells[0]))
}

fn bounds(check: &Check) -> Checked {
    let some = check.least.or(check.most).is_some();
    require(some, "", "nothing is asked: write least or most, or both")?;
    for (quick, effort) in [(false, ""), (true, " with --quick")] {
        let (least, most) = check.bounds(quick);
        let finite = [least, most].into_iter().flatten().all(f64::is_finite);
        require(finite, "", "a bound is no finite number: leave it out")?;
        let in_order = least.zip(most).is_none_or(|(least, most)| least <= most);
        require(in_order, "", format!("least is above most{effort}: nothing can be so"))?;
    }
    Ok(())
}

fn picks(experiment: &Experiment, pick: &Pick) -> Checked {
    Names::peers(experiment).has(&pick.peer, "peer")?;
    if let Some(variant) = &pick.variant {
        Names::variants(experiment).has(variant, "variant")?;
    }
    let values = experiment.vary.iter().flat_map(|vary| &vary.values);
    let mut values = values.chain(experiment.full.values.iter().flatten());
    let what = "this is none of the values of [vary]: write one of them, or take it out";
    require(pick.x.is_none() || values.any(|x| same_x(Some(*x), pick.x)), "x", what)
}

/// A whole run judges everything that a check picks; a quick run, the part that it measures.
fn judged(experiment: &Experiment, check: &Check, cells: &[Cell], quick: bool) -> Checked {
    let (judged, lacking) = check.places(experiment, quick);
    let cell = |place: &Place| cells.iter().find(|cell| cell.place.is_like(place));
    let words = |place: &Place| place.words("$x = ", "").join(", ");
    if !quick {
        let mut beside = lacking.iter().flat_map(|value| check.beside(value));
        if let Some((key, _, place)) = beside.find(|(.., place)| cell(place).is_none()) {
            let why = match key {
                "over" => "which the value is divided by",
                "less" => "which is taken from the value",
                _ => "which is the value's ceiling",
            };
            let what = format!(
                "{} is not measured, {why}: name another peer, variant or x",
                words(&place)
            );
            return Err(Problem::new(key, what));
        }
        let what = "no cell is of this peer, variant and x: nothing would be judged";
        require(!judged.is_empty(), "value", what)?;
    }
    for (key, pick, place) in judged.iter().flat_map(|value| check.beside(value)) {
        let Some(Cell { peer, scene, .. }) = cell(&place) else { continue };
        check_value(&pick.quantity, scene, peer.kind).map_err(|what| {
            Problem::new(format!("{key}.quantity"), format!("{what} ({})", words(&place)))
        })?;
    }
    Ok(())
}

fn drawn(experiment: &Experiment, figure: &Figure, cells: &[Cell]) -> Checked {
    let varied = experiment.vary.is_some();
    let what =
        "lines are drawn over what [vary] varies, and it is not there: write draw = \"bars\"";
    require(figure.draw != Draw::Lines || varied, "draw", what)?;
    require(!figure.line.is_empty(), "", "nothing is drawn: add a line")?;
    each("line", &figure.line, |line, _| drawn_line(experiment, figure.draw, line, cells))?;
    each("published", &figure.published, |name, _| {
        let known = experiment.published.iter().any(|published| published.figure == *name);
        let what = format!("no [[published]] has figure = \"{name}\": add it, or take this out");
        require(known, "", what)
    })
}

/// Some of a line's cells must have its quantity: the eighth VM's exists with eight VMs only.
fn drawn_line(experiment: &Experiment, draw: Draw, line: &Line, cells: &[Cell]) -> Checked {
    Names::peers(experiment).have(Some(&line.peers), "peers")?;
    Names::variants(experiment).have(line.variants.as_ref(), "variants")?;
    if draw != Draw::Time {
        one_name(&line.quantity)?;
    }
    for peer in &line.peers {
        let picks = |cell: &&Cell| {
            let Place { peer: of, variant, .. } = &cell.place;
            of == peer && line.variants.as_ref().is_none_or(|only| only.contains(variant))
        };
        let check = if draw == Draw::Time { check_series } else { check_value };
        let none = format!("no cell is of {peer} and these variants");
        some_has(cells.iter().filter(picks), none, |cell| {
            check(&line.quantity, &cell.scene, cell.peer.kind)
        })
        .map_err(|what| Problem::new("quantity", what))?;
        let Some(over) = line.divisor(peer) else { continue };
        require(draw != Draw::Time, "over", "a series over time is not divided: take this out")?;
        within("over", divided(experiment, &over, cells))?;
    }
    Ok(())
}

fn one_name(quantity: &str) -> Checked {
    let what = format!("`{quantity}`: a line needs one name in place of `*`");
    require(!has_any(quantity), "quantity", what)
}

/// Whether any cell passes; otherwise why the last does not, or `none` without cells.
fn some_has<'c>(
    mut cells: impl Iterator<Item = &'c Cell>,
    none: String,
    check: impl Fn(&Cell) -> Result<(), String>,
) -> Result<(), String> {
    cells.try_fold(none, |_, cell| check(cell).err()).map_or(Ok(()), Err)
}

/// The divisor of a line, which some cell must have, too.
fn divided(experiment: &Experiment, over: &Pick, cells: &[Cell]) -> Checked {
    picks(experiment, over)?;
    one_name(&over.quantity)?;
    let none = format!("no cell is of {}, this variant and x", over.peer);
    some_has(cells.iter().filter(|cell| over.picks(&cell.place)), none, |cell| {
        check_value(&over.quantity, &cell.scene, cell.peer.kind)
    })
    .map_err(|what| Problem::new("", what))
}

fn published(all: &[Published]) -> Checked {
    each("published", all, |published, before| {
        let what = format!("\"{}\" is there twice: rename one", published.figure);
        let new = before.iter().all(|other| other.figure != published.figure);
        require(new, "figure", what)?;
        each("line", &published.line, |line, _| {
            each("points", &line.points, |point, _| {
                let good = match point.as_slice() {
                    [x, y] => x.is_finite() && y.is_finite(),
                    [x, y, low, high] => x.is_finite() && y.is_finite() && low <= high,
                    _ => false,
                };
                require(good, "", "write [x, y] or [x, y, low, high] with low <= high")
            })
        })
    })
}
