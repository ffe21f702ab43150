//! Draws the picture. Invariants: pure, from the state to the buffer; plain ASCII, so that it is the
//! same on every terminal; nothing is written outside the window, whatever its size.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span as Piece};
use ratatui::widgets::Paragraph;

use super::declared;
use super::grid::{Grid, Kind};
use super::model::Span;
use super::state::State;
use crate::cli::args::View;
use crate::cli::render::{hanging, paint::Tone, time, wrapped};
use weir_core::Choice as _;

const KEYS: &[(&str, &str)] = &[
    ("Tab 1..4", "the next view; vifs, flows, losses, links"),
    ("s S < >", "sort by the next column, or the one before (arrow keys, too)"),
    ("r", "the other way round"),
    ("/", "show only what contains a text; Enter keeps it, Esc clears it"),
    ("arrows", "scroll; PgUp, PgDn, Home and End, too"),
    ("space", "hold the picture"),
    ("+ -", "ask less often, more often"),
    ("q Esc ^C", "quit"),
];

/// The content to draw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture<'p> {
    pub(super) span: Span<'p>,
    /// Already sorted and filtered.
    pub(super) grid: &'p Grid,
    pub(super) state: &'p State,
    /// Why weir no longer answers.
    pub(super) gone: Option<&'p str>,
    pub(super) colour: bool,
}

pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let mut lines = picture.head(width, height);
    // The last line is the help's, unless it is the only one.
    let foot = usize::from(height > 1);
    let room = height.saturating_sub(lines.len() + foot);
    lines.extend(if picture.state.help {
        help(picture.state.view, width).into_iter().take(room).map(Line::from).collect()
    } else {
        picture.table(width, room)
    });
    lines.truncate(height.saturating_sub(foot));
    frame.render_widget(Paragraph::new(lines), area);
    if foot > 0 {
        let last = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
        frame.render_widget(Paragraph::new(picture.foot(width)), last);
    }
}

impl Picture<'_> {
    fn style(&self, tone: Tone) -> Style {
        let style = Style::new();
        match tone {
            Tone::Plain => style,
            Tone::Dim => style.add_modifier(Modifier::DIM),
            Tone::Warn if self.colour => style.fg(Color::Yellow),
            Tone::Bad if self.colour => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Warn | Tone::Bad => style.add_modifier(Modifier::BOLD),
        }
    }

    /// The lines above the table; fewer of them in a low window.
    fn head(&self, width: usize, height: usize) -> Vec<Line<'static>> {
        let [mut first, second] = self.span.header();
        if let Some(why) = self.gone {
            first = vec![
                ("weir is gone, waiting...".to_owned(), Tone::Bad),
                (why.to_owned(), Tone::Dim),
            ];
        }
        let mut lines = vec![self.fitted(&first, width)];
        if height >= 8 {
            lines.push(self.fitted(&second, width));
        }
        if height >= 6 {
            lines.push(self.tabs(width));
        }
        lines
    }

    /// The tabs with the shown view marked, and its special state.
    fn tabs(&self, width: usize) -> Line<'static> {
        let state = self.state;
        let tabs = View::ALL.iter().zip(1..).map(|(view, key)| match *view == state.view {
            true => format!("[{key} {view}]"),
            false => format!(" {key} {view} "),
        });
        let parts: Vec<String> = tabs.collect();
        let mut pieces: Vec<(String, Tone)> = vec![(parts.join(" "), Tone::Plain)];
        if state.held {
            pieces.push(("held".to_owned(), Tone::Warn));
        }
        if !state.filter.is_empty() {
            pieces.push((format!("only \"{}\"", state.filter), Tone::Warn));
        }
        pieces.push((format!("every {}", time(state.interval.as_nanos() as u64)), Tone::Dim));
        let rows = self.grid.rows.len();
        if state.scrolled > 0 {
            pieces.push((format!("from row {} of {rows}", state.scrolled + 1), Tone::Plain));
        }
        self.fitted(&pieces, width)
    }

    /// As many of `parts` as fit, two spaces apart.
    fn fitted(&self, parts: &[(String, Tone)], width: usize) -> Line<'static> {
        let (mut line, mut used) = (Line::default(), 0);
        for (text, tone) in parts {
            let gap = if used > 0 { 2 } else { 0 };
            let len = text.chars().count();
            if used + gap + len > width && used > 0 {
                continue;
            }
            line.push_span(Piece::raw(" ".repeat(gap)));
            line.push_span(Piece::styled(text.clone(), self.style(*tone)));
            used += gap + len;
        }
        line
    }

    fn table(&self, width: usize, room: usize) -> Vec<Line<'static>> {
        let columns = self.grid.fit(width);
        let mut lines = vec![self.titles(&columns)];
        if self.grid.rows.is_empty() {
            let empty = match self.state.filter.is_empty() {
                true => self.grid.empty.clone(),
                false => format!("(nothing with \"{}\" in it)", self.state.filter),
            };
            lines.extend(wrapped(&empty, 0, width).lines().map(|line| Line::from(line.to_owned())));
        }
        let base = if self.gone.is_some() { self.style(Tone::Dim) } else { Style::new() };
        for row in self.grid.rows.iter().skip(self.state.scrolled) {
            if lines.len() >= room {
                break;
            }
            let mut line = Line::default().style(base);
            for (at, has) in &columns {
                let Some(cell) = row.cells.get(*at) else { continue };
                if !line.spans.is_empty() {
                    line.push_span(Piece::raw(" "));
                }
                let text = aligned(&cell.text, *has, self.kind(*at));
                line.push_span(Piece::styled(text, self.style(cell.tone)));
            }
            lines.push(line);
            let note = row.note.map(|note| wrapped(note, 4, width)).unwrap_or_default();
            let dim = self.style(Tone::Dim);
            lines.extend(note.lines().map(|line| Line::from(line.to_owned()).style(dim)));
        }
        lines.truncate(room);
        lines
    }

    fn titles(&self, columns: &[(usize, usize)]) -> Line<'static> {
        let order = self.state.order();
        let mut text = String::new();
        for (at, has) in columns {
            let title = self.grid.columns.get(*at).map_or("", |column| column.title);
            let mark = match *at == order.column {
                true if order.ascends(self.grid.columns) => "^",
                true => "v",
                false => "",
            };
            if !text.is_empty() {
                text.push(' ');
            }
            text += &aligned(&format!("{title}{mark}"), *has, self.kind(*at));
        }
        Line::from(Piece::styled(text, Style::new().add_modifier(Modifier::REVERSED)))
    }

    fn kind(&self, at: usize) -> Kind {
        self.grid.columns.get(at).map_or(Kind::Text, |column| column.kind)
    }

    fn foot(&self, width: usize) -> Line<'static> {
        let state = self.state;
        if state.editing {
            let text = format!("/{}_   Enter keeps it, Esc clears it", state.filter);
            return Line::from(text);
        }
        let hold = if state.held { "space go on" } else { "space hold" };
        let keys = [
            "q quit",
            "? help",
            "Tab view",
            "s sort",
            "r reverse",
            "/ filter",
            hold,
            "+- interval",
        ];
        let keys = keys.map(|key| (key.to_owned(), Tone::Plain));
        self.fitted(&keys, width)
    }
}

/// Shortened in the middle if it is too long, since both ends of an address matter.
fn aligned(text: &str, width: usize, kind: Kind) -> String {
    let len = text.chars().count();
    if len > width {
        let head = width.saturating_sub(2).div_ceil(2);
        let tail = width.saturating_sub(2) - head;
        let dots = "..".chars().take(width);
        let (first, last) = (text.chars().take(head), text.chars().skip(len - tail));
        return first.chain(dots).chain(last).collect();
    }
    let pad = " ".repeat(width - len);
    match kind {
        Kind::Number(_) => pad + text,
        Kind::Text | Kind::Address(_) | Kind::Mark(_) => text.to_owned() + &pad,
    }
}

/// The text that `?` shows, as lines of at most `width`: the columns of the view, and the keys.
fn help(view: View, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for section in [declared(view).help, KEYS] {
        for (name, sentence) in section {
            let text = hanging(&format!("{name:<10} "), sentence, width.max(20));
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.push(String::new());
    }
    lines.pop();
    lines
}

#[cfg(test)]
mod tests;
