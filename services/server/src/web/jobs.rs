//! The list of jobs.

use axum::extract::State;
use axum::response::Html;
use bencher_channel_protocol::JobConfig;
use bencher_jobs::{Reason, State as JobState, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use super::error::PageError;
use super::layout::{self, Section};
use super::session::Visitor;
use super::trust;
use super::when;
use crate::api::ApiError;
use crate::api::extract::Query;
use crate::api::jobs::FilterQuery;
use crate::app::App;
use crate::store::{Described, Filter, Job, Page};

/// Which jobs are shown. A form sends what is not filled in as empty texts.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct JobsQuery {
    #[serde(default)]
    state: String,
    #[serde(default)]
    project: String,
    #[serde(default)]
    runner: String,
    #[serde(default)]
    comparison: String,
    #[serde(default)]
    after: String,
}

impl JobsQuery {
    fn filter(&self) -> FilterQuery {
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        FilterQuery {
            project: filled(&self.project),
            state: filled(&self.state),
            runner: filled(&self.runner),
            comparison: filled(&self.comparison),
        }
    }

    /// The address of this list from `after` on.
    fn address(&self, after: Option<&str>) -> String {
        let pairs = [
            ("state", self.state.as_str()),
            ("project", &self.project),
            ("runner", &self.runner),
            ("comparison", &self.comparison),
            ("after", after.unwrap_or_default()),
        ];
        let query: Vec<_> = pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", super::session::encoded(value)))
            .collect();
        if query.is_empty() {
            return "/jobs".to_owned();
        }
        format!("/jobs?{}", query.join("&"))
    }
}

/// Jobs, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    visitor: Visitor,
    query: Result<Query<JobsQuery>, ApiError>,
) -> Result<Html<String>, PageError> {
    let Query(query) = query?;
    let filter = query.filter().filter(&app, visitor.caller()).await?;
    let page = page(&query.after)?;
    let jobs = app.store.jobs(&filter, &page).await?;
    let is_full = jobs.len() >= page.limit as usize;
    let next = jobs
        .last()
        .filter(|_| is_full)
        .map(|described| described.job.id.to_string());
    let rows = rows(&jobs);
    let body = html! {
        h1 { "Jobs" }
        (form(&query))
        @if let Some(comparison) = filter.comparison {
            p { a href={ "/comparisons/" (comparison) } { "What the comparison found" } }
        }
        @if jobs.is_empty() {
            p.empty { (nothing(&filter, &page)) }
        } @else {
            table.list {
                thead { tr {
                    th scope="col" { "Job" } th scope="col" { "State" }
                    th scope="col" { "Project" } th scope="col" { "Spec" }
                    th scope="col" { "Runner" } th scope="col" { "Submitted" }
                    th scope="col" { "Took" }
                } }
                tbody { (rows) }
            }
        }
        (layout::pager(&query.address(None), next.map(|next| query.address(Some(&next))).as_deref(),
            page.after.is_none()))
    };
    Ok(layout::page("Jobs", &visitor, Section::Jobs, &body))
}

/// The page that begins after the item `after`.
pub(super) fn page(after: &str) -> Result<Page, ApiError> {
    let after = Some(after.to_owned()).filter(|after| !after.is_empty());
    crate::api::page::PageQuery { limit: None, after }.page()
}

fn nothing(filter: &Filter, page: &Page) -> &'static str {
    if page.after.is_some() {
        "There are no older jobs."
    } else if *filter == Filter::default() {
        "There are no jobs yet: submit one with `runner submit`."
    } else {
        "No job fits: choose less above, or submit one with `runner submit`."
    }
}

fn form(query: &JobsQuery) -> Markup {
    html! {
        form.filter method="get" action="/jobs" role="search" {
            label { "State"
                select name="state" {
                    option value="" { "all" }
                    @for state in JobState::ALL {
                        option value=(state) selected[query.state == state.name()] { (state) }
                    }
                }
            }
            label { "Project" input name="project" value=(query.project) maxlength="64"; }
            label { "Runner" input name="runner" value=(query.runner) maxlength="64"; }
            @if !query.comparison.is_empty() {
                input type="hidden" name="comparison" value=(query.comparison);
            }
            button type="submit" { "Show" }
        }
    }
}

fn rows(jobs: &[Described]) -> Markup {
    let now = Timestamp::now();
    html! {
        @for described in jobs {
            @let job = &described.job;
            tr {
                td data-label="Job" {
                    a href={ "/jobs/" (job.id) } { (title(described)) }
                    @if let Some(side) = &job.comparison {
                        " " span.hint { "side " (side.side + 1) }
                    }
                }
                td data-label="State" {
                    (badge(job))
                    @if let Some(measured) = trust::measured(described) { (trust::mark(&measured)) }
                }
                @let slugs = &described.slugs;
                td data-label="Project" { @if let Some(project) = &slugs.project { (project) } }
                td data-label="Spec" { @if let Some(spec) = &slugs.spec { (spec) } }
                td data-label="Runner" {
                    @if let Some(runner) = &slugs.runner { (runner) } @else { span.hint { "none" } }
                }
                td data-label="Submitted" { (when::ago(job.created, now)) }
                td.took data-label="Took" { (took(job, now)) }
            }
        }
    }
}

/// The state of a job, and why it ended there.
pub(super) fn badge(job: &Job) -> Markup {
    let state = job.life.state;
    html! {
        span class={ "badge " (state) } { (state) }
        @if let Some(reason) = job.life.reason {
            " " span.reason { (words(reason)) }
        }
    }
}

fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::HeartbeatTimeout => "its runner fell silent",
        Reason::RunnerLostJob => "its runner lost it",
        Reason::TimeoutExceeded => "it took too long",
        Reason::RunnerFailed => "its runner could not do it",
        Reason::CanceledByRunner => "its runner stopped it",
        Reason::CanceledByUser => "a user stopped it",
        Reason::RunnerArchived => "the runner of its comparison was archived",
    }
}

/// What a job is called: its image as its user called it, else as the digest begins.
pub(super) fn title(described: &Described) -> String {
    let config: Option<JobConfig> = described
        .config
        .as_ref()
        .and_then(|kept| serde_json::from_str(&kept.text).ok());
    let name = config.map(|config| {
        let digest = config.digest.to_string();
        config
            .image
            .filter(|image| !image.trim().is_empty())
            .unwrap_or_else(|| digest.chars().take(19).collect())
    });
    name.unwrap_or_else(|| described.job.id.to_string())
}

fn took(job: &Job, now: Timestamp) -> Markup {
    html! {
        @if let Some(start) = job.life.claimed {
            (when::between(start, job.life.ended.unwrap_or(now)))
        } @else {
            span.hint { "not begun" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_the_filter() {
        let query = JobsQuery {
            state: "failed".to_owned(),
            project: "a&b=\"<>".to_owned(),
            ..JobsQuery::default()
        };
        assert_eq!(
            query.address(Some("x")),
            "/jobs?state=failed&project=a%26b%3D%22%3C%3E&after=x"
        );
        assert_eq!(JobsQuery::default().address(None), "/jobs");
        assert_eq!(query.filter().runner, None);
    }
}
