//! `--engine kubernetes`: writes the manifests of a run and prints the next steps. Only the pods see the inputs, so
//! nothing is planned here.

use std::path::{Path, PathBuf};

use super::paths::Paths;
use super::{recipe, stem};
use crate::cli::args::{Common, RunArgs};
use crate::engine::kubernetes::{ManifestFile, Options, SETTINGS_FILE, SETTINGS_FOLDER, files, name};
use crate::engine::{kubernetes, shell};
use crate::error::Error;
use crate::jobs;
use crate::plan::{JobKind, Recipe};
use crate::work;
use quanci_cli::{Output, from_here};

/// Pods of a Job without `--workers`.
const PODS: u32 = 16;

/// `quanci prepare` and `quanci vocab` with `--engine kubernetes`.
pub(in crate::cli) fn kubernetes(
    kind: JobKind,
    run: &RunArgs,
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    if run.force {
        return Err(Error::settings(
            "--force does not work with --engine kubernetes; remove the output yourself, or choose another with --out",
        ));
    }
    let options = Options::parse(&run.engine.kubernetes)?;
    let recipe = Recipe { out: run.out.clone(), ..recipe(kind, run, common)? };
    let paths = Paths::of(&recipe, &Path::new(SETTINGS_FOLDER).join(SETTINGS_FILE))?;
    check(&paths, run.out.as_deref(), &options)?;
    let files = files(&kubernetes_run(run, recipe, &paths, options)?)?;
    if run.engine.dry_run {
        files
            .iter()
            .for_each(|ManifestFile { name, text }| output.result(format_args!("==> {name} <==\n{text}")));
    } else {
        write(&files, run.engine.manifests())?;
        print_next_steps(run, output);
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    output.json(&serde_json::json!({ "ok": true, "folder": quanci_store::path_text::encode(run.engine.manifests()), "files": names }));
    Ok(())
}

/// What a path of the settings means in a pod.
enum PathKind {
    Url(String),
    Absolute(PathBuf),
    Relative(PathBuf),
}

impl PathKind {
    fn of(path: &Path) -> PathKind {
        let inner = path.strip_prefix(SETTINGS_FOLDER).unwrap_or(path);
        // `:/`, not `://`: `Path` may have merged the two slashes.
        let text = inner.to_string_lossy();
        match text.split_once(":/") {
            Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                PathKind::Url(format!("{scheme}://{}", rest.trim_start_matches('/')))
            }
            _ if inner.is_relative() => PathKind::Relative(inner.to_path_buf()),
            _ => PathKind::Absolute(inner.to_path_buf()),
        }
    }
}

/// Reports every path that pods cannot find, and every output that would be lost with its pod.
fn check(paths: &Paths, out: Option<&Path>, options: &Options) -> Result<(), Error> {
    let mut problems = Vec::new();
    for (key, path) in paths.all() {
        if path.to_str().is_none() {
            problems.push(format!("{key} {}: manifests hold UTF-8 alone; rename it", path.display()));
        }
        let key = if out.is_some() && *key == paths.output.0 { "--out" } else { key };
        match PathKind::of(path) {
            // The default work folder follows the output, whose problem is reported already.
            PathKind::Relative(path) if *key == *paths.work.0 && path.ends_with(".work") => {}
            PathKind::Relative(path) => problems.push(format!(
                "`{key}` is the relative path {}, which does not exist in pods; use an absolute path in a volume, or a URL \
                 such as s3://BUCKET/…",
                path.display()
            )),
            _ => {}
        }
    }
    for (key, path) in [&paths.output, &paths.work] {
        if let PathKind::Absolute(path) = PathKind::of(path)
            && !options.is_in_volume(&path)
        {
            problems.push(format!(
                "`{key}` is {}, which is in no volume and would be lost with its pod; mount a volume with --kubernetes \
                 volume=CLAIM:/MOUNT",
                path.display()
            ));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
}

fn kubernetes_run(
    run: &RunArgs,
    recipe: Recipe,
    paths: &Paths,
    options: Options,
) -> Result<kubernetes::KubernetesRun, Error> {
    let pods = run.engine.workers.unwrap_or(PODS);
    // Everything that the manifests depend on. Another request needs another name: the pods of a Job cannot be changed.
    let contents = format!("{recipe:?}{options:?}{pods}{:?}", run.engine.program);
    // The name has a hash of this Debug output: renaming a field or a type renames the Jobs.
    let name = name(&stem(&run.config), &contents);
    let mut plan_arguments: Vec<String> =
        recipe.overrides.iter().flat_map(|value| ["--set".to_owned(), value.clone()]).collect();
    if let Some(out) = &recipe.out {
        plan_arguments.extend(["--out".to_owned(), out.display().to_string()]);
    }
    let plan = match PathKind::of(&paths.work.1.join(format!("{name}.plan.json"))) {
        PathKind::Url(url) => url,
        PathKind::Absolute(path) | PathKind::Relative(path) => path.display().to_string(),
    };
    let program = run.engine.program.as_ref().map_or("quanci".to_owned(), |path| path.display().to_string());
    let stages = jobs::stages(&recipe)?.iter().map(|&stage| (stage, width(stage, pods))).collect();
    Ok(kubernetes::KubernetesRun {
        name,
        program,
        settings: recipe.text,
        plan_arguments,
        plan,
        stages,
        options,
    })
}

/// The number of pods of a stage. The number of its tasks is not known here.
fn width(stage: &str, pods: u32) -> u32 {
    if matches!(stage, "map" | "count" | "bands" | "reduce") { pods } else { 1 }
}

fn write(files: &[ManifestFile], folder: &Path) -> Result<(), Error> {
    let foreign: Vec<String> = files
        .iter()
        .filter(|file| is_foreign(&folder.join(&file.name), &file.text))
        .map(|file| file.name.clone())
        .collect();
    if !foreign.is_empty() {
        let message = format!(
            "holds other files of these names ({}); name another folder with --manifests, or move them away",
            foreign.join(", ")
        );
        return Err(Error::Output { path: folder.to_path_buf(), message });
    }
    for ManifestFile { name, text } in files {
        work::commit_file(&folder.join(name), |file| std::io::Write::write_all(file, text.as_bytes()))?;
    }
    Ok(())
}

/// True for a file that is not of an earlier call: those begin with the same line and name quanci.
fn is_foreign(path: &Path, text: &str) -> bool {
    match std::fs::read(path) {
        Ok(there) => {
            let there = String::from_utf8_lossy(&there);
            there != text && !(there.lines().next() == text.lines().next() && there.contains("quanci"))
        }
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

fn print_next_steps(run: &RunArgs, output: &Output) {
    let folder = from_here(run.engine.manifests()).to_string();
    let file = |name: &str| shell::quoted(format!("{folder}/{name}"));
    output.result(format_args!("manifests: {folder}"));
    output.message(format_args!(
        "image:   docker build --file {} --tag IMAGE .   (in quanci's repository), then push it",
        file("Containerfile")
    ));
    output.message(format_args!("run:     bash {}", file("apply.sh")));
    output.message("resume:  the same command");
}
