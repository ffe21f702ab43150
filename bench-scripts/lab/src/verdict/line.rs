//! A verdict as people read it. Invariant: no line exceeds a terminal of 100 columns, unless one word
//! does; a failing number never looks as if it held.

use textwrap::{Options, WordSeparator, WordSplitter};

use super::Verdict;
use super::numbers::ENDLESS;

const COLUMNS: usize = 100;
/// Further lines are indented to the number, not to the word before it.
const INDENT: usize = 9;

impl Verdict {
    /// `holds`, or the result and what was required. Wrapped to 100 columns.
    #[must_use]
    pub fn line(&self) -> String {
        let word = match (self.holds, self.report_only) {
            (true, false) => "holds",
            (false, false) if !self.is_judged() => "unjudged",
            (false, false) => "FAILS",
            (true, true) => "seen",
            (false, true) => "unseen",
        };
        let Verdict { what, at, number, .. } = self;
        let number =
            number.map_or_else(|| "not measured,".to_owned(), |number| shown(number, self));
        let head = format!("{word:<INDENT$}{number} {}", bounds(self));
        let why = self.ceiling.map(|ceiling| {
            format!("; not judged here: on this machine nothing could exceed {ceiling:.2}")
        });
        let indent = " ".repeat(INDENT);
        let columns = Options::new(COLUMNS)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation);
        let what = what.trim();
        textwrap::fill(&format!("{head}  {what} ({at}){}", why.unwrap_or_default()), columns)
    }
}

fn bounds(verdict: &Verdict) -> String {
    match (verdict.least, verdict.most) {
        (Some(least), Some(most)) => format!("in {least}..{most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "of anything".to_owned(),
    }
}

/// With enough digits to stay on its side of both bounds.
fn shown(number: f64, verdict: &Verdict) -> String {
    if number.abs() >= ENDLESS {
        return "endless".to_owned();
    }
    let side = |number: f64| {
        (verdict.least.map(|least| number < least), verdict.most.map(|most| number > most))
    };
    let few: usize = match number.abs() {
        1000.0.. => 0,
        100.0.. => 1,
        10.0.. => 2,
        _ => 3,
    };
    let texts = (few..few + 9).map(|digits| format!("{number:.digits$}"));
    let kept = |text: &String| text.parse().is_ok_and(|rounded| side(rounded) == side(number));
    let text = texts.into_iter().find(kept).unwrap_or_else(|| number.to_string());
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
