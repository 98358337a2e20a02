//! `export --hub`: a folder to upload.

use quanci_cli::{Output, from_here};

use super::args::Export;
use crate::error::Error;
use crate::hub::{self, HubRequest};

/// `quanci-train export --hub`.
pub(super) fn export(args: &Export, output: &Output) -> Result<(), Error> {
    let name = args.output.file_name().unwrap_or_default().to_string_lossy();
    let repository = args.repo.as_deref().unwrap_or(&name);
    let files = hub::export(&HubRequest {
        from: &args.from,
        folder: &args.output,
        repository,
        license: args.license.as_deref(),
        license_file: args.license_file.as_deref(),
        languages: &args.languages,
        datasets: &args.datasets,
        base_model: args.base_model.as_deref(),
        tensorboard: args.tensorboard,
    })?;
    if args.license.is_none() && args.license_file.is_none() {
        output.warning(
            "the card states no licence of the model: name it with --license, such as --license apache-2.0",
        );
    }
    output.result(format_args!("laid out  {} files: {}", files.len(), from_here(&args.output)));
    output.message(format_args!("upload it: hf upload {repository} {}", from_here(&args.output)));
    output.json(&serde_json::json!({ "ok": true, "model": args.output, "repo": repository, "files": files }));
    Ok(())
}
