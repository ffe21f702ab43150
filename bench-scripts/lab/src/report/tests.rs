//! The page and the table of made-up results.

pub(super) mod fake;

use std::path::{Path, PathBuf};

use super::chart::{self, Size};
use super::curves::{Ours, ours};
use super::plot::Plot;
use super::{published, report};
use crate::run::Results;
use crate::spec::{Capacity, Experiment, Over, Scaled};

type All = Vec<(Experiment, Option<Results>)>;

/// One experiment that was run, and one that was not.
fn two() -> All {
    let (ran, mut waits) = (fake::sample(), fake::sample());
    waits.id = "A-E2".to_owned();
    let mut results = fake::results(&ran, false);
    results.verdicts[0].holds = true;
    results.verdicts[0].number = Some(0.9934);
    results.verdicts[1].holds = false;
    results.verdicts[1].number = None;
    vec![(ran, Some(results)), (waits, None)]
}

/// Every experiment file, with made-up results.
fn everything(folder: &Path, quick: bool) -> All {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let experiment: Experiment =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let results = fake::results(&experiment, quick);
        (experiment, Some(results))
    };
    paths.into_iter().map(read).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments")
}

#[test]
fn the_table_says_what_must_hold_and_whether_it_does() {
    insta::assert_snapshot!(report(&two()).unwrap().markdown);
}

#[test]
fn results_of_several_machines_are_told_apart() {
    let mut all = two();
    let mut other = fake::results(&all[1].0, true);
    other.machine.dirty = true;
    other.machine.kernel = "6.10.0-other".to_owned();
    all[1].1 = Some(other);
    let made = report(&all).unwrap();
    let lines: Vec<_> = made.markdown.lines().filter(|line| line.starts_with("- ")).collect();
    assert_eq!(
        lines,
        [
            "- made-up numbers for a test, 2 cores, Linux 6.9.0-made-up; weir at 0123456789ab; whole runs of 2026-01-02 (A-E1)",
            "- made-up numbers for a test, 2 cores, Linux 6.10.0-other; weir at 0123456789ab, with changes; quick runs of 2026-01-02 (A-E2)",
        ]
    );
    assert!(made.html.contains("A quick run: short windows"));
    assert!(made.html.contains("Left out of quick runs"));
    assert!(made.html.contains("Not measured by this quick run: Linux bridge, VM 1."));
}

#[test]
fn a_scale_is_told_wherever_its_rates_are() {
    let mut all = two();
    let told = |all: &All| {
        let made = report(all).unwrap();
        let words = made.html.split("<p class=\"words\">").skip(1);
        let words = words.map(|rest| rest.split("</p>").next().unwrap().to_owned());
        let lines = made.markdown.lines().filter(|line| line.starts_with("- ")).map(str::to_owned);
        let scale = |text: &String| text.contains("caled") || text.contains("of the file");
        words.chain(lines).filter(scale).collect::<Vec<String>>().join("\n")
    };
    assert_eq!(told(&all), "", "nothing is said of who has no scale");
    all[0].1.as_mut().unwrap().scale =
        Some(Scaled { factor: 1.0, capacity: Capacity { mbit: Some(80_000.0), pps: None } });
    assert_eq!(told(&all), "", "nor of the file's own rates");
    all[0].1.as_mut().unwrap().scale =
        Some(Scaled { factor: 0.43, capacity: Capacity { mbit: None, pps: Some(412_345.6) } });
    // The first and the last figure are of rates, and the paper has numbers of the first.
    insta::assert_snapshot!(told(&all), @r"
    Scaled to 0.43 of the file&#39;s rates: this machine&#39;s worker forwards 412000 frames/s. Rates below are as measured at this scale; ratios do not depend on it.
    Our rates are those of a scene at 0.43 of the file&#39;s; the paper&#39;s are as they were printed.
    Our rates are those of a scene at 0.43 of the file&#39;s.
    - A-E1: scaled to 0.43 of the file's rates: this machine's worker forwards 412000 frames/s
    ");
    all[0].0.figure[0].line[0].over = Some(Over::default());
    all[0].0.figure[0].line.truncate(1);
    assert_eq!(told(&all).matches("Our rates").count(), 1, "a ratio has no scale");
}

/// The page's elements without style, drawings' insides and numbers in tables.
fn outline(html: &str) -> String {
    let body = &html[html.find("<body>").unwrap()..];
    let drawings = without(body, "<svg", "</svg>", |tag| {
        if tag.contains("class=\"key\"") { "…".to_owned() } else { tag.to_owned() }
    });
    without(&drawings, "<tbody>", "</tbody>", |_| "…".to_owned())
}

/// Replaces everything from one text to another by the result of `show` for the first tag.
fn without(html: &str, from: &str, to: &str, show: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some((before, inside)) = rest.split_once(from) {
        let (inside, after) = inside.split_once(to).unwrap();
        let tag = format!("{from}{}>", inside.split('>').next().unwrap());
        out += before;
        out += &show(&tag);
        rest = after;
    }
    out + rest
}

#[test]
fn a_page_has_everything_in_its_place() {
    insta::assert_snapshot!(outline(&report(&two()).unwrap().html));
}

#[test]
fn the_page_is_whole_by_itself() {
    let html = report(&two()).unwrap().html;
    for outside in ["http:", "https:", "<script", "<link", "<img", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    for id in ["A-E1", "A-E2", "summary"] {
        assert!(html.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
}

#[test]
fn plots_have_no_colour_that_a_theme_does_not_change() {
    let html = report(&two()).unwrap().html;
    let (style, body) = html.split_once("</style>").unwrap();
    let mut colours = 0;
    for attribute in ["fill=\"#", "stroke=\"#"] {
        for colour in body.split(attribute).skip(1).map(|rest| &rest[..6]) {
            assert!(style.contains(&format!("[{attribute}{colour}\"]")), "{colour}");
            colours += 1;
        }
    }
    assert!(colours > 50);
}

#[test]
fn what_files_say_stays_text() {
    let mut all = two();
    let evil = "\"><script>alert(1)</script>";
    let text = fake::SAMPLE
        .replace("Two VMs.", "<script>")
        .replace("What each VM gets", "<script>")
        .replace("name = \"VM 1\"", "name = \"<script>\"")
        .replace("name = \"cap\"", "name = \"<script>\"")
        .replace("\"native\"", "\"<script>\"")
        .replace("each VM gets its cap within 2 %", "<script>");
    let mut experiment: Experiment = toml::from_str(&text).unwrap();
    experiment.id = evil.to_owned();
    experiment.paper = evil.to_owned();
    let mut results = fake::results(&experiment, false);
    results.machine.cpu = evil.to_owned();
    results.verdicts[0].at = evil.to_owned();
    results.measured[0].outcome.notes = vec![evil.to_owned()];
    all.push((experiment, Some(results)));
    let made = report(&all).unwrap();
    assert!(!made.html.contains("<script"));
    assert!(made.markdown.contains("\\<script\\>"));
    assert!(!made.markdown.replace("\\<", "").contains('<'));
}

#[test]
fn it_is_written_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (page, table) = (folder.path().join("a/b/report.html"), folder.path().join("RESULTS.md"));
    let made = report(&two()).unwrap();
    super::write(&made, &page, &table).unwrap();
    assert_eq!(std::fs::read_to_string(page).unwrap(), made.html);
    assert_eq!(std::fs::read_to_string(table).unwrap(), made.markdown);
    let nowhere = folder.path().join("RESULTS.md/page");
    assert!(super::write(&made, &nowhere, &nowhere).is_err());
}

/// A box around a text: left, top, right, bottom.
type Area = (f64, f64, f64, f64);

/// The texts in a drawing, and their approximate areas.
fn texts(svg: &str) -> Vec<(String, Area)> {
    let pieces = svg.split("<text ").skip(1);
    let read = |piece: &str| {
        let (attributes, rest) = piece.split_once('>').unwrap();
        let value = |name: &str| {
            let from = attributes.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
            attributes[from..].split('"').next().unwrap().to_owned()
        };
        let number = |name: &str| value(name).parse::<f64>().unwrap();
        let text = rest.split("</text>").next().unwrap().replace("&apos;", "'");
        let width = text.chars().count() as f64 * number("font-size") * 0.55;
        let left = number("x")
            - match value("text-anchor").as_str() {
                "start" => 0.0,
                "middle" => width / 2.0,
                _ => width,
            };
        let base = number("y")
            + match value("dy").as_str() {
                "0.76em" => 9.9,
                "0.5ex" => 3.5,
                _ => -3.5,
            };
        (text, (left, base - 9.0, left + width, base + 2.0))
    };
    pieces.map(read).filter(|(text, _)| !text.is_empty()).collect()
}

fn assert_readable(svg: &str, of: &str) {
    let numbers = svg.split_once("viewBox=\"0 0 ").unwrap().1.split('"').next().unwrap();
    let size: Vec<f64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
    let texts = texts(svg);
    assert!(texts.len() > 2, "{of}: {texts:?}");
    for (i, (text, a)) in texts.iter().enumerate() {
        let inside = a.0 >= 0.0 && a.1 >= 0.0 && a.2 <= size[0] && a.3 <= size[1];
        assert!(inside, "{of}: `{text}` at {a:?} leaves {size:?}");
        for (other, b) in &texts[i + 1..] {
            let apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
            assert!(apart, "{of}: `{text}` at {a:?} is in the way of `{other}` at {b:?}");
        }
    }
}

#[test]
fn no_text_is_in_the_way_of_another() {
    for quick in [false, true] {
        let mut all = everything(&folder(), quick);
        let sample = fake::sample();
        let results = fake::results(&sample, quick);
        all.push((sample, Some(results)));
        for (experiment, results) in &all {
            for figure in &experiment.figure {
                let Ours { plot, apart, .. } = ours(experiment, results.as_ref(), figure);
                let mut plots = vec![plot];
                plots.extend(apart);
                let theirs = experiment.published.iter();
                plots.extend(
                    theirs
                        .filter_map(|one| published::alone(one, Some(&plots[0])))
                        .collect::<Vec<_>>(),
                );
                plots.iter_mut().for_each(Plot::name_bars);
                for plot in plots.iter().filter(|plot| !plot.curves.is_empty()) {
                    for size in [Size::Wide, Size::Half, Size::Narrow] {
                        let of = format!("{}, {}, {size:?}", experiment.id, figure.title);
                        assert_readable(&chart::svg(plot, size, &of).unwrap(), &of);
                    }
                }
            }
        }
    }
}

/// Writes a page to look at: `WEIR_PREVIEW=page.html cargo test -p weir-lab preview -- --ignored`.
#[test]
#[ignore = "writes a page of made-up numbers to look at"]
fn preview() {
    let Some(path) = std::env::var_os("WEIR_PREVIEW") else { return };
    let from = std::env::var_os("WEIR_PREVIEW_FROM").map_or_else(folder, PathBuf::from);
    let mut all = everything(&from, std::env::var_os("WEIR_PREVIEW_QUICK").is_some());
    if let Some(second) = all.get_mut(1) {
        second.1 = None;
    }
    let made = report(&all).unwrap();
    super::write(&made, Path::new(&path), &Path::new(&path).with_extension("md")).unwrap();
}
