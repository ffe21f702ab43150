//! Numbers, shares and times for people. Invariant: truncated, not rounded, so that nothing becomes
//! `1000k`, and no share below the whole is shown as the whole.

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits and a prefix: `1.23M`.
pub(crate) fn short(number: u64) -> String {
    if number < 1000 {
        return number.to_string();
    }
    const PREFIXES: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    let power = number.ilog(1000);
    three_digits(number, 1000_u64.pow(power), PREFIXES[power as usize - 1])
}

/// Three digits and a unit: `1.23us`.
pub fn span(ns: u64) -> String {
    match time_unit(ns) {
        (1, unit) => format!("{ns}{unit}"),
        (ns_each, unit) => three_digits(ns, ns_each, unit),
    }
}

/// The same in less room: `850ns`, `12.3us`, `1.5ms`.
pub(crate) fn time(ns: u64) -> String {
    match (ns, time_unit(ns)) {
        (_, (1, unit)) => format!("{ns}{unit}"),
        (_, (ns_each, unit)) if ns / ns_each < 100 => {
            format!("{}.{}{unit}", ns / ns_each, ns % ns_each * 10 / ns_each)
        }
        (_, (ns_each, unit)) => format!("{}{unit}", (ns / ns_each).min(99_999)),
    }
}

fn time_unit(ns: u64) -> (u64, &'static str) {
    match ns {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "us"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    }
}

fn three_digits(number: u64, each: u64, unit: &str) -> String {
    let (whole, thousandths) = (number / each, number % each / (each / 1000));
    match whole {
        0..10 => format!("{whole}.{:02}{unit}", thousandths / 10),
        10..100 => format!("{whole}.{}{unit}", thousandths / 100),
        _ => format!("{whole}{unit}"),
    }
}

/// `12.3 %` of 1000 parts.
pub(crate) fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// `3 d 04:05:06`, or `04:05:06`.
pub(crate) fn uptime(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let clock = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    if days > 0 { format!("{days} d {clock}") } else { clock }
}

/// Events per second over `elapsed_ns`; `None` if no time passed.
pub(crate) fn per_second(happened: u64, elapsed_ns: u64) -> Option<u64> {
    ratio(happened, 1_000_000_000, elapsed_ns)
}

/// `part` of `whole`, in thousandths.
pub(crate) fn permille(part: u64, whole: u64) -> Option<u64> {
    ratio(part, 1000, whole)
}

fn ratio(part: u64, parts: u64, whole: u64) -> Option<u64> {
    let ratio = (u128::from(part) * u128::from(parts)).checked_div(whole.into())?;
    Some(u64::try_from(ratio).unwrap_or(u64::MAX))
}
