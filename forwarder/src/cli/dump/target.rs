//! Where a dump is written.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::cli::{Output, args::dump::Format, print};
use crate::observe::dump::files::{self, FileError};
use crate::observe::dump::{Series, hgrm};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Stdout,
    File(PathBuf),
    /// One file for each histogram.
    Folder(PathBuf),
}

impl Target {
    pub(super) fn of(output: Option<&Path>, kind: &str, format: Format) -> Self {
        let Some(path) = output else { return Self::Stdout };
        let folder = path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir();
        match (folder, format) {
            (false, _) => Self::File(path.to_owned()),
            (true, Format::Hgrm) => Self::Folder(path.to_owned()),
            (true, Format::Table) => Self::File(path.join(format!("{kind}.txt"))),
            (true, _) => Self::File(path.join(format!("{kind}.{format}"))),
        }
    }

    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        match self {
            Self::Stdout => print(text),
            Self::File(path) | Self::Folder(path) => {
                make_parent(path)?;
                Ok(files::write(path, text)?)
            }
        }
    }

    /// Opens the target for output in pieces; a file begins empty.
    pub(super) fn open(&self) -> anyhow::Result<Output> {
        match self {
            Self::Stdout => Ok(Output::default()),
            Self::File(path) | Self::Folder(path) => {
                make_parent(path)?;
                Ok(Output::file(path, &mut File::options())?)
            }
        }
    }
}

/// Writes each histogram to a file named after its tag, as a plotter needs it.
pub(super) fn write_each(folder: &Path, series: &[Series]) -> anyhow::Result<()> {
    files::make_folder(folder)?;
    for one in series {
        // Addresses and interfaces have no slash; a file's name must have none, either.
        let name = format!("{}.hgrm", one.tag.replace('/', "_"));
        files::write(&folder.join(name), &hgrm::section(&one.tag, &one.times))?;
    }
    Ok(())
}

fn make_parent(path: &Path) -> Result<(), FileError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => files::make_folder(folder),
        _ => Ok(()),
    }
}
