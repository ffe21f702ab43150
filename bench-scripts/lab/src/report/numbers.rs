//! A figure's numbers as a table: ours beside the paper's.
//!
//! Invariant: the table has every point of a plot, and nothing else.

use anyhow::Result;

use super::chart;
use super::digits;
use super::html::{axis, escape};
use super::plot::{Curve, Plot, in_order, same};
use crate::spec::Draw;

/// With at least this many columns, and more columns than curves, the table is upright.
const LONG: usize = 9;

/// Tables of all plots of a figure: plots over the same quantity share one.
pub(super) fn tables(plots: &[Plot], title: &str) -> Result<String> {
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
