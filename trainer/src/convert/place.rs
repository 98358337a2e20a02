//! The folder that is written: under another name first, and given its own when it is whole.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use quanci_store::{is_object, local};

use crate::error::Error;
use crate::model::weights;

/// A folder under its temporary name; removed again unless it is committed.
#[derive(Debug)]
pub(super) struct Place {
    temporary: PathBuf,
    folder: PathBuf,
    /// The files, in the order in which they get their names.
    names: Vec<String>,
}

impl Place {
    /// Makes the temporary folder, once nothing is in the way of the files `names` in `folder`.
    ///
    /// # Errors
    /// If something is, and `force` does not allow to replace it; or if the folder cannot be made.
    pub(super) fn begin(folder: &Path, names: &[String], force: bool) -> Result<Place, Error> {
        if is_object(folder) {
            return Err(Error::settings(format!(
                "{}: models are written to folders of this machine; copy it from there",
                folder.display()
            )));
        }
        refuse_what_is_there(folder, names, force)?;
        let parent = local::parent(folder);
        local::create_folders(parent).map_err(Error::io("create", parent))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let temporary = parent.join(local::temporary_name(&name));
        fs::create_dir(&temporary).map_err(Error::io("create", &temporary))?;
        Ok(Place { temporary, folder: folder.to_path_buf(), names: names.to_vec() })
    }

    /// The temporary folder.
    pub(super) fn path(&self) -> &Path {
        &self.temporary
    }

    /// Gives it its name. In a folder that is there, each file is replaced in one step, the weights last.
    ///
    /// # Errors
    /// If a file cannot be renamed.
    pub(super) fn commit(self) -> Result<(), Error> {
        local::sync_folder(&self.temporary).map_err(Error::io("write", &self.temporary))?;
        if !self.folder.is_dir() {
            match local::rename_new(&self.temporary, &self.folder) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                renamed => return renamed.map_err(Error::io("write", &self.folder)),
            }
        }
        for name in &self.names {
            let to = self.folder.join(name);
            fs::rename(self.temporary.join(name), &to).map_err(Error::io("write", &to))?;
        }
        local::sync_folder(&self.folder).map_err(Error::io("write", &self.folder))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What this run wrote, and nothing else. After a commit nothing is there.
        for name in &self.names {
            fs::remove_file(self.temporary.join(name)).ok();
        }
        fs::remove_dir(&self.temporary).ok();
    }
}

fn refuse_what_is_there(folder: &Path, names: &[String], force: bool) -> Result<(), Error> {
    let refused = |path: &Path, message: String| Err(Error::Output { path: path.to_path_buf(), message });
    let there = match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        there => there.map_err(Error::io("find", folder))?,
    };
    if !there.is_dir() && !folder.is_dir() {
        return refused(folder, "is no folder; choose another name".to_owned());
    }
    let own = quanci_store::names(folder).map_err(Error::io("read", folder))?;
    // With two models in it, nobody could tell which one a folder means.
    let foreign = own.iter().find(|name| weights::is_weights_name(name) && !names.contains(name));
    if let Some(foreign) = foreign {
        return refused(folder, format!("holds another model's weights ({foreign}); choose another folder"));
    }
    match names.iter().find(|name| own.contains(name)) {
        Some(name) if !force => refused(
            &folder.join(name),
            "is there already; choose another folder, or overwrite it with --force".to_owned(),
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path, force: bool) -> Result<Place, Error> {
        let names = ["config.json".to_owned(), "model.bin".to_owned()];
        let place = Place::begin(folder, &names, force)?;
        names.iter().for_each(|name| fs::write(place.path().join(name), "new").unwrap());
        Ok(place)
    }

    #[test]
    fn a_folder_is_whole_or_not_there() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/model");
        drop(written(&folder, false).unwrap());
        assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 0);
        written(&folder, false).unwrap().commit().unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_stays_or_is_replaced_on_request() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("model");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        written(&folder, false).unwrap().commit().unwrap();
        assert!(written(&folder, false).unwrap_err().to_string().contains("--force"));
        fs::write(folder.join("config.json"), "old").unwrap();
        written(&folder, true).unwrap().commit().unwrap();
        assert_eq!(fs::read_to_string(folder.join("config.json")).unwrap(), "new");
        assert_eq!(fs::read_to_string(folder.join("notes.txt")).unwrap(), "mine");
        for name in ["model.safetensors", "x.ckpt.index", "model.bin-7"] {
            fs::write(folder.join(name), "other").unwrap();
            assert!(written(&folder, true).unwrap_err().to_string().contains(name));
            fs::remove_file(folder.join(name)).unwrap();
        }
        fs::write(root.path().join("file"), "x").unwrap();
        assert!(written(&root.path().join("file"), true).is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }
}
