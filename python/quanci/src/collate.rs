//! Rows to the arrays that BERT takes: padded, as buffers that PyTorch and NumPy take without a copy.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyList};

use crate::batches::Row;

/// What is to be predicted nowhere: the index that PyTorch's cross entropy ignores.
const IGNORED: i64 = -100;
const BYTES: usize = size_of::<i64>();

/// Arrays of 64-bit integers by their names.
type Arrays<'py> = Vec<(&'static str, Bound<'py, PyByteArray>)>;

/// Makes (rows, columns, arrays by name, whether the rows are one micro-batch) of rows. All arrays have this shape, but for `next_sentence_label`, which has one
/// number a row.
#[pyfunction]
#[pyo3(signature = (rows, pad_to, multiple))]
pub(crate) fn collate<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyList>,
    pad_to: Option<usize>,
    multiple: usize,
) -> PyResult<(usize, usize, Arrays<'py>, bool)> {
    let wrong = |item: &Bound<'py, PyAny>| {
        let kind = item.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!(
            "collate takes a list of rows as quanci.torch.PretrainingDataset gives them, not one with {kind}"
        ))
    };
    let rows: Vec<Bound<'py, Row>> = rows
        .iter()
        .map(|item| item.cast::<Row>().cloned().map_err(|_| wrong(&item)))
        .collect::<PyResult<_>>()?;
    let rows: Vec<&Row> = rows.iter().map(Bound::get).collect();
    let Some(first) = rows.first() else {
        return Err(PyValueError::new_err("collate takes at least one row"));
    };
    let longest = rows.iter().map(|row| row.ids().len()).max().unwrap_or(0);
    let columns = match pad_to {
        Some(columns) if columns < longest => {
            return Err(PyValueError::new_err(format!(
                "pad_to = {columns}, but a row has {longest} tokens: take {longest} or more"
            )));
        }
        Some(columns) => columns,
        None => longest.next_multiple_of(multiple.max(1)),
    };
    let array = |fill: &dyn Fn(&Row, &mut [u8])| {
        PyByteArray::new_with(py, rows.len() * columns * BYTES, |bytes| {
            rows.iter()
                .zip(bytes.chunks_exact_mut(columns * BYTES))
                .for_each(|(row, bytes)| fill(row, bytes));
            Ok(())
        })
    };
    let mut arrays = vec![
        (
            "input_ids",
            array(&|row, bytes| {
                let padding = columns - row.ids().len();
                write(bytes, row.ids().iter().copied().chain(std::iter::repeat_n(row.pad(), padding)));
            })?,
        ),
        ("attention_mask", array(&|row, bytes| ones(bytes, 0, row.ids().len()))?),
        ("token_type_ids", array(&|row, bytes| ones(bytes, row.b(), row.ids().len()))?),
        (
            "labels",
            array(&|row, bytes| {
                write(bytes, std::iter::repeat_n(IGNORED, columns));
                for (position, label) in row.labels() {
                    bytes[position * BYTES..(position + 1) * BYTES].copy_from_slice(&label.to_ne_bytes());
                }
            })?,
        ),
    ];
    if first.pair().is_some() {
        let labels = PyByteArray::new_with(py, rows.len() * BYTES, |bytes| {
            write(bytes, rows.iter().map(|row| row.pair().unwrap_or(IGNORED)));
            Ok(())
        });
        arrays.push(("next_sentence_label", labels?));
    }
    let is_whole = rows.len() == first.batch_rows() && rows.iter().all(|row| row.is_beside(first));
    Ok((rows.len(), columns, arrays, is_whole))
}

fn write(bytes: &mut [u8], numbers: impl Iterator<Item = i64>) {
    for (place, number) in bytes.chunks_exact_mut(BYTES).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
}

/// Ones in the columns from `start` to `end`; the rest is zero already.
fn ones(bytes: &mut [u8], start: usize, end: usize) {
    write(&mut bytes[start * BYTES..], std::iter::repeat_n(1, end - start));
}
