//! The settings of a tune run of a suite: a recipe, and what suite, grid and command line lay over it.

use std::path::{Path, PathBuf};

use super::grid::Point;
use super::recipes::recipe;
use super::suite::Suite;
use crate::config::TuneSettings;
use crate::error::Error;

/// Where the sets and the runs lie, and what is laid over every recipe.
#[derive(Debug, Clone)]
pub struct Tasks<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The folder with the sets, each under its name.
    pub data: &'a Path,
    /// The folder of the runs.
    pub output: &'a Path,
    /// Settings from the command line.
    pub overrides: &'a [String],
    /// Seeds from the command line, instead of the recipe's.
    pub seeds: &'a [u64],
}

impl Tasks<'_> {
    /// The folder or archive of a set; nothing for the settings file of a tune run, which names its own.
    ///
    /// # Errors
    /// If neither is there.
    pub fn data_of(&self, set: &str) -> Result<Option<PathBuf>, Error> {
        if recipe(set).is_none() {
            return Ok(None);
        }
        let places = [self.data.join(set), self.data.join(format!("{set}.zip"))];
        let found = places.iter().find(|place| place.exists()).map(Some);
        found.map(|place| place.cloned()).ok_or_else(|| {
            Error::settings(format!(
                "{}: has no set {set} (the folder {set}/ or {set}.zip): put it there, or choose sets with --sets",
                self.data.display()
            ))
        })
    }

    /// The settings of the run of a set at a point of the grid, from the weights `init`. `output` is the folder of all runs
    /// of this model and set.
    ///
    /// # Errors
    /// Every problem of the settings, each with its line or with the setting that was laid over it.
    pub fn settings(
        &self,
        model: &str,
        init: &Path,
        set: &str,
        point: &Point,
    ) -> Result<TuneSettings, Error> {
        let mut settings: Vec<String> = Vec::new();
        let stem = Path::new(set).file_stem().unwrap_or_default().to_string_lossy();
        for of in ["*", set] {
            settings.extend(self.suite.settings.get(of).into_iter().flatten().cloned());
        }
        settings.extend(point.settings.iter().cloned());
        settings.extend(self.overrides.iter().cloned());
        if !self.seeds.is_empty() {
            settings.push(format!("seeds={:?}", self.seeds));
        }
        let folder = self.output.join("runs").join(model).join(&*stem);
        if let Some(data) = self.data_of(set)? {
            settings.push(path_setting("path", &data)?);
        }
        settings.push(path_setting("init_from", init)?);
        settings.push(path_setting("output", &folder)?);
        match recipe(set) {
            Some(text) => {
                TuneSettings::of_text(Path::new(&format!("configs/tune-{set}.toml")), text, &settings)
            }
            None => TuneSettings::read(&self.suite.folder.join(set), &settings),
        }
    }
}

/// A path as a setting: absolute, as settings files take paths from their own folder.
///
/// # Errors
/// If the current folder is gone.
pub fn path_setting(key: &str, path: &Path) -> Result<String, Error> {
    let is_object = quanci_store::is_object(path);
    let path = if is_object {
        path.to_path_buf()
    } else {
        std::path::absolute(path).map_err(Error::io("find", path))?
    };
    Ok(format!("{key}={}", toml::Value::String(path.to_string_lossy().into_owned())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::grid::Grid;
    use super::*;

    #[test]
    fn later_layers_win() {
        let folder = tempfile::tempdir().unwrap();
        let (data, output) = (folder.path().join("data"), folder.path().join("out"));
        fs::create_dir_all(data.join("ocnli")).unwrap();
        fs::write(data.join("chnsenticorp.zip"), "").unwrap();
        let suite = Suite::find("uer-6").unwrap();
        let overrides = ["optimizer.clip_norm=1.5".to_owned()];
        let tasks =
            Tasks { suite: &suite, data: &data, output: &output, overrides: &overrides, seeds: &[4, 5] };
        let point = &Grid::of_suite(&suite.grid).points()[17];
        let settings = tasks.settings("mine", Path::new("models/m"), "ocnli", point).unwrap();
        assert_eq!((settings.batch, settings.epochs, settings.learning_rate), (64, 8, 3e-4));
        assert_eq!((settings.max_length, settings.seeds.as_slice()), (128, &[4, 5][..]));
        assert!((settings.optimizer.clip_norm - 1.5).abs() < 1e-12);
        assert_eq!(settings.set.path, data.join("ocnli"));
        assert_eq!(settings.output, output.join("runs/mine/ocnli"));
        assert!(settings.init_from.unwrap().is_absolute());
        let archive = tasks.settings("mine", Path::new("m"), "chnsenticorp", point).unwrap();
        assert_eq!(archive.set.path, data.join("chnsenticorp.zip"));
        let missing = tasks.settings("mine", Path::new("m"), "lcqmc", point).unwrap_err().to_string();
        assert!(missing.contains("has no set lcqmc"), "{missing}");
        let wrong = Tasks { overrides: &["epoch=1".to_owned()], ..tasks };
        let wrong = wrong.settings("mine", Path::new("m"), "ocnli", point).unwrap_err().to_string();
        assert!(wrong.contains("epoch"), "{wrong}");
    }
}
