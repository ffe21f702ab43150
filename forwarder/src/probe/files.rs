//! Writes a probe's histograms as a dump's are written, for HdrHistogram's own tools.
//! Invariant: the formats are those of `control::dump`; nothing here knows how they look.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::control::dump::{Series, hgrm, hlog};
use weir_probe::ProbeError;
use weir_probe::report::Named;

/// Writes the files that are asked for: the first histogram's distribution, all of them as a log.
pub fn save(
    named: &[Named<'_>],
    began: SystemTime,
    lasted: Duration,
    (to_hgrm, to_hlog): (Option<&Path>, Option<&Path>),
) -> Result<(), ProbeError> {
    let write = |path: &Path, text: String| {
        let failed = ProbeError::io(format!("cannot write {}", path.display()));
        std::fs::write(path, text).map_err(failed)
    };
    if let (Some(path), Some((name, spread))) = (to_hgrm, named.first()) {
        write(path, hgrm::section(name, &spread.histogram))?;
    }
    if let Some(path) = to_hlog {
        let series: Vec<Series> = named
            .iter()
            .map(|(name, spread)| Series {
                tag: (*name).to_owned(),
                times: spread.histogram.clone(),
            })
            .collect();
        let since_ns = began.duration_since(UNIX_EPOCH).map_or(0, whole_ns);
        let until_ns = since_ns.saturating_add(whole_ns(lasted));
        let log = hlog::header(since_ns) + &hlog::interval(since_ns, since_ns, until_ns, &series);
        write(path, log)?;
    }
    Ok(())
}

fn whole_ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_probe::timing::Spread;

    #[test]
    fn the_first_is_drawn_and_all_are_logged() {
        let (mut one, other) = (Spread::default(), Spread::default());
        for n in 1..=1000_u64 {
            one.record(n * 1_000);
        }
        let named: [Named<'_>; 2] = [("latency", &one), ("waking", &other)];
        let folder = tempfile::tempdir().unwrap();
        let [hgrm, hlog] = ["a.hgrm", "a.hlog"].map(|name| folder.path().join(name));
        let began = UNIX_EPOCH + Duration::from_secs(2);
        save(&named, began, Duration::from_secs(3), (Some(&hgrm), Some(&hlog))).unwrap();
        let drawn = std::fs::read_to_string(&hgrm).unwrap();
        let last = drawn.lines().rfind(|line| !line.starts_with('#')).unwrap();
        assert!(last.split_whitespace().eq(["1000.447", "1.000000000000", "1000"]), "{drawn}");
        let log = std::fs::read_to_string(&hlog).unwrap();
        assert!(log.contains("Tag=latency,") && log.contains("Tag=waking,"), "{log}");
        assert!(save(&named, began, Duration::ZERO, (Some(folder.path()), None)).is_err());
    }
}
