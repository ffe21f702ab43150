//! A figure's numbers as a table: ours beside the paper's.
//!
//! Invariant: the table has every point of a plot, and nothing else.

use anyhow::Result;

use super::chart;
use super::digits;
use super::html::{axis, escape};
use super::plot::{Curve, Plot, same};
use crate::spec::Draw;

/// With at least this many columns, and more columns than curves, the table is upright.
const LONG: usize = 9;

struct Row {
    /// HTML.
    head: String,
    cells: Vec<String>,
}

/// Tables of all plots of a figure: plots over the same quantity share one.
pub(super) fn tables(plots: &[&Plot], title: &str) -> Result<String> {
    let mut out = String::new();
    let drawn = |plot: &&Plot| plot.draw != Draw::Time && !plot.curves.is_empty();
    let mut rest: Vec<&Plot> = plots.iter().copied().filter(drawn).collect();
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
    let mut rows = Vec::new();
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
                let write = if curve.published { digits::exact } else { digits::plain };
                point.map_or_else(|| "–".to_owned(), |point| write(point.number))
            };
            rows.push(Row { head, cells: columns.iter().map(cell).collect() });
        }
    }
    let heads: Vec<String> = columns.iter().map(|column| escape(&column.shown())).collect();
    let corner =
        escape(&if plots[0].x.name.is_empty() { String::new() } else { axis(&plots[0].x) });
    let repeated =
        |curve: &Curve| !curve.published && curve.points.iter().any(|point| point.spread.is_some());
    let medians = plots.iter().flat_map(|plot| &plot.curves).any(repeated);
    let of = if medians { ": medians of the repetitions" } else { "" };
    let caption = escape(&format!("{}{of}", axis(y)));
    let title = escape(title);
    let long = columns.len() >= LONG && columns.len() > rows.len();
    let (class, body) = if long {
        ("numbers upright", upright(&corner, &heads, &rows))
    } else {
        ("numbers", lying(&corner, &heads, &rows))
    };
    Ok(format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{title}: numbers\" tabindex=\"0\"><table class=\"{class}\">\n<caption>{caption}</caption>\n{body}</table></div>\n"
    ))
}

/// A curve is a row.
fn lying(corner: &str, heads: &[String], rows: &[Row]) -> String {
    let mut out = format!("<thead><tr><th scope=\"col\">{corner}</th>");
    for head in heads {
        out += &format!("<th scope=\"col\">{head}</th>");
    }
    out += "</tr></thead>\n<tbody>\n";
    for row in rows {
        out += &format!("<tr><th scope=\"row\">{}</th>", row.head);
        for cell in &row.cells {
            out += &format!("<td>{cell}</td>");
        }
        out += "</tr>\n";
    }
    out + "</tbody>"
}

/// A curve is a column.
fn upright(corner: &str, heads: &[String], rows: &[Row]) -> String {
    let mut out = format!("<thead><tr><th scope=\"col\">{corner}</th>");
    for row in rows {
        out += &format!("<th scope=\"col\">{}</th>", row.head);
    }
    out += "</tr></thead>\n<tbody>\n";
    for (i, head) in heads.iter().enumerate() {
        out += &format!("<tr><th scope=\"row\">{head}</th>");
        for row in rows {
            out += &format!("<td>{}</td>", row.cells[i]);
        }
        out += "</tr>\n";
    }
    out + "</tbody>"
}

/// A value on the horizontal axis.
enum Column {
    Value(f64),
    Label(String),
}

impl Column {
    fn is(&self, plot: &Plot, x: f64) -> bool {
        match (self, &plot.labels) {
            (Self::Value(value), None) => same(*value, x),
            (Self::Label(label), Some(labels)) => labels.get(x as usize) == Some(label),
            _ => false,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Value(value) => digits::exact(*value),
            Self::Label(label) => label.clone(),
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
        return labels.into_iter().map(Column::Label).collect();
    }
    let mut xs: Vec<f64> = plots.iter().flat_map(|plot| plot.xs()).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup_by(|a, b| same(*a, *b));
    xs.into_iter().map(Column::Value).collect()
}
