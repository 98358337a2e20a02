//! The command line: arguments, messages, exit codes. Results go to standard output, everything else to standard error.

mod args;
mod checkpoint_tasks;
mod convert;
mod device;
mod found;
mod hub;
mod init;
mod measure;
mod model;
mod peak_flops;
mod pretrain;
mod score;
mod tune;
mod tune_run;

use std::process::ExitCode;

use clap::CommandFactory;
use quanci_cli::reference::{self, Topic};
use quanci_cli::{
    FOREIGN_PAGE, ManError, Output, ProgramError, from_here, print_completions, write_man_pages,
};

use crate::error::Error;
use crate::metrics;
use args::{Cli, Command, ConfigCommand, SettingsOf};

/// Runs the program with the process's arguments. `commit` is what it was built from, for `--version`.
pub fn main(commit: Option<&str>) -> ExitCode {
    let nccl = if quanci_torch_ext::cuda::has_nccl_plugin() { "yes" } else { "no" };
    let facts = [("torch", env!("QUANCI_TORCH_VERSION").to_owned()), ("NCCL", nccl.to_owned())];
    let cli: Cli = quanci_cli::parse(commit, &facts);
    cli.common.color.apply();
    let output = Output::new(cli.common.quiet, cli.common.json);
    let code = run(cli, &output).unwrap_or_else(|error| {
        output.error(&error);
        error.exit_code()
    });
    ExitCode::from(output.finish(code))
}

fn run(cli: Cli, output: &Output) -> Result<u8, Error> {
    let common = &cli.common;
    match cli.command {
        Command::Init(args) => init::init(&args, common, output)?,
        Command::Pretrain(args) => return pretrain::pretrain(&args, common, output),
        Command::Tune(args) => tune::tune(&args, common, output)?,
        Command::Score(args) => score::score(&args, common, output)?,
        Command::Check { config, world_size } => pretrain::check(&config, world_size, common, output)?,
        Command::Eval(args) => model::eval(&args, common, output)?,
        Command::Export(args) if args.hub => hub::export(&args, output)?,
        Command::Export(args) => model::export(&args.from, &args.output, args.force, output)?,
        Command::Convert(args) => convert::convert(&args, common, output)?,
        Command::FillMask { model, top, sentences } => {
            model::fill_mask(&model, top, &sentences, common, output)?;
        }
        Command::Features { model, output: path, force, input } => {
            model::refuse_existing(&path, force)?;
            model::features(&model, &input, &path, common, output)?;
        }
        Command::Plot { runs, output: path, force } => {
            // Curves are drawn again and again: those of this command may be replaced.
            let files = metrics::plot_files(&path)?;
            files
                .iter()
                .try_for_each(|file| model::refuse_existing(file, force || metrics::is_plot(file)))?;
            let missing = metrics::plot(&runs, &path)?;
            let [svg, png] = &files;
            if !missing.is_empty() {
                output.warning(format_args!(
                    "{}: no font of this machine has characters such as {missing}: install Noto Sans CJK; the SVG is whole",
                    from_here(png)
                ));
            }
            output.result(format_args!("curves: {} and {}", from_here(svg), from_here(png)));
            output.json(&serde_json::json!({ "ok": true, "svg": svg, "png": png }));
        }
        Command::Bench(args) => measure::bench(&args, common, output)?,
        Command::Reference { topic } => output.result(reference_of(topic).trim_end()),
        Command::Config(ConfigCommand::Show { config }) => {
            output.settings(&crate::config::show(&config, &common.overrides)?);
        }
        Command::Schema { run } => {
            let schema = match run {
                SettingsOf::Pretrain => {
                    quanci_settings::schema("quanci-train pretrain", &crate::config::keys())
                }
                SettingsOf::Tune => quanci_settings::schema("quanci-train tune", &crate::config::tune_keys()),
            };
            output.result(format_args!("{schema:#}"));
        }
        Command::CheckDevice => return measure::check_device(common, output),
        Command::Completions { shell } => {
            print_completions(shell, &mut Cli::command(), "quanci-train", output);
        }
        Command::Man { folder, force } => {
            let pages = write_man_pages(Cli::command(), &folder, force).map_err(|error| match error {
                ManError::Foreign(path) => Error::Output { path, message: FOREIGN_PAGE.to_owned() },
                ManError::Io(error) => Error::Io(error),
            })?;
            output.result(format_args!("{} manual pages: {}", pages.len(), from_here(&folder)));
            output.json(&serde_json::json!({ "ok": true, "path": folder, "files": pages }));
        }
    }
    Ok(0)
}

fn reference_of(topic: Topic) -> String {
    match topic {
        Topic::Commands => reference::commands(Cli::command()),
        Topic::Settings => {
            let runs = [("pretrain", crate::config::keys()), ("tune", crate::config::tune_keys())];
            reference::settings("quanci-train", &runs)
        }
    }
}
