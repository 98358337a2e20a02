//! Which command makes a data set that is not there: settings of `quanci prepare` beside those of the run say so.

use std::fs;
use std::path::{Path, PathBuf};

use quanci_cli::shown;
use quanci_settings::SettingsFile;

use crate::settings::DataSource;

/// No settings file is larger.
const MAX_BYTES: u64 = 1 << 20;

impl DataSource {
    /// What to do if the data set is not there, as an end of a sentence.
    pub fn how_to_make(&self) -> String {
        match self.named_in.as_deref().and_then(|file| settings_beside(file, &self.path)) {
            Some(settings) => format!("run `quanci prepare {}` to its end", shown(&settings)),
            None => {
                "run `quanci prepare SETTINGS` to its end, with settings whose `output.path` is this folder; \
                 `quanci init` writes some for a folder of text"
                    .to_owned()
            }
        }
    }
}

/// A file beside `file` whose `output.path` is `folder`.
fn settings_beside(file: &Path, folder: &Path) -> Option<PathBuf> {
    let beside = file.parent().unwrap_or(Path::new(""));
    let listed = if beside.as_os_str().is_empty() { Path::new(".") } else { beside };
    let mut names: Vec<_> =
        fs::read_dir(listed).ok()?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    // The order of a folder is chance.
    names.sort();
    let settings = names.into_iter().map(|name| beside.join(name));
    settings.filter(|path| path.extension().is_some_and(|end| end == "toml")).find(|path| makes(path, folder))
}

fn makes(settings: &Path, folder: &Path) -> bool {
    let Ok(bytes) = quanci_store::read_at_most(settings, MAX_BYTES) else { return false };
    let Some(table) = String::from_utf8(bytes).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return false;
    };
    let Some(output) = table.get("output").and_then(|output| output.get("path")?.as_str()) else {
        return false;
    };
    let base = settings.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(base) = base.canonicalize() else { return false };
    SettingsFile { path: settings.to_path_buf(), base }.join(output) == folder
}
