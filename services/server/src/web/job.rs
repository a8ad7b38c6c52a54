//! One job: where it stands, what it writes, what came of it.

use axum::extract::{Form, State};
use axum::response::{Html, IntoResponse, Redirect};
use bencher_channel_protocol::JobConfig;
use bencher_jobs::Timestamp;
use maud::{Markup, html};

use super::deletion;
use super::error::PageError;
use super::jobs::{badge, title};
use super::layout::{self, Section};
use super::result;
use super::session::{Proof, Visitor};
use super::when;
use crate::api::extract::Path;
use crate::api::{ApiError, events, jobs};
use crate::app::App;
use crate::store::{Described, Job, Role};

/// A job.
pub(super) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    path: Result<Path<String>, ApiError>,
) -> Result<Html<String>, PageError> {
    let Path(id) = path?;
    let found = jobs::find(&app, visitor.caller(), &id).await?;
    let described = app.store.described_job(found.id).await?;
    let job = &described.job;
    let is_over = job.life.state.is_over();
    let may_change = visitor.caller().must_be(Role::Submitter).is_ok();
    let title = title(&described);
    let waiting = jobs::waiting(&app, job).await?;
    let spec = described.slugs.spec.clone().unwrap_or_default();
    let facts = facts(&described);
    let body = html! {
        div.head {
            h1 { (title) }
            p.state #state aria-live="polite" { (badge(job)) }
            @if may_change && !is_over {
                form method="post" action={ "/jobs/" (job.id) "/cancel" } {
                    (visitor.proof_field())
                    button.danger type="submit" { "Cancel" }
                }
            }
            @if may_change && is_over { (deletion(&visitor, job)) }
        }
        @if let Some(error) = &described.error { p.problem { (error) } }
        @if let Some(waiting) = &waiting {
            @let reason = waiting.reason(&spec);
            @if waiting.is_stuck() {
                p.problem #waits { "It waits: " (reason) "." }
            } @else {
                p.hint #waits { "It waits: " (reason) "." }
            }
        }
        @if is_over {
            @let sections = result::sections(&app, &visitor, &described).await?;
            (sections.trust)
            (sections.measures)
            (facts)
            (sections.outputs)
        } @else {
            section aria-labelledby="log" {
                h2 #log { "Log" }
                pre.log #live data-events={ "/jobs/" (job.id) "/events" } role="log" tabindex="0"
                    aria-labelledby="log" {}
                p.hint #live-note role="status" { "Nothing was written yet." }
                noscript { p.hint { "Load the page anew to see where the job stands." } }
            }
            (facts)
        }
    };
    Ok(layout::page(&title, &visitor, Section::Jobs, &body))
}

fn deletion(visitor: &Visitor, job: &Job) -> Markup {
    let Some(side) = job.comparison else {
        let address = format!("/jobs/{}", job.id);
        return deletion::button(visitor, &address, "The job goes, with all of its results.");
    };
    html! {
        p.hint {
            "It can be deleted with " a href={ "/comparisons/" (side.comparison) } { "its comparison" } "."
        }
    }
}

fn facts(described: &Described) -> Markup {
    let Described { job, slugs, .. } = described;
    let now = Timestamp::now();
    let config: Option<JobConfig> = described
        .config
        .as_ref()
        .and_then(|kept| serde_json::from_str(&kept.text).ok());
    let moments = [
        ("Submitted", Some(job.created)),
        ("Claimed", job.life.claimed),
        ("Started", job.life.started),
        ("Ended", job.life.ended),
    ];
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "Job" }
            dl.facts {
                dt { "Identifier" } dd { code { (job.id) } }
                @if let Some(project) = &slugs.project {
                    dt { "Project" } dd { a href={ "/jobs?project=" (project) } { (project) } }
                }
                @if let Some(spec) = &slugs.spec { dt { "Spec" } dd { (spec) } }
                @if let Some(runner) = &slugs.runner {
                    dt { "Runner" } dd { a href={ "/jobs?runner=" (runner) } { (runner) } }
                }
                @for (name, moment) in moments {
                    @if let Some(moment) = moment {
                        dt { (name) } dd { (when::ago(moment, now)) }
                    }
                }
                @if let (Some(start), Some(end)) = (job.life.started, job.life.ended) {
                    dt { "Ran for" } dd { (when::between(start, end)) }
                }
                dt { "Time-out" } dd { (job.timeout) " s" }
                dt { "Priority" } dd { (job.priority) }
                @if let Some(parent) = job.trace {
                    dt { "Trace" } dd { code { (parent.trace) } }
                }
                @if let Some(side) = &job.comparison {
                    dt { "Comparison" }
                    dd {
                        a href={ "/comparisons/" (side.comparison) } {
                            "side " (side.side + 1) ", turn " (side.position + 1)
                        }
                    }
                }
                @if let Some(config) = &config { (what_runs(config)) }
            }
        }
    }
}

fn what_runs(config: &JobConfig) -> Markup {
    let list = |words: &[String]| words.join(" ");
    html! {
        dt { "Registry" } dd { code { (config.registry) } }
        dt { "Digest" } dd { code { (config.digest) } }
        @if let Some(words) = &config.entrypoint {
            dt { "Entrypoint" } dd { code { (list(words)) } }
        }
        @if let Some(words) = &config.cmd { dt { "Command" } dd { code { (list(words)) } } }
        // Their values may be secrets.
        @if let Some(variables) = &config.env {
            @if !variables.is_empty() {
                dt { "Variables" }
                dd { @for name in variables.keys() { code { (name) } " " } }
            }
        }
        @if let Some(count) = config.iter { dt { "Iterations" } dd { (count) } }
        @if let Some(paths) = &config.file_paths {
            @if !paths.is_empty() {
                dt { "Files" } dd { @for path in paths { code { (path) } " " } }
            }
        }
    }
}

/// A job's events, for the script.
pub(super) async fn events(
    State(app): State<App>,
    visitor: Visitor,
    path: Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    events::watch(State(app), visitor.into_caller(), path).await
}

/// Stops a job.
pub(super) async fn cancel(
    State(app): State<App>,
    visitor: Visitor,
    path: Result<Path<String>, ApiError>,
    Form(form): Form<Proof>,
) -> Result<Redirect, PageError> {
    visitor.check(&form)?;
    let Path(id) = path?;
    jobs::cancel(State(app), visitor.into_caller(), Path(id.clone())).await?;
    Ok(Redirect::to(&format!(
        "/jobs/{}",
        super::session::encoded(&id)
    )))
}
