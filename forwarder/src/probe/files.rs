//! Writes a probe's histograms like a dump's, for HdrHistogram's own tools. Invariant: the formats are
//! those of `observe::dump`; nothing here knows them.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::observe::dump::{Series, hgrm, hlog};
use weir_probe::ProbeError;
use weir_probe::report::Named;

/// Writes the requested files: the first histogram's distribution, all of them as a log.
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
mod tests;
