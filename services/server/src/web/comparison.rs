//! A comparison: its sides, what each measured, and how they compare.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Html;
use bencher_jobs::{ComparisonId, JobId};
use bencher_server_api::Measured;
use bencher_statistics::{Comparison, Verdict};
use maud::{Markup, html};
use tokio::sync::Semaphore;

use super::deletion;
use super::error::PageError;
use super::jobs::title;
use super::layout::{self, Section};
use super::measures::more;
use super::result::{evidence_of, read};
use super::scale::Scale;
use super::session::Visitor;
use super::side_plot;
use super::sides::{Compared, Taken};
use super::statistics::Statistics;
use super::trust;
use crate::api::ApiError;
use crate::api::extract::Path;
use crate::api::reading::{self, Whole};
use crate::app::App;
use crate::evidence::Evidence;
use crate::iterations;
use crate::store::{Described, Filter, MAX_PAGE, Page, Role};

/// Results that are read for one page, in bytes: the rest is said to be missing.
const MAX_RESULTS: usize = 64 << 20;

/// A comparison.
pub(super) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    path: Result<Path<String>, ApiError>,
) -> Result<Html<String>, PageError> {
    let Path(id) = path?;
    let unknown = || ApiError::not_found("comparison", &id);
    let comparison: ComparisonId = id.parse().map_err(|_| unknown())?;
    let jobs = jobs(&app, &visitor, comparison).await?;
    if jobs.is_empty() {
        return Err(unknown().into());
    }
    let Results { taken, of, missing } = results(&app, &visitor, &jobs).await?;
    let is_over = jobs.iter().all(|one| one.job.life.state.is_over());
    let shown = Shown {
        comparison,
        jobs: jobs.len(),
        is_over,
        sides: sides(&jobs, &of),
        measured: measured(&jobs),
        missing,
    };
    // Intervals take time, which is not to be that of those who wait for other things.
    let Ok(one_at_a_time) = AT_A_TIME.acquire().await else {
        unreachable!("it is never closed");
    };
    let body = tokio::task::spawn_blocking(move || {
        let body = shown.body(taken);
        // Not before, where nobody waits for the page any more.
        drop(one_at_a_time);
        body
    });
    let body = body.await;
    let body = body.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    let may_delete = is_over && visitor.caller().must_be(Role::Submitter).is_ok();
    let what = "All jobs of the comparison go, with all of their results.";
    let address = format!("/comparisons/{comparison}");
    let body = html! {
        div.head {
            h1 { "Comparison" }
            @if may_delete { (deletion::button(&visitor, &address, what)) }
        }
        (body)
    };
    Ok(layout::page("Comparison", &visitor, Section::Jobs, &body))
}

/// Pages that are made at a time.
static AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// What a page is made of, beside what was measured.
struct Shown {
    comparison: ComparisonId,
    jobs: usize,
    is_over: bool,
    sides: BTreeMap<u32, Side>,
    /// Of each side how its jobs were measured, as far as that is known, and how many of them are over.
    measured: BTreeMap<u32, (Vec<Measured>, usize)>,
    missing: usize,
}

impl Shown {
    fn body(&self, taken: Taken) -> Markup {
        let (measures, left_out) = taken.compared();
        let unread = "have too many results for this page, or none that can be read: they are not in these \
                      numbers.";
        html! {
            p {
                a href={ "/jobs?comparison=" (self.comparison) } { (self.jobs) " jobs" }
                @if !self.is_over { ", not all of them over: load the page anew to see more" }
                "."
            }
            (legend(&self.sides))
            @if self.measured.values().any(|(jobs, _)| !jobs.is_empty()) {
                (trust::of_sides(&self.measured))
            }
            @if self.missing > 0 { p.problem { (self.missing) " jobs " (unread) } }
            @if measures.is_empty() {
                p.empty {
                    "Nothing was measured on more than one side" @if !self.is_over { " yet" } "."
                }
            } @else {
                section aria-labelledby="measures" {
                    h2 #measures { "Measures" }
                    @for compared in &measures { (measure(compared)) }
                    @if left_out > 0 { p.hint { (more(left_out)) } }
                    p.hint {
                        "Intervals are of 95 %, from what each iteration measured; iterations that failed \
                         are left out. Whether more is better is for you to say."
                    }
                }
            }
        }
    }
}

/// All jobs of a comparison, as far as whoever asks may see them, in their turns.
async fn jobs(
    app: &App,
    visitor: &Visitor,
    comparison: ComparisonId,
) -> Result<Vec<Described>, PageError> {
    let filter = Filter {
        project: visitor.caller().token().project,
        comparison: Some(comparison),
        ..Filter::default()
    };
    let mut jobs: Vec<Described> = Vec::new();
    loop {
        let page = Page {
            limit: MAX_PAGE,
            after: jobs.last().map(|last| last.job.id.to_string()),
        };
        let more = app
            .store
            .jobs(&filter, &page)
            .await
            .map_err(ApiError::from)?;
        let is_last = more.len() < MAX_PAGE as usize;
        jobs.extend(more);
        if is_last {
            break;
        }
    }
    jobs.sort_by_key(|one| one.job.comparison.map(|side| side.position));
    Ok(jobs)
}

/// What the jobs of a comparison have measured.
#[derive(Default)]
struct Results {
    taken: Taken,
    /// Those that have results.
    of: BTreeSet<JobId>,
    /// How many of them have too much for this page, or nothing that can be read.
    missing: usize,
}

async fn results(app: &App, visitor: &Visitor, jobs: &[Described]) -> Result<Results, PageError> {
    let token = visitor.caller().token().id;
    let mut found = Results::default();
    let mut room = MAX_RESULTS;
    for Described { job, .. } in jobs {
        let Some(side) = job.comparison.filter(|_| job.life.state.is_over()) else {
            continue;
        };
        let kept = app.store.results(job.id).await.map_err(ApiError::from)?;
        let Some(kept) = kept else {
            continue;
        };
        found.of.insert(job.id);
        if room == 0 {
            found.missing += 1;
            continue;
        }
        let results = match read(app, token, &kept).await {
            Ok(results) => results,
            Err(error) => {
                found.missing += 1;
                if !error.is_lost() {
                    // Nor can others be read now, and each would be waited for.
                    room = 0;
                }
                continue;
            }
        };
        room = room.saturating_sub(results.bytes.len());
        let evidence = evidence_of(app, job.id).await;
        let evidence_bytes = evidence.as_ref().map_or(0, Vec::len);
        room = room.saturating_sub(evidence_bytes);
        let mut so_far = found.taken;
        let read = reading::beside(move || {
            let is_read = take(&mut so_far, side.side as usize, results, evidence);
            (so_far, is_read)
        });
        let is_read;
        (found.taken, is_read) = read.await;
        found.missing += usize::from(!is_read);
    }
    Ok(found)
}

/// Takes in what a job of a side has measured. Returns whether it could be read.
fn take(taken: &mut Taken, side: usize, results: Whole, evidence: Option<Vec<u8>>) -> bool {
    let Whole { bytes, held } = results;
    let found = iterations::all(&bytes);
    drop(bytes);
    let Ok(results) = found else {
        return false;
    };
    let evidence = evidence.and_then(|bytes| Evidence::read(&bytes));
    taken.take(side, &results, evidence.as_ref());
    drop((results, held));
    true
}

/// A side: what it is called, how many jobs it has, and how many of these have results.
struct Side {
    title: String,
    jobs: usize,
    with_results: usize,
}

fn measured(jobs: &[Described]) -> BTreeMap<u32, (Vec<Measured>, usize)> {
    let mut sides: BTreeMap<u32, (Vec<Measured>, usize)> = BTreeMap::new();
    for described in jobs {
        let job = &described.job;
        if let Some(place) = job.comparison.filter(|_| job.life.state.is_over()) {
            let (measured, count) = sides.entry(place.side).or_default();
            measured.extend(trust::measured(described));
            *count += 1;
        }
    }
    sides
}

fn sides(jobs: &[Described], have_results: &BTreeSet<JobId>) -> BTreeMap<u32, Side> {
    let mut sides = BTreeMap::new();
    for described in jobs {
        let Some(place) = described.job.comparison else {
            continue;
        };
        let side = sides.entry(place.side).or_insert_with(|| Side {
            title: title(described),
            jobs: 0,
            with_results: 0,
        });
        side.jobs += 1;
        side.with_results += usize::from(have_results.contains(&described.job.id));
    }
    sides
}

fn legend(sides: &BTreeMap<u32, Side>) -> Markup {
    html! {
        ul.sides {
            @for (number, side) in sides {
                li {
                    (side_plot::key(*number as usize))
                    " side " (number + 1) ": " strong { (side.title) } " "
                    span.hint { (side.with_results) " of " (side.jobs) " jobs have results" }
                }
            }
        }
    }
}

fn measure(compared: &Compared) -> Markup {
    let sides = compared.sides();
    let numbers: Vec<_> = sides
        .iter()
        .filter_map(|(side, values)| Some((*side, values.len(), Statistics::of(values)?)))
        .collect();
    let farthest = numbers
        .iter()
        .map(|(_, _, of)| of.most.abs().max(of.least.abs()))
        .fold(0.0, f64::max);
    let scale = Scale::of(&compared.measure, farthest);
    html! {
        article.measure {
            h3 { (compared.benchmark) " " span.hint { (compared.measure) } }
            table.list {
                thead { tr {
                    th scope="col" { "Side" } th scope="col" { "Mean" } th scope="col" { "Median" }
                    th scope="col" { "Least" } th scope="col" { "Most" }
                    th scope="col" { "Iterations" } th scope="col" { "Compared with the first" }
                } }
                tbody {
                    @for (side, count, of) in &numbers {
                        tr {
                            td data-label="Side" { (side_plot::key(*side)) " " (side + 1) }
                            td data-label="Mean" { (scale.text(of.mean)) }
                            td data-label="Median" { (scale.text(of.median)) }
                            td data-label="Least" { (scale.text(of.least)) }
                            td data-label="Most" { (scale.text(of.most)) }
                            td data-label="Iterations" { (count) }
                            td data-label="Compared" { (answer(compared, *side)) }
                        }
                    }
                }
            }
            div.plots {
                figure {
                    (side_plot::turns(compared, &scale))
                    figcaption {
                        "each iteration, in turns"
                        @if compared.values.iter().any(|one| one.is_suspect) {
                            ", and what is in a ring is suspect"
                        }
                    }
                }
                figure {
                    (side_plot::rows(compared, &scale))
                    figcaption { "all values, their middle half, and the median" }
                }
            }
        }
    }
}

fn answer(compared: &Compared, side: usize) -> Markup {
    let sides = compared.sides();
    if sides
        .first_key_value()
        .is_some_and(|(first, _)| *first == side)
    {
        return html! { span.hint { "is the first" } };
    }
    let Some(answer) = compared.answer(side) else {
        return html! { span.hint { "too few values, or none above zero" } };
    };
    html! { (ratio(&answer)) " " span.badge.running[answer.verdict.is_change()] { (words(answer.verdict)) } }
}

fn ratio(answer: &Comparison) -> String {
    let ratio = &answer.ratio;
    let share = |value: f64| format!("{:+.2} %", (value - 1.0) * 100.0);
    format!(
        "{} ({} to {})",
        share(ratio.value),
        share(ratio.low),
        share(ratio.high)
    )
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster | Verdict::Slower => "differs",
        Verdict::NoDifferenceSeen => "no difference seen",
        Verdict::TooNoisy => "too noisy",
    }
}
