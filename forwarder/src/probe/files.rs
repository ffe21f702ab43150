//! Writes a probe's histograms like a dump's, for HdrHistogram's own tools. Invariant: the formats are
//! those of `observe::dump`; nothing here knows them.

use std::path::Path;

use crate::observe::dump::{Series, hgrm, hlog};
use weir_probe::ProbeError;
use weir_probe::report::Named;

/// Writes the requested files: the first histogram's distribution, all of them as a log.
pub fn save(
    named: &[Named<'_>],
    began_unix_ns: u64,
    lasted_ns: u64,
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
        let (since, until) = (began_unix_ns, began_unix_ns.saturating_add(lasted_ns));
        write(path, hlog::header(since) + &hlog::interval(since, since, until, &series))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
