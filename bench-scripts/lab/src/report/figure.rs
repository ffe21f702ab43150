//! A figure on the page: our plot, the paper's in it or beside it, legend, words, numbers.
//!
//! Invariant: every published number in the file is shown, with or without results.

use std::fmt::Write as _;

use anyhow::Result;

use super::chart::{self, Size};
use super::curves::{self, Ours};
use super::html::{escape, sentence, unit};
use super::plot::Plot;
use super::{digits, numbers, published};
use crate::run::Results;
use crate::spec::quantity::is_rate;
use crate::spec::{Draw, Experiment, Figure, Line, Published};

pub(super) fn figure(
    experiment: &Experiment,
    results: Option<&Results>,
    figure: &Figure,
) -> Result<String> {
    let left_out = figure.full_only && results.is_some_and(|results| results.quick);
    let measured = results.filter(|_| !left_out);
    let Ours { mut plot, apart, missing, at } = curves::ours(experiment, measured, figure);
    let papers: Vec<&Published> =
        experiment.published.iter().filter(|one| figure.published.contains(&one.figure)).collect();
    let mut beside = Vec::new();
    for one in &papers {
        let Some(mut theirs) = published::alone(one, Some(&plot)) else { continue };
        if published::fits(&theirs, &plot) {
            published::join(theirs, &mut plot);
        } else {
            published::align(&mut plot, &mut theirs);
            beside.push(Plot { title: paper_title(one), ..theirs });
        }
    }
    let mut plots = Vec::new();
    if !plot.curves.is_empty() {
        plots.push(Plot { title: "Measured here".to_owned(), ..plot });
    }
    plots.extend(apart);
    plots.extend(beside);
    plots.iter_mut().for_each(Plot::name_bars);

    let mut words = Vec::new();
    if results.is_none() {
        words.push("Not measured yet.".to_owned());
    } else if left_out {
        words.push("Left out of quick runs: their windows are too short to show it.".to_owned());
    } else if !missing.is_empty() {
        let by =
            if results.is_some_and(|results| results.quick) { " by this quick run" } else { "" };
        words.push(sentence(&format!("Not measured{by}: {}", missing.join("; "))));
    }
    if let Some(results) = measured {
        if !plots.iter().all(only_published) {
            words.push(how_drawn(experiment, figure, results, at));
        }
        words.extend(at_scale(figure, results, &papers));
    }
    if plots.iter().any(Plot::cuts) {
        words.push("An interval without a cap goes on beyond the plot.".to_owned());
    }
    for one in papers.iter().filter(|one| !one.shape.is_empty()) {
        words.push(format!("Published ({}): {}", one.figure, sentence(&one.shape)));
    }
    html(&figure.title, &plots, &words)
}

/// Published numbers that belong to no figure of ours.
pub(super) fn unclaimed(experiment: &Experiment) -> Result<String> {
    let claimed = |one: &Published| {
        experiment.figure.iter().any(|figure| figure.published.contains(&one.figure))
    };
    let mut out = String::new();
    for one in experiment.published.iter().filter(|one| !claimed(one)) {
        let plots = published::alone(one, None);
        let shape = (!one.shape.is_empty()).then(|| format!("Published: {}", sentence(&one.shape)));
        out += &html(&paper_title(one), plots.as_slice(), shape.as_slice())?;
    }
    Ok(out)
}

fn paper_title(published: &Published) -> String {
    format!("The paper's {}: {}", published.figure, published.what)
}

/// Explains lowered rates, for figures of rates; ratios do not depend on them.
fn at_scale(figure: &Figure, results: &Results, papers: &[&Published]) -> Option<String> {
    let scale = results.lowered()?;
    let of_rates = |line: &Line| {
        let over = line.over.as_ref();
        is_rate(&line.quantity)
            && !over.is_some_and(|over| over.quantity.as_ref().is_none_or(|over| is_rate(over)))
    };
    if !figure.line.iter().any(of_rates) {
        return None;
    }
    let theirs = papers.iter().any(|one| !one.line.is_empty());
    let theirs = if theirs { "; the paper's are as they were printed" } else { "" };
    Some(format!("Our rates are those of a scene at {} of the file's{theirs}.", scale.factor))
}

fn only_published(plot: &Plot) -> bool {
    plot.curves.iter().all(|curve| curve.published)
}

/// Explains points and intervals.
fn how_drawn(
    experiment: &Experiment,
    figure: &Figure,
    results: &Results,
    at: Option<f64>,
) -> String {
    if figure.draw == Draw::Time {
        // "maximum rate of each VM 40 Mb/s".
        let run = experiment.vary.as_ref().zip(at).map(|(vary, at)| {
            let run = format!(", {} {} {}", vary.name, digits::exact(at), unit(&vary.unit));
            run.trim_end().to_owned()
        });
        return format!("The first repetition{}.", run.unwrap_or_default());
    }
    let repetitions = repetitions(results);
    if repetitions < 2 {
        "One repetition, so without intervals.".to_owned()
    } else {
        format!("Means of {repetitions} repetitions with 0.95 confidence intervals.")
    }
}

/// The largest number of repetitions of a cell.
pub(super) fn repetitions(results: &Results) -> usize {
    results.measured.iter().map(|cell| cell.place.repetition as usize + 1).max().unwrap_or(0)
}

fn html(title: &str, plots: &[Plot], words: &[String]) -> Result<String> {
    let mut out = String::from("<figure>\n");
    let _ = writeln!(out, "<figcaption><h4>{}</h4></figcaption>", escape(title));
    // A plot of the paper's few numbers alone needs no width.
    let (size, class) = match plots {
        [one] if only_published(one) => (Size::Half, " small"),
        [_] | [] => (Size::Wide, ""),
        _ => (Size::Half, " several"),
    };
    if !plots.is_empty() {
        let _ = writeln!(out, "<div class=\"plots{class}\">");
        for plot in plots {
            let described = plot.described(title);
            out += "<div class=\"plot\">\n";
            if plots.len() > 1 {
                let _ = writeln!(out, "<p class=\"over\">{}</p>", escape(&plot.title));
            }
            out += &chart::svg(plot, size, &described)?;
            out += &chart::svg(plot, Size::Narrow, &described)?;
            out += "</div>\n";
        }
        out += "</div>\n";
        out += &legend(plots)?;
    }
    for word in words {
        let _ = writeln!(out, "<p class=\"words\">{}</p>", escape(word));
    }
    out += &numbers::tables(plots, title)?;
    Ok(out + "</figure>\n")
}

/// Every curve of all plots once.
fn legend(plots: &[Plot]) -> Result<String> {
    let mut items: Vec<String> = Vec::new();
    for plot in plots {
        for curve in &plot.curves {
            let key = chart::key(curve.look, plot.draw)?;
            let item = format!("<li>{key} {}</li>\n", escape(&curve.name));
            if !items.contains(&item) {
                items.push(item);
            }
        }
    }
    Ok(format!("<ul class=\"legend\">\n{}</ul>\n", items.concat()))
}
