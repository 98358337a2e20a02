//! The module behind the Python package `quanci`: what the program and the trainer do, for Python. What it takes and gives is
//! plain (text, JSON, numbers, buffers); the package's own files in `python/quanci/` make it Pythonic.

mod batches;
mod collate;
mod data_set;
mod errors;
mod jobs;
mod settings;
mod text;
mod views;
mod waiting;

use pyo3::prelude::*;

/// The module.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<data_set::DataSet>()?;
    module.add_class::<batches::Batches>()?;
    module.add_class::<batches::BatchStream>()?;
    module.add_class::<batches::Row>()?;
    module.add_class::<text::Segmenter>()?;
    module.add_class::<text::Tokenizer>()?;
    module.add_function(wrap_pyfunction!(collate::collate, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::prepare, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::train_vocab, module)?)?;
    module.add_function(wrap_pyfunction!(views::verify, module)?)?;
    module.add_function(wrap_pyfunction!(views::stats, module)?)?;
    Ok(())
}
