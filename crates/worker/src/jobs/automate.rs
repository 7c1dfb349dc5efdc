//! The next step of what a project does by itself: import, train, deploy. Each is what the project's owner could have
//! asked for, by the same use-case, and the end of its job is the occasion for the next one.

use super::extract_document::wanted_extraction;
use super::judge::{Verdict, judge};
use crate::failure::Failure;
use crate::run::Run;
use authoring::Authoring;
use catalog::driver::Native;
use catalog::{Asked, Automation, AutomationStep, JobStatus, Outcome};
use jiff::Timestamp;
use language_api::automation::{DeployStep, ImportStep, TrainStep};
use language_api::{ApiError, AutomationSettings, ErrorKind, JobId, ProjectName};
use serde_json::json;
use uuid::Uuid;

/// Waiting documents worked on together.
const WAITING: u32 = 256;

/// Runs the job.
pub(crate) async fn automate(run: &Run) -> Result<Outcome, Failure> {
    let message = next_step(run).await?;
    Ok(Outcome::succeeded().with_result(json!({ "message": message }).to_string()))
}

/// What was done, for people.
async fn next_step(run: &Run) -> Result<String, Failure> {
    let catalog = &run.services.catalog;
    let project = &run.job.project;
    let Some(automation) = catalog.automation(project).await? else {
        return Ok("the project does nothing by itself any more".to_owned());
    };
    let settings = authoring::settings_of(&automation)?;
    let resumed = resume_extractions(run, &settings).await?;
    let step = exclusive_step(run, &automation, &settings).await?;
    if resumed == 0 {
        return Ok(step);
    }
    Ok(format!("{resumed} documents had waited for their deployment: entities are extracted; {step}"))
}

/// [`next_step`], of those that keep a project busy.
async fn exclusive_step(
    run: &Run,
    automation: &Automation,
    settings: &AutomationSettings,
) -> Result<String, Failure> {
    let catalog = &run.services.catalog;
    let project = &run.job.project;
    // Its end is followed by another look.
    if let Some(job) = catalog.running_job(project).await? {
        return Ok(format!("waits for the end of {} job {}", job.kind, job.id));
    }
    let due = automation
        .label_file_seen
        .as_ref()
        .filter(|seen| automation.label_file_imported.as_ref() != Some(seen));
    if let (Some(step), Some(seen)) = (&settings.import, due) {
        return import(run, step, seen).await;
    }
    if let Some(step) = &settings.train
        && let Some(message) = train(run, step, automation).await?
    {
        return Ok(message);
    }
    if let (Some(job), Some(train)) = (&automation.training_job, &settings.train) {
        return deploy(run, settings.deploy.as_ref(), train, job).await;
    }
    Ok("nothing is due".to_owned())
}

/// Extracts from the documents that waited for a deployment, when it is there; how many. They may be many more than one
/// step takes: the same job goes on.
async fn resume_extractions(run: &Run, settings: &AutomationSettings) -> Result<usize, Failure> {
    let catalog = &run.services.catalog;
    let name = &run.job.project;
    let mut resumed = 0;
    loop {
        run.stop.check()?;
        let waiting = catalog.waiting_extractions(name, WAITING).await?;
        if waiting.is_empty() {
            return Ok(resumed);
        }
        let project = catalog.project(name).await?;
        let mut wanted = vec![];
        for (location, etag) in waiting {
            match wanted_extraction(settings, &project, &location, &etag)? {
                Some(extraction) => wanted.push(extraction),
                // Nobody wants its entities any more.
                None => catalog.forget_extraction(name, &location).await?,
            }
        }
        let Some(step) = &settings.extract else { continue };
        let deployment = step.deployment_name.as_str();
        let asked = catalog.request_extractions(name, deployment, &wanted, Timestamp::now()).await?;
        resumed += asked.iter().filter(|asked| matches!(asked, Asked::Started(_))).count();
        if asked.contains(&Asked::Waits) {
            return Ok(resumed);
        }
    }
}

async fn import(run: &Run, step: &ImportStep, seen: &str) -> Result<String, Failure> {
    let services = &run.services;
    let project = services.catalog.project(&run.job.project).await?;
    let read =
        services.blobs.get(&project.container, &step.label_file, services.limits.authoring_body_bytes_max);
    let file = match read.await {
        Ok(file) => file,
        Err(error @ (blobs::Error::NotFound { .. } | blobs::Error::TooLarge { .. })) => {
            remember(run, &AutomationStep::Imported(seen.to_owned())).await?;
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    };
    let etag = file.etag.clone();
    let (view, id) = view(run);
    let started = view.import(&name(run)?, file.bytes.to_vec()).await.map(drop);
    // A file that can't be imported is not tried again before it changes.
    after(run, started, &AutomationStep::Imported(etag.clone()), &AutomationStep::Imported(etag)).await?;
    Ok(format!("label file {:?} is imported by job {id}", step.label_file))
}

async fn train(run: &Run, step: &TrainStep, automation: &Automation) -> Result<Option<String>, Failure> {
    let catalog = &run.services.catalog;
    let (_, labels) = catalog.project_with_labels(&run.job.project).await?;
    let labeled = catalog.label_totals(&labels).await?.labeled;
    let imported = step.after_import && labels.as_str() != automation.trained_set;
    let newly = labeled.saturating_sub(automation.trained_labeled);
    let enough = step.after_newly_labeled_documents.is_some_and(|wanted| newly >= u64::from(wanted));
    if !imported && !enough {
        return Ok(None);
    }
    let reason = if imported {
        "the labels were imported".to_owned()
    } else {
        format!("{newly} documents were labelled")
    };
    let body = serde_json::to_vec(&step.request)?;
    let (view, id) = view(run);
    let started = view.train(&name(run)?, &body).await.map(drop);
    let taken = |job: Option<&str>| AutomationStep::Trained {
        set: labels.as_str().to_owned(),
        labeled,
        job: job.map(str::to_owned),
    };
    after(run, started, &taken(Some(&id)), &taken(None)).await?;
    Ok(Some(format!("{reason}: model {:?} is trained by job {id}", step.request.model_label.as_str())))
}

async fn deploy(
    run: &Run,
    step: Option<&DeployStep>,
    train: &TrainStep,
    training_job: &str,
) -> Result<String, Failure> {
    let catalog = &run.services.catalog;
    let judged = AutomationStep::Judged;
    let ended = match catalog.job(training_job, Timestamp::now()).await {
        Ok(job) => job.status,
        Err(catalog::Error::NotFound { .. }) => JobStatus::Failed,
        Err(error) => return Err(error.into()),
    };
    let Some(step) = step.filter(|_| ended == JobStatus::Succeeded) else {
        remember(run, &judged).await?;
        return Ok(format!("training job {training_job} ended ({ended}); nothing is deployed"));
    };
    let label = &train.request.model_label;
    let why = match judge(run, label, &step.deployment_name, step.micro_f1_loss_max).await {
        Ok(Verdict::Deploy(why)) => why,
        Ok(Verdict::Keep(why)) => {
            remember(run, &judged).await?;
            return Ok(why);
        }
        Err(refused @ Failure::Refused(_)) => {
            remember(run, &judged).await?;
            return Err(refused);
        }
        Err(error) => return Err(error),
    };
    let body = serde_json::to_vec(&json!({ "trainedModelLabel": label }))?;
    let (view, id) = view(run);
    let started = view.put_deployment(&name(run)?, &step.deployment_name, &body).await.map(drop);
    after(run, started, &judged, &judged).await?;
    Ok(format!(
        "{why}: model {:?} is deployed as {:?} by job {id}",
        label.as_str(),
        step.deployment_name.as_str()
    ))
}

/// The use-cases, and the id of the job that the next one starts.
fn view(run: &Run) -> (Authoring<'_, Native>, String) {
    let (now, id) = (Timestamp::now(), Uuid::new_v4());
    let view = Authoring::of_installation(&run.services.catalog, run.services.limits.clone(), now, id);
    (view, JobId::new(id, now).to_string())
}

fn name(run: &Run) -> Result<ProjectName, Failure> {
    ProjectName::new(&run.job.project)
        .map_err(|error| Failure::refused(ErrorKind::Internal, error.to_string()))
}

/// Remembers a step when it was begun, and that it can't be when it was refused for good. Another job that came first
/// is neither: its end is followed by another look.
async fn after(
    run: &Run,
    started: Result<(), ApiError>,
    taken: &AutomationStep,
    given_up: &AutomationStep,
) -> Result<(), Failure> {
    match started {
        Ok(()) => remember(run, taken).await,
        Err(error) if error.kind == ErrorKind::Unavailable => Err(Failure::Transient(error.message)),
        Err(error) => {
            if error.kind != ErrorKind::Conflict {
                remember(run, given_up).await?;
            }
            Err(error.into())
        }
    }
}

async fn remember(run: &Run, step: &AutomationStep) -> Result<(), Failure> {
    Ok(run.services.catalog.put_automation_step(&run.job.project, step).await?)
}
