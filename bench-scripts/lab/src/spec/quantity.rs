//! Names of quantities: `WINDOW.WHO.WHAT` for a value, `WHO.WHAT` for a series, and `*` in place of a
//! window or of who. [`crate::scene`] defines each of them.
//!
//! Invariant: `*` never stands for `all`: a sum is not one more of its parts.

use std::collections::BTreeMap;

use super::{Kind, PeerKind, Scene, Seat, Traffic};

const ANY: &str = "*";
const ALL: &str = "all";
/// The position of who in the name of a value.
const WHO: usize = 1;

/// The rounding error of sums and products of seconds.
const ROUNDING: f64 = 1e-6;

/// Names that no traffic may have, besides `vm1` and so on.
pub(super) const RESERVED: [&str; 5] = [ALL, "cpu", "weir", "events", "host"];

/// Quantities of VMs, of all together and of traffic that has a name.
const RATES: &str = "mbit kpps goodput_mbit offered_mbit offered_kpps loss";
const OF_VM: &str = "least most";
/// Present only if a VM can be owed anything: the link has a rate, or every VM a maximum.
const OWED: &str = "owed_mbit of_owed";
const DELAYS: &str = "mean_us sd_us p50_us p99_us p999_us jitter_us answers_per_s records_per_s \
                      kbytes_per_s";

/// Whether a value or a series is a rate of traffic.
pub fn is_rate(quantity: &str) -> bool {
    let what = quantity.rsplit('.').next().unwrap_or_default();
    what != "loss" && RATES.split(' ').chain(["owed_mbit"]).any(|rate| rate == what)
}

/// Whether `pattern` stands for the name of a value.
pub fn matches(pattern: &str, name: &str) -> bool {
    let same = |(index, (pattern, part)): (usize, (&str, &str))| {
        pattern == part || (pattern == ANY && (index != WHO || part != ALL))
    };
    pattern.split('.').count() == name.split('.').count()
        && pattern.split('.').zip(name.split('.')).enumerate().all(same)
}

/// Fills the parts of `name` into each `*` of `pattern`: the corresponding quantity.
pub fn bind(pattern: &str, name: &str) -> String {
    let part = |(pattern, part)| if pattern == ANY { part } else { pattern };
    pattern.split('.').zip(name.split('.')).map(part).collect::<Vec<&str>>().join(".")
}

/// The parts of `name` that `pattern` leaves open: `vm2`.
pub fn open_parts(pattern: &str, name: &str) -> String {
    let open = pattern.split('.').zip(name.split('.')).filter(|(pattern, _)| *pattern == ANY);
    open.map(|(_, part)| part).collect::<Vec<&str>>().join(".")
}

/// Checks whether a cell has a value of this name; the error says why not.
pub(super) fn check_value(quantity: &str, scene: &Scene, kind: PeerKind) -> Result<(), String> {
    let parts: Vec<&str> = quantity.split('.').collect();
    let &[window, who, what] = parts.as_slice() else {
        return Err(format!("`{quantity}` is no quantity: write `window.who.what`"));
    };
    let windows = || scene.window.iter().map(|window| window.name.as_str());
    if window != ANY && !windows().any(|name| name == window) {
        return Err(format!(
            "`{quantity}`: there is no window `{window}`, valid: {}",
            list(windows())
        ));
    }
    check_who(quantity, who, what, &measured(scene, kind, window))
}

/// The same for a series.
pub(super) fn check_series(quantity: &str, scene: &Scene, kind: PeerKind) -> Result<(), String> {
    let parts: Vec<&str> = quantity.split('.').collect();
    let &[who, what] = parts.as_slice() else {
        return Err(format!("`{quantity}` is no series over time: write `who.what`"));
    };
    if who == ANY {
        return Err(format!("`{quantity}`: a line needs one name in place of `*`"));
    }
    if OF_VM.split(' ').any(|whole| whole == what) {
        return Err(format!("`{quantity}` is of a whole window and has no series"));
    }
    check_who(quantity, who, what, &measured(scene, kind, ANY))
}

pub(super) fn has_any(quantity: &str) -> bool {
    quantity.split('.').any(|part| part == ANY)
}

type Names = BTreeMap<String, Vec<&'static str>>;

fn check_who(quantity: &str, who: &str, what: &str, names: &Names) -> Result<(), String> {
    if who == ANY {
        let known = names.iter().any(|(who, whats)| who != ALL && whats.contains(&what));
        let none = || format!("`{quantity}`: `{what}` is measured of none here");
        return known.then_some(()).ok_or_else(none);
    }
    let Some(whats) = names.get(who) else {
        let valid = list(names.keys().map(String::as_str));
        return Err(format!("`{quantity}`: there is no `{who}` here, valid: {valid}"));
    };
    if whats.contains(&what) {
        return Ok(());
    }
    let valid = list(whats.iter().copied());
    Err(format!("`{quantity}`: `{who}` has no `{what}` here, valid: {valid}"))
}

/// Every quantity in a window, by who.
fn measured(scene: &Scene, kind: PeerKind, window: &str) -> Names {
    let mut names = Names::new();
    let mut add = |there: bool, who: &str, whats: &'static str| {
        if there {
            let known = names.entry(who.to_owned()).or_default();
            known.extend(whats.split(' ').filter(|what| !known.contains(what)).collect::<Vec<_>>());
        }
    };
    let limited = |number| scene.vm.iter().any(|vm| vm.number == number && vm.max.is_some());
    let owed = scene.link.is_some() || (1..=scene.vms).all(limited);
    let tcp = scene.traffic.iter().any(|traffic| traffic.kind == Kind::Tcp);
    let weir = kind == PeerKind::Weir;
    for who in (1..=scene.vms).map(|number| format!("vm{number}")) {
        add(true, &who, RATES);
        add(true, &who, OF_VM);
        add(owed, &who, OWED);
    }
    add(true, ALL, RATES);
    add(true, ALL, "jain jain_kpps");
    add(owed, ALL, "off_owed");
    add(scene.link.is_some(), ALL, "link");
    add(tcp, ALL, "resent");
    add(true, "cpu", "total beyond worker senders us_per_packet busy_us_per_packet");
    add(weir, "cpu", "process process_us_per_packet");
    add(true, "events", "syscalls switches wakeups cycles instructions cache_misses");
    add(true, "events", "dtlb_misses itlb_misses");
    add(weir, "weir", "released_full released_timeout released_playout released_idle");
    add(weir, "weir", "released_flush");
    for traffic in &scene.traffic {
        if let Some(name) = &traffic.name {
            add(true, name, RATES);
        }
        let there = tells_delays(traffic) && goes_on(traffic, scene, window);
        whose(traffic, scene).iter().for_each(|who| add(there, who, DELAYS));
    }
    names
}

pub(super) fn tells_delays(traffic: &Traffic) -> bool {
    matches!(traffic.kind, Kind::Timed | Kind::Probe | Kind::Ask | Kind::Records)
}

/// Whether it is sent during the whole window: its results cover whole windows.
fn goes_on(traffic: &Traffic, scene: &Scene, window: &str) -> bool {
    let within = |from: f64, to: f64| {
        from >= traffic.start - ROUNDING && traffic.stop.is_none_or(|stop| to <= stop + ROUNDING)
    };
    let mut windows = scene.window.iter().filter(|one| window == ANY || one.name == window);
    windows.any(|one| within(one.from, one.to))
}

/// The names of a traffic's results: its own, or its VMs' plus `all` if there are several.
pub(super) fn whose(traffic: &Traffic, scene: &Scene) -> Vec<String> {
    let vms = |seat| {
        let numbers = match seat {
            Seat::Every | Seat::ViaEvery => 1..=scene.vms,
            Seat::ViaOthers => 2..=scene.vms,
            Seat::Vm(number) | Seat::Via(number) => number..=number,
            Seat::Uplink | Seat::Right | Seat::Host => return Vec::new(),
        };
        numbers.map(|number| format!("vm{number}")).collect::<Vec<String>>()
    };
    let (from, to) = (vms(traffic.from), vms(traffic.to));
    let flows = from.len().max(to.len());
    let mut names = if from.is_empty() { to } else { from };
    match &traffic.name {
        Some(name) if flows > 1 => names.push(name.clone()),
        Some(name) => names = vec![name.clone()],
        None if flows > 1 => names.push(ALL.to_owned()),
        None if names.is_empty() => names.push(traffic.from.to_string()),
        None => {}
    }
    names
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<&str>>().join(", ")
}

#[cfg(test)]
mod tests;
