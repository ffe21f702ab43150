//! What came out of the tests, and whether weir gives what the plain bridge gives.
//!
//! Invariant: pure. A test holds only if weir was shown to be at the gate of its bridge: one that
//! passed beside weir says nothing.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Result, bail};

/// One test: a script of the kernel's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    test: String,
    seconds: u64,
    /// The script's own verdict: 0 holds, 4 skipped.
    code: i32,
    /// Its parts in order.
    parts: Vec<(String, Mark)>,
    weir: Account,
    /// How weir ended where it should not have.
    died: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Ok,
    Fail,
    /// The kernel's tests expect it to fail.
    Expected,
    Skip,
}

/// Each mark as the tests write it, as a letter, and in a sum.
const MARKS: [(Mark, &str, char, &str); 4] = [
    (Mark::Ok, "OK", '.', "ok"),
    (Mark::Fail, "FAIL", 'F', "failed"),
    (Mark::Expected, "XFAIL", 'x', "xfail"),
    (Mark::Skip, "SKIP", 's', "skipped"),
];

/// What weir did in a test, over all bridges that the test made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    bridges: u64,
    /// The most that it had in `mode = "gate"` on one bridge.
    ports: u64,
    received: u64,
    /// Of those, left to the bridge.
    passed: u64,
    lost: u64,
}

/// What the guest says, as it comes.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) outcomes: Vec<Outcome>,
    current: Outcome,
}

impl Story {
    /// Takes a line of the guest's console; returns what it tells the user, or that the guest is broken.
    pub(super) fn hear(&mut self, line: &str) -> Result<String> {
        let mut told = String::new();
        // What a program has written last on the console may lack its end.
        let Some((_, line)) = line.split_once("JUDGE ") else { return Ok(told) };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let current = &mut self.current;
        match word {
            "begin" => {
                *current = Outcome { test: rest.to_owned(), ..Outcome::default() };
                told = format!("judge:   {rest} ");
            }
            "line" => {
                if let Some((name, mark)) = part(rest) {
                    current.parts.push((name, mark));
                    told.extend(MARKS.iter().filter(|(it, ..)| *it == mark).map(|it| it.2));
                }
            }
            "weir" => current.weir.add(rest),
            "died" => current.died.push(rest.to_owned()),
            "end" => {
                let mut words = rest.split_whitespace().skip(1);
                current.code = words.next().and_then(|word| word.parse().ok()).unwrap_or(-1);
                current.seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
                told = format!(" {} ({} s)\n", current.sum(), current.seconds);
                self.outcomes.push(std::mem::take(current));
            }
            "broken" => bail!("the guest does not work: {rest}"),
            _ => {}
        }
        Ok(told)
    }
}

/// `TEST: Locked port ipv4      [ OK ]`, or `SKIP: iproute2 too old`.
fn part(line: &str) -> Option<(String, Mark)> {
    if let Some(why) = line.strip_prefix("SKIP: ") {
        return Some((why.trim().to_owned(), Mark::Skip));
    }
    let (name, mark) = line.strip_prefix("TEST: ")?.rsplit_once('[')?;
    let written = mark.trim_end().trim_end_matches(']').trim();
    let mark = MARKS.iter().find(|(_, it, ..)| *it == written).map_or(Mark::Fail, |it| it.0);
    Some((name.trim().to_owned(), mark))
}

impl Account {
    fn add(&mut self, line: &str) {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        let [ports, received, passed, lost] = numbers[..] else { return };
        self.bridges += 1;
        self.ports = self.ports.max(ports);
        self.received += received;
        self.passed += passed;
        self.lost += lost;
    }

    /// weir had the bridge's ports, and frames went by it.
    fn was_there(&self) -> bool {
        self.ports > 0 && self.received > 0
    }
}

impl Outcome {
    fn count(&self, mark: Mark) -> usize {
        self.parts.iter().filter(|(_, it)| *it == mark).count()
    }

    /// In a few words.
    fn sum(&self) -> String {
        const TIMEOUT: i32 = 124;
        let counts = MARKS.map(|(mark, .., word)| (self.count(mark), word));
        let some = counts.iter().filter(|(count, _)| *count > 0);
        let mut said: Vec<String> = some.map(|(count, word)| format!("{count} {word}")).collect();
        match self.code {
            0 | 4 => {}
            TIMEOUT => said.push("not in time".to_owned()),
            _ if self.count(Mark::Fail) == 0 => said.push(format!("exit code {}", self.code)),
            _ => {}
        }
        if said.is_empty() { "nothing".to_owned() } else { said.join(", ") }
    }

    fn holds(&self) -> bool {
        matches!(self.code, 0 | 4)
    }

    /// Parts that hold, each as often as it was run.
    fn good(&self) -> HashMap<&str, usize> {
        let mut good = HashMap::new();
        for (name, _) in self.parts.iter().filter(|(_, mark)| *mark == Mark::Ok) {
            *good.entry(name.as_str()).or_default() += 1;
        }
        good
    }

    /// What is missing with weir that the plain bridge has.
    fn worse_than(&self, plain: &Self) -> Vec<String> {
        let (here, there, mut worse) = (self.good(), plain.good(), Vec::new());
        for (name, _) in &plain.parts {
            let fewer = here.get(name.as_str()) < there.get(name.as_str());
            if fewer && !worse.contains(name) {
                worse.push(name.clone());
            }
        }
        if worse.is_empty() && plain.holds() && !self.holds() {
            worse.push(format!("exit code {}", self.code));
        }
        worse.extend(self.died.iter().map(|how| format!("weir died: {how}")));
        let skipped = self.code == 4 && here.is_empty();
        if !self.weir.was_there() && !skipped {
            worse.push("weir was not at the gate".to_owned());
        }
        worse
    }
}

/// The table, and whether all holds.
pub(super) fn compare(
    tests: &[String],
    plain: &[Outcome],
    weir: Option<&[Outcome]>,
) -> (String, bool) {
    let mut rows =
        vec![["test", "plain bridge", "with weir", "at the gate", ""].map(str::to_owned)];
    let (mut notes, mut all) = (String::new(), true);
    for test in tests {
        let of = |outcomes: &[Outcome]| outcomes.iter().find(|it| it.test == *test).cloned();
        let plain = of(plain).unwrap_or_default();
        let Some(weir) = weir else {
            all &= plain.holds();
            rows.push([test.clone(), plain.sum(), String::new(), String::new(), String::new()]);
            continue;
        };
        let weir = of(weir).unwrap_or_default();
        let worse = weir.worse_than(&plain);
        all &= worse.is_empty();
        for what in &worse {
            let _ = writeln!(notes, "{test}: {what}");
        }
        let Account { ports, received, passed, lost, .. } = weir.weir;
        let mut gate = format!("{ports} ports, {received} frames, {passed} to the bridge");
        if lost > 0 {
            let _ = write!(gate, ", {lost} dropped");
        }
        let verdict = if worse.is_empty() { "holds" } else { "WORSE" };
        rows.push([test.clone(), plain.sum(), weir.sum(), gate, verdict.to_owned()]);
    }
    let mut table = String::new();
    for row in &rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(table, "{}", line.trim_end());
    }
    if !notes.is_empty() {
        let _ = write!(table, "\n{notes}");
    }
    (table, all)
}

#[cfg(test)]
mod tests;
