//! Curves of one or more runs, as SVG and PNG: losses, accuracies and rates, in training and held out.
//!
//! ```text
//! curves   what the logs of runs have, panel by panel
//! names    of runs, which tell them apart
//! axis     ranges, ticks and their labels
//! draw     panels and legend, as SVG
//! png      the SVG, rendered
//! ```

mod axis;
mod curves;
mod draw;
mod names;
mod png;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// In every plot: tells our files from others.
const MARK: &str = "quanci-train plot";

/// The two files of a plot that is named `output`: SVG and PNG.
///
/// # Errors
/// If it is named after neither.
pub fn plot_files(output: &Path) -> Result<[PathBuf; 2], Error> {
    if output.extension().is_some_and(|end| end == "svg" || end == "png") {
        return Ok([output.with_extension("svg"), output.with_extension("png")]);
    }
    Err(Error::settings(format!(
        "{}: plots are SVG and PNG; name the file so, such as curves.svg",
        output.display()
    )))
}

/// Draws the curves of `runs` (folders of runs) into the files of [`plot_files`]. Returns some characters of their names
/// that the PNG lacks, because no font of this machine has them.
///
/// # Errors
/// If a log cannot be read or has no curve, or if a file cannot be written.
pub fn plot(runs: &[PathBuf], output: &Path) -> Result<String, Error> {
    let [svg, png] = plot_files(output)?;
    let panels = curves::read(runs)?;
    if panels.is_empty() {
        return Err(Error::settings("the runs' logs hold no curve yet"));
    }
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |message| Error::Output { path, message }
    };
    let drawing = draw::draw(&panels, &names::names(runs)).map_err(failed(&svg))?;
    let (picture, missing) = png::render(&drawing, MARK).map_err(failed(&png))?;
    fs::write(&svg, format!("{drawing}<!-- drawn by {MARK} -->\n")).map_err(Error::io("write", &svg))?;
    fs::write(&png, picture).map_err(Error::io("write", &png))?;
    Ok(missing)
}

/// True for a file that [`plot`] has drawn.
pub fn is_plot(path: &Path) -> bool {
    let has_mark = |bytes: &[u8]| bytes.windows(MARK.len()).any(|part| part == MARK.as_bytes());
    fs::read(path).is_ok_and(|bytes| match bytes.starts_with(b"\x89PNG") {
        true => has_mark(&bytes[..bytes.len().min(200)]),
        false => has_mark(&bytes[bytes.len().saturating_sub(60)..]),
    })
}
