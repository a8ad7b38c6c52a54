//! The list of runners.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use axum::response::Html;
use bencher_jobs::{RunnerId, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::error::PageError;
use super::jobs::page;
use super::layout::{self, Section};
use super::names::Names;
use super::session::{Visitor, encoded};
use super::when;
use crate::api::ApiError;
use crate::api::extract::Query;
use crate::app::App;
use crate::store::{Active, Runner};

#[derive(Debug, Deserialize)]
pub(super) struct RunnersQuery {
    #[serde(default)]
    after: String,
}

/// Runners, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    visitor: Visitor,
    query: Result<Query<RunnersQuery>, ApiError>,
) -> Result<Html<String>, PageError> {
    let Query(query) = query?;
    let page = page(&query.after)?;
    let runners = app.store.runners(&page).await?;
    let is_full = runners.len() >= page.limit as usize;
    let next = runners.last().filter(|_| is_full);
    let next = next.map(|runner| format!("/runners?after={}", encoded(&runner.id.to_string())));
    let active = app.store.active_jobs().await?;
    let active: HashMap<RunnerId, Active> =
        active.into_iter().map(|job| (job.runner, job)).collect();
    let ids: Vec<RunnerId> = runners.iter().map(|runner| runner.id).collect();
    let specs_of = app.store.specs_of_all(&ids).await?;
    let mut names = Names::default();
    let mut rows = Vec::with_capacity(runners.len());
    for runner in &runners {
        let mut specs = Vec::new();
        for spec in specs_of.get(&runner.id).into_iter().flatten() {
            specs.push(names.spec(&app.store, *spec).await?);
        }
        rows.push(row(
            &visitor,
            app.settings.connected(),
            runner,
            active.get(&runner.id),
            &specs.join(", "),
        ));
    }
    let body = html! {
        h1 { "Runners" }
        @if runners.is_empty() {
            p.empty { "There are no runners here: an administrator makes one with the API." }
        } @else {
            table.list {
                thead { tr {
                    th scope="col" { "Runner" } th scope="col" { "Runs" }
                    th scope="col" { "Connected" } th scope="col" { "Specs" }
                    th scope="col" { "Machine" }
                } }
                tbody { @for row in rows { (row) } }
            }
        }
        (layout::pager("/runners", next.as_deref(), page.after.is_none()))
    };
    Ok(layout::page("Runners", &visitor, Section::Runners, &body))
}

/// Of one that is `connected` something was heard no longer ago than that.
fn row(
    visitor: &Visitor,
    connected: Duration,
    runner: &Runner,
    active: Option<&Active>,
    specs: &str,
) -> Markup {
    let now = Timestamp::now();
    html! {
        tr {
            td data-label="Runner" {
                a href={ "/jobs?runner=" (runner.slug) } { (runner.name) }
                @if runner.name != runner.slug { " " span.hint { (runner.slug) } }
            }
            td data-label="Runs" {
                @match active {
                    Some(active) => {
                        span class={ "badge " (active.state) } { (active.state) } " "
                        // Whose job it is is nobody else's business.
                        @if visitor.caller().sees(active.project) {
                            a href={ "/jobs/" (active.job) } { "a job" }
                        } @else {
                            "a job of another project"
                        }
                    }
                    None if runner.archived.is_some() => span.badge.archived { "archived" },
                    None => span.hint { "nothing" },
                }
            }
            td data-label="Connected" {
                @match runner.seen {
                    _ if runner.is_connected(now.before(connected)) => "yes",
                    Some(seen) => { span.hint { "last seen " } (when::ago(seen, now)) },
                    None => span.hint { "never" },
                }
            }
            td data-label="Specs" {
                @if specs.is_empty() { span.hint { "none" } } @else { (specs) }
            }
            td data-label="Machine" { (machine(runner.metadata.as_deref())) }
        }
    }
}

/// What a runner says of itself.
fn machine(metadata: Option<&str>) -> Markup {
    let metadata: Value = metadata
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let words: Vec<_> = ["os", "arch", "version"]
        .iter()
        .filter_map(|name| metadata[name].as_str())
        .collect();
    html! {
        @if words.is_empty() { span.hint { "not told" } } @else { (words.join(" ")) }
    }
}
