//! Files. Invariant: at a path there is what was there before, or all of what is to be there: a
//! reader never sees half of it, whatever happens meanwhile.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{csv, hgrm, hlog, series};
use weir_api::{FlowsReport, LatencyReport, LossReport, StatsReport};

/// Why a file is not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Writes `text` beside `path` first, and then takes its name.
pub fn write(path: &Path, text: &str) -> Result<(), FileError> {
    let failed = |source| FileError { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    // Another process may be writing the same file; the last one's stays.
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&beside);
        failed(source)
    })
}

pub fn make_folder(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(|source| FileError { path: folder.to_owned(), source })
}

/// As the control socket answers it.
pub fn json<T: Serialize>(report: &T) -> String {
    // A report has nothing that JSON cannot say.
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

/// All that a weir can tell of its life, when it ends. Returns what could not be written, in
/// words; the rest is.
pub fn write_last(
    folder: &Path,
    stats: &StatsReport,
    latency: &LatencyReport,
    flows: &FlowsReport,
) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(error) = make_folder(folder) {
        return vec![error.to_string()];
    }
    let mut texts = vec![
        ("stats.json", json(stats)),
        ("latency.json", json(latency)),
        ("latency.csv", csv::latency(latency).whole()),
        ("loss.csv", csv::losses(&LossReport::of(stats)).whole()),
        ("flows.json", json(flows)),
        ("flows.csv", csv::flows(flows, None).whole()),
    ];
    match series::of_latency(latency) {
        Ok(series) => {
            let (since, until) = (latency.since_unix_ns, latency.until_unix_ns);
            let log = hlog::header(since) + &hlog::interval(since, since, until, &series);
            texts.extend([("latency.hlog", log), ("latency.hgrm", hgrm::render(&series))]);
        }
        Err(error) => wrong.push(error.to_string()),
    }
    let failed = |(name, text): (&str, String)| write(&folder.join(name), &text).err();
    wrong.extend(texts.into_iter().filter_map(failed).map(|error| error.to_string()));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::dump::samples;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("latency.hlog");
        write(&path, "one\n").unwrap();
        write(&path, "other\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "other\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let nowhere = dir.path().join("no/such");
        let error = write(&nowhere, "").unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: ", nowhere.display())), "{error}");
        let occupied = dir.path().join("folder");
        fs::create_dir_all(occupied.join("within")).unwrap();
        write(&occupied, "text").unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_a_weir_leaves_and_what_it_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("deep/dumps");
        let (latency, flows) = (samples::latency(), samples::flows());
        let stats = crate::cli::render::samples::report();
        assert_eq!(write_last(&folder, &stats, &latency, &flows), [""; 0]);
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        let expected = [
            "flows.csv",
            "flows.json",
            "latency.csv",
            "latency.hgrm",
            "latency.hlog",
            "latency.json",
            "loss.csv",
            "stats.json",
        ];
        assert_eq!(names, expected);
        let text = fs::read_to_string(folder.join("stats.json")).unwrap();
        assert_eq!(serde_json::from_str::<StatsReport>(&text).unwrap(), stats);

        let mut bare = latency.clone();
        bare.vifs[0].stages[0].histogram = None;
        let wrong = write_last(&folder, &stats, &bare, &flows);
        assert_eq!(wrong, ["weir's answer has no histogram of v1.steer: is it another version?"]);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(write_last(&file, &stats, &latency, &flows).len(), 1);
    }
}
