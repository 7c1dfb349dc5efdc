//! `spindle labels`: label files of other tools to the contract's and back, and proof of what they say. Works on
//! files alone; needs no server.

mod files;
mod show;

use anyhow::{Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use files::Inputs;
use label_formats::exchange::{self, FidelityReport, Format, Imported};
use language_api::guidance::Guidance;
use ner::guidance::{Advice, count_labels};
use ner::preflight::Preflight;
use ner::{Dataset, LabeledDocument};
use std::path::PathBuf;

/// Convert label files between formats, or prove them against their texts
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle labels convert --to contract tasks.json ./claims\n  spindle labels check ./claims"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Convert(ConvertArguments),
    Check(CheckArguments),
}

/// Convert label files; tells what was dropped, merged, moved or renamed
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle labels convert --to contract train.jsonl ./claims --language de\n  spindle labels convert --from conll --to contract eng.train ./news\n  spindle labels convert --to brat ./claims ./claims-brat\n\nThe contract's output is labels.json and documents/; upload the documents to the project's container and import\nlabels.json. Nothing is written unless everything is."
)]
struct ConvertArguments {
    /// Format of the input; told from the files when absent
    #[arg(long, value_parser = formats())]
    from: Option<Format>,
    /// Format of the output
    #[arg(long, value_parser = formats())]
    to: Format,
    /// Folder of the original texts, where they are not beside the labels (contract, conll)
    #[arg(long)]
    texts: Option<PathBuf>,
    /// Name of the project in the contract's file
    #[arg(long)]
    project: Option<String>,
    /// Container of the documents in the contract's file
    #[arg(long)]
    container: Option<String>,
    /// Language of the project in the contract's file
    #[arg(long)]
    language: Option<String>,
    /// Replace the output folder
    #[arg(long)]
    force: bool,
    /// Write nothing when something would be dropped
    #[arg(long)]
    strict: bool,
    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
    /// Label files, or folders with them
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Folder to write, which must be new or empty
    output: PathBuf,
}

/// Prove label files: every label against its text, all problems together; tells what will hurt a training
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle labels check ./claims\n  spindle labels check labels.json --texts ./letters --json\n\nFails when there is a problem, or when a conversion would drop a label."
)]
struct CheckArguments {
    /// Format; told from the files when absent
    #[arg(long, value_parser = formats())]
    from: Option<Format>,
    /// Folder of the original texts, where they are not beside the labels (contract, conll)
    #[arg(long)]
    texts: Option<PathBuf>,
    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
    /// Label files, or folders with them
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
}

/// The names of the formats as values of an option.
fn formats() -> impl TypedValueParser<Value = Format> {
    let names = PossibleValuesParser::new(Format::ALL.map(Format::name));
    names.try_map(|name| Format::parse(&name).ok_or("no such format"))
}

/// Runs the subcommand.
pub(crate) fn labels(arguments: &Arguments) -> Result<()> {
    match &arguments.task {
        Task::Convert(arguments) => convert(arguments),
        Task::Check(arguments) => check(arguments),
    }
}

fn convert(arguments: &ConvertArguments) -> Result<()> {
    files::refuse_output(&arguments.output, &arguments.inputs, arguments.force)?;
    let inputs = Inputs::read(&arguments.inputs, arguments.texts.as_deref(), arguments.from)?;
    let to = arguments.to;
    let Imported { mut set, mut report } = import(&inputs, arguments.json)?;
    name_project(&mut set, arguments);
    let exported = exchange::export(to, &set);
    report.absorb(exported.report);
    let summary = show::Summary {
        from: inputs.format.name(),
        to: Some(to.name()),
        documents: set.documents.len(),
        labels: set.labels(),
        changes: report.tallies().collect(),
        ignored: &inputs.ignored,
        guidance: vec![],
        output: Some(&arguments.output),
    };
    if arguments.strict && report.has_losses() {
        summary.print(arguments.json, false)?;
        bail!("nothing was written: something would be dropped, and --strict was given");
    }
    files::write(&arguments.output, &exported.files, arguments.force)?;
    summary.print(arguments.json, true)
}

fn import(inputs: &Inputs, json: bool) -> Result<Imported> {
    exchange::import(inputs.format, &inputs.files).or_else(|problems| {
        show::problems(inputs.format, &problems, json)?;
        bail!("{} in the label files, listed above", show::counted(problems.len(), "problem"))
    })
}

/// What the command line says about the project goes before what the input says.
fn name_project(set: &mut exchange::LabeledSet, arguments: &ConvertArguments) {
    let told = [&arguments.project, &arguments.container, &arguments.language];
    if told.iter().all(|word| word.is_none()) {
        return;
    }
    let mut project = set.project.take().unwrap_or_else(exchange::placeholder_project);
    let fields =
        [&mut project.project_name, &mut project.storage_input_container_name, &mut project.language];
    for (field, word) in fields.into_iter().zip(told) {
        if let Some(word) = word {
            field.clone_from(word);
        }
    }
    set.project = Some(project);
}

fn check(arguments: &CheckArguments) -> Result<()> {
    let inputs = Inputs::read(&arguments.inputs, arguments.texts.as_deref(), arguments.from)?;
    let Imported { set, report } = import(&inputs, arguments.json)?;
    let summary = show::Summary {
        from: inputs.format.name(),
        to: None,
        documents: set.documents.len(),
        labels: set.labels(),
        changes: report.tallies().collect(),
        ignored: &inputs.ignored,
        guidance: guidance(&set),
        output: None,
    };
    summary.print(arguments.json, true)?;
    dropped(&report)
}

/// What will hurt a training on these labels. Where no document is for testing, a training chooses some.
fn guidance(set: &exchange::LabeledSet) -> Vec<Guidance> {
    let (test, learn): (Vec<&LabeledDocument>, Vec<_>) =
        set.documents.iter().partition(|document| document.dataset == Some(Dataset::Test));
    let mut preflight = Preflight::default();
    set.documents.iter().for_each(|document| preflight.labels(document));
    set.documents.iter().for_each(|document| preflight.text(document));
    let labels = count_labels(&[], learn.iter().copied(), test.iter().copied());
    let advice = preflight.advice(&labels).into_iter();
    let meant = advice.filter(|advice| !test.is_empty() || !matches!(advice, Advice::NotTested { .. }));
    meant.map(|advice| Guidance::from(&advice)).collect()
}

fn dropped(report: &FidelityReport) -> Result<()> {
    if report.has_losses() {
        bail!("the files say things that a project has no place for; they are listed above as dropped");
    }
    Ok(())
}
