//! Checks, figures and published numbers. Invariant: the quantities that they name are measured in
//! every cell that they cover, so that a check fails for its results and not for its wording.

use std::collections::BTreeSet;

use super::head::Names;
use crate::cell::{Cell, Place};
use crate::spec::cells::{alike, same_x};
use crate::spec::problem::{Checked, Problem, must};
use crate::spec::quantity::{check_series, check_value, has_any};
use crate::spec::{Check, Draw, Experiment, Figure, Line, Over, Pick, Published};

/// `cells` of the full and of the quick effort.
pub(super) fn check(experiment: &Experiment, cells: [&[Cell]; 2]) -> Checked {
    for (index, check) in experiment.check.iter().enumerate() {
        let at = format!("check.{index}");
        bounds(check, &at)?;
        for (key, pick) in check.picks() {
            picks(experiment, pick, &format!("{at}.{key}"))?;
        }
        must(check.ceiling.is_none() || check.least.is_some(), &format!("{at}.ceiling"), || {
            "a ceiling is for a check with least: take it out".to_owned()
        })?;
        for (quick, cells) in [(false, cells[0]), (true, cells[1])] {
            judged(experiment, check, cells, quick, &at)?;
        }
    }
    published(&experiment.published)?;
    for (index, figure) in experiment.figure.iter().enumerate() {
        drawn(experiment, figure, cells[0], &format!("figure.{index}"))?;
    }
    Ok(())
}

fn bounds(check: &Check, at: &str) -> Checked {
    must(check.least.or(check.most).is_some(), at, || {
        "nothing is asked: write least or most, or both".to_owned()
    })?;
    for quick in [false, true] {
        let (least, most) = check.bounds(quick);
        let finite = [least, most].into_iter().flatten().all(f64::is_finite);
        must(finite, at, || "a bound is no finite number: leave it out".to_owned())?;
        must(least.zip(most).is_none_or(|(least, most)| least <= most), at, || {
            let effort = if quick { " with --quick" } else { "" };
            format!("least is above most{effort}: nothing can be so")
        })?;
    }
    Ok(())
}

fn picks(experiment: &Experiment, pick: &Pick, at: &str) -> Checked {
    Names::peers(experiment).has(&pick.peer, &format!("{at}.peer"))?;
    if let Some(variant) = &pick.variant {
        Names::variants(experiment).has(variant, &format!("{at}.variant"))?;
    }
    let values = experiment.vary.iter().flat_map(|vary| &vary.values);
    let mut values = values.chain(experiment.full.values.iter().flatten());
    must(pick.x.is_none() || values.any(|x| same_x(Some(*x), pick.x)), &format!("{at}.x"), || {
        "this is none of the values of [vary]: write one of them, or take it out".to_owned()
    })
}

/// A whole run judges everything that a check picks; a quick run, the part that it measures.
fn judged(
    experiment: &Experiment,
    check: &Check,
    cells: &[Cell],
    quick: bool,
    at: &str,
) -> Checked {
    let (pairs, lacking) = check.pairs(experiment, quick);
    if !quick {
        let missing =
            |(_, place): &(_, &Place)| !cells.iter().any(|cell| alike(&cell.place, place));
        if let Some((key, place)) = lacking.first().and_then(|pair| pair.places().find(missing)) {
            let why = match key {
                "over" => "which the value is divided by",
                "less" => "which is taken from the value",
                _ => "which is the value's ceiling",
            };
            let what = format!(
                "{} is not measured, {why}: name another peer, variant or x",
                place.words("$x = ", "").join(", ")
            );
            return Err(Problem::new(format!("{at}.{key}"), what));
        }
        must(!pairs.is_empty(), &format!("{at}.value"), || {
            "no cell is of this peer, variant and x: nothing would be judged".to_owned()
        })?;
    }
    for pair in &pairs {
        for ((key, pick), (_, place)) in check.picks().zip(pair.places()) {
            let cell = cells.iter().find(|cell| alike(&cell.place, place));
            let Some(Cell { peer, scene, .. }) = cell else { continue };
            check_value(&pick.quantity, scene, peer.kind).map_err(|what| {
                let what = format!("{what} ({})", place.words("$x = ", "").join(", "));
                Problem::new(format!("{at}.{key}.quantity"), what)
            })?;
        }
    }
    Ok(())
}

fn drawn(experiment: &Experiment, figure: &Figure, cells: &[Cell], at: &str) -> Checked {
    let varied = experiment.vary.is_some();
    must(figure.draw != Draw::Lines || varied, &format!("{at}.draw"), || {
        "lines are drawn over what [vary] varies, and it is not there: write draw = \"bars\""
            .to_owned()
    })?;
    must(!figure.line.is_empty(), at, || "nothing is drawn: add a line".to_owned())?;
    for (index, line) in figure.line.iter().enumerate() {
        drawn_line(experiment, figure.draw, line, cells, &format!("{at}.line.{index}"))?;
    }
    for (index, name) in figure.published.iter().enumerate() {
        let known = experiment.published.iter().any(|published| published.figure == *name);
        must(known, &format!("{at}.published.{index}"), || {
            format!("no [[published]] has figure = \"{name}\": add it, or take this out")
        })?;
    }
    Ok(())
}

/// Some of a line's cells must have its quantity: the eighth VM's exists with eight VMs only.
fn drawn_line(
    experiment: &Experiment,
    draw: Draw,
    line: &Line,
    cells: &[Cell],
    at: &str,
) -> Checked {
    Names::peers(experiment).have(Some(&line.peers), &format!("{at}.peers"))?;
    Names::variants(experiment).have(line.variants.as_ref(), &format!("{at}.variants"))?;
    must(draw == Draw::Time || !has_any(&line.quantity), &format!("{at}.quantity"), || {
        format!("`{}`: a line needs one name in place of `*`", line.quantity)
    })?;
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
        .map_err(|what| Problem::new(format!("{at}.quantity"), what))?;
    }
    line.over.as_ref().map_or(Ok(()), |over| {
        must(draw != Draw::Time, &format!("{at}.over"), || {
            "a series over time is not divided: take this out".to_owned()
        })?;
        divided(experiment, line, over, cells, &format!("{at}.over"))
    })
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
fn divided(experiment: &Experiment, line: &Line, over: &Over, cells: &[Cell], at: &str) -> Checked {
    let peers = over.peer.as_ref().map_or_else(|| line.peers.clone(), |peer| vec![peer.clone()]);
    for peer in peers {
        let quantity = over.quantity.as_ref().unwrap_or(&line.quantity).clone();
        let pick = Pick { quantity, peer, variant: over.variant.clone(), x: over.x };
        picks(experiment, &pick, at)?;
        must(!has_any(&pick.quantity), &format!("{at}.quantity"), || {
            format!("`{}`: a line needs one name in place of `*`", pick.quantity)
        })?;
        let none = format!("no cell is of {}, this variant and x", pick.peer);
        some_has(cells.iter().filter(|cell| pick.picks(&cell.place)), none, |cell| {
            check_value(&pick.quantity, &cell.scene, cell.peer.kind)
        })
        .map_err(|what| Problem::new(at, what))?;
    }
    Ok(())
}

fn published(all: &[Published]) -> Checked {
    let mut known = BTreeSet::new();
    for (index, published) in all.iter().enumerate() {
        let at = format!("published.{index}");
        must(known.insert(&published.figure), &format!("{at}.figure"), || {
            format!("\"{}\" is there twice: rename one", published.figure)
        })?;
        for (index, line) in published.line.iter().enumerate() {
            let at = format!("{at}.line.{index}.points");
            for (index, point) in line.points.iter().enumerate() {
                let good = match point.as_slice() {
                    [x, y] => x.is_finite() && y.is_finite(),
                    [x, y, low, high] => {
                        [x, y].iter().all(|value| value.is_finite()) && low <= high
                    }
                    _ => false,
                };
                must(good, &format!("{at}.{index}"), || {
                    "write [x, y] or [x, y, low, high] with low <= high".to_owned()
                })?;
            }
        }
    }
    Ok(())
}
