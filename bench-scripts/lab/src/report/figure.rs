//! A figure on the page: our plot, the paper's in it or beside it, legend, words, and the numbers as a
//! table, ours beside the paper's.
//!
//! Invariant: every published number in the file is shown, with or without results. The table has every
//! point of a plot, and nothing else.

use std::fmt::Write as _;

use anyhow::Result;

use super::chart::{self, Size};
use super::curves::{self, Ours};
use super::html::{axis, escape, sentence, unit};
use super::plot::{Curve, Plot, in_order};
use super::{digits, published};
use crate::cell::same;
use crate::run::Results;
use crate::spec::quantity::is_rate;
use crate::spec::{Draw, Experiment, Figure, Line, Published};

/// With at least this many columns, and more columns than curves, the table is upright.
const LONG: usize = 9;

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
    out += &tables(plots, title)?;
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

/// Tables of all plots of a figure: plots over the same quantity share one.
fn tables(plots: &[Plot], title: &str) -> Result<String> {
    let mut out = String::new();
    let drawn = |plot: &&Plot| plot.draw != Draw::Time && !plot.curves.is_empty();
    let mut rest: Vec<&Plot> = plots.iter().filter(drawn).collect();
    while let Some(first) = rest.first().copied() {
        let (together, others): (Vec<&Plot>, Vec<&Plot>) =
            rest.into_iter().partition(|plot| shares_columns(plot, first));
        out += &table(&together, title)?;
        rest = others;
    }
    Ok(out)
}

fn shares_columns(a: &Plot, b: &Plot) -> bool {
    match (&a.labels, &b.labels) {
        (None, None) => a.x.unit == b.x.unit,
        (Some(a), Some(b)) => a.iter().any(|label| b.contains(label)),
        _ => false,
    }
}

fn table(plots: &[&Plot], title: &str) -> Result<String> {
    let columns = columns(plots);
    let y = &plots[0].y;
    let corner = escape(&axis(&plots[0].x));
    let heads = columns.iter().map(|column| escape(&column.shown));
    // A curve is a row.
    let mut rows = vec![std::iter::once(corner).chain(heads).collect::<Vec<String>>()];
    for plot in plots {
        let unit = if plot.y.unit == y.unit {
            String::new()
        } else {
            format!(" <small>{}</small>", escape(&axis(&plot.y)))
        };
        for curve in &plot.curves {
            let key = chart::key(curve.look, plot.draw)?;
            let head = format!("{key} {}{unit}", escape(&curve.name));
            let cell = |column: &Column| {
                let point = curve.points.iter().find(|point| column.is(plot, point.x));
                point.map_or_else(|| "–".to_owned(), |point| curve.shown(point.number))
            };
            rows.push(std::iter::once(head).chain(columns.iter().map(cell)).collect());
        }
    }
    let repeated =
        |curve: &Curve| !curve.published && curve.points.iter().any(|point| point.spread.is_some());
    let medians = plots.iter().flat_map(|plot| &plot.curves).any(repeated);
    let of = if medians { ": medians of the repetitions" } else { "" };
    let caption = escape(&format!("{}{of}", axis(y)));
    let title = escape(title);
    let mut class = "numbers";
    if columns.len() >= LONG && columns.len() >= rows.len() {
        // A curve is a column.
        class = "numbers upright";
        let column = |at: usize| rows.iter().map(|row| row[at].clone()).collect();
        rows = (0..=columns.len()).map(column).collect();
    }
    let body = body(&rows);
    Ok(format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{title}: numbers\" tabindex=\"0\"><table class=\"{class}\">\n<caption>{caption}</caption>\n{body}</table></div>\n"
    ))
}

/// The first row and the first cell of each row are headings.
fn body(rows: &[Vec<String>]) -> String {
    let mut out = String::from("<thead>");
    for (i, row) in rows.iter().enumerate() {
        out += "<tr>";
        for (j, cell) in row.iter().enumerate() {
            out += &match (i, j) {
                (0, _) => format!("<th scope=\"col\">{cell}</th>"),
                (_, 0) => format!("<th scope=\"row\">{cell}</th>"),
                _ => format!("<td>{cell}</td>"),
            };
        }
        out += if i == 0 { "</tr></thead>\n<tbody>\n" } else { "</tr>\n" };
    }
    out + "</tbody>"
}

/// A place on the horizontal axis: its value, unless it only has a name.
struct Column {
    value: Option<f64>,
    shown: String,
}

impl Column {
    fn is(&self, plot: &Plot, x: f64) -> bool {
        match (self.value, &plot.labels) {
            (Some(value), None) => same(value, x),
            (None, Some(labels)) => labels.get(x as usize) == Some(&self.shown),
            _ => false,
        }
    }
}

fn columns(plots: &[&Plot]) -> Vec<Column> {
    if plots[0].labels.is_some() {
        let mut labels: Vec<String> = Vec::new();
        for label in plots.iter().filter_map(|plot| plot.labels.as_ref()).flatten() {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        return labels.into_iter().map(|shown| Column { value: None, shown }).collect();
    }
    let xs = in_order(plots.iter().flat_map(|plot| plot.xs()).collect());
    xs.into_iter().map(|x| Column { value: Some(x), shown: digits::exact(x) }).collect()
}
