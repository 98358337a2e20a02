//! The error of a run that nothing came out of: it names the inputs, which are to blame, not the settings.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::Error;
use crate::plan::Plan;

/// The error of a run whose inputs gave nothing; `what` says so, and `rest` goes on.
pub(super) fn came_out(plan: &Plan, what: &str, rest: &str) -> Error {
    let splits = plan.map.iter().flat_map(|task| &task.splits);
    let inputs: BTreeSet<&Path> = splits.map(|split| split.input.path.as_path()).collect();
    // A plan without inputs has no settings that made it.
    let first = inputs.first().copied().unwrap_or(&plan.recipe.path);
    let others = match inputs.len() {
        0 | 1 => String::new(),
        2 => " and 1 more file".to_owned(),
        n => format!(" and {} more files", n - 1),
    };
    Error::input(first, format!("{what} (this file{others}); {rest}"))
}
