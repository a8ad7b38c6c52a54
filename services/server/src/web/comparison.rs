//! A comparison: its sides, what each measured, and how they compare.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Html;
use bencher_jobs::ComparisonId;
use bencher_server_api::Measured;
use bencher_statistics::{Comparison, Verdict};
use maud::{Markup, html};

use super::answers::Unanswered;
use super::deletion;
use super::error::PageError;
use super::jobs::title;
use super::layout::{self, Section};
use super::measures::more;
use super::scale::Scale;
use super::session::Visitor;
use super::side_plot;
use super::sides::Compared;
use super::statistics::Statistics;
use super::taking::{self, Results};
use super::trust;
use crate::api::ApiError;
use crate::api::extract::Path;
use crate::app::App;
use crate::store::{Described, Filter, MAX_PAGE, Page, Role};

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
    let turn = taking::turn(visitor.caller().token().id).await?;
    let results = taking::results(&app, &jobs).await?;
    let is_over = jobs.iter().all(|one| one.job.life.state.is_over());
    let shown = Shown {
        comparison,
        jobs: jobs.len(),
        is_over,
        sides: sides(&jobs, &results),
        measured: measured(&jobs),
    };
    let body = taking::at_turn(turn, move || shown.body(results)).await;
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

/// What a page is made of, beside what was measured.
struct Shown {
    comparison: ComparisonId,
    jobs: usize,
    is_over: bool,
    sides: BTreeMap<u32, Side>,
    /// Of each side how its jobs were measured, as far as that is known, and how many of them are over.
    measured: BTreeMap<u32, (Vec<Measured>, usize)>,
}

impl Shown {
    fn body(&self, results: Results) -> Markup {
        let (taken, missing) = results.taken();
        let (measures, left_out) = taken.compared();
        let unread = "have too many results for this page, or none that can be read: they are not in these \
                      numbers.";
        let unheard = "nobody knows here how they were measured, since it can not be read: what their runners \
                       measured, and what speaks against the numbers, is missing.";
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
            @if missing.results > 0 { p.problem { (missing.results) " jobs " (unread) } }
            @if missing.evidence > 0 { p.problem { "Of " (missing.evidence) " jobs " (unheard) } }
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
                        "Intervals are of 95 %, from pairs of iterations that ran in turns; what failed is left \
                         out with its neighbour. A difference counts only if it stands the correction for the \
                         number of measures"
                        @if left_out > 0 { ", here of those that are shown" }
                        ". Whether more is better is for you to say."
                    }
                }
            }
            @if self.sides.len() == 2 {
                p.hint {
                    code { "runner comparisons report " (self.comparison) }
                    " says the same of these measures, and reads what a harness printed in a format of its own as \
                     well: then there are more measures to correct for."
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

fn sides(jobs: &[Described], results: &Results) -> BTreeMap<u32, Side> {
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
        side.with_results += usize::from(results.are_of(described.job.id));
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
    let answer = match compared.answers.get(&side) {
        Some(Ok(answer)) => answer,
        Some(Err(reason)) => return html! { span.hint { (unanswered(*reason)) } },
        None => return html! {},
    };
    html! { (ratio(answer)) " " span.badge.running[answer.verdict.is_change()] { (words(answer.verdict)) } }
}

fn unanswered(reason: Unanswered) -> &'static str {
    match reason {
        Unanswered::Few => "too few pairs, or values that are not above zero",
        Unanswered::Untold => "it is not known of every job how it was measured",
        Unanswered::Many => "more values than a page compares",
    }
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
