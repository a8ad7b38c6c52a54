//! What came of a job.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bencher_channel_protocol::{IterationOutput, MAX_FILE_PATHS, RESERVED_OUTPUT};
use bencher_jobs::{JobId, TokenId};
use maud::{Markup, html};
use tokio::time::Instant;

use super::error::PageError;
use super::measures::{Series, measures, more};
use super::plot;
use super::scale::Scale;
use super::session::{Visitor, encoded};
use super::statistics::Statistics;
use super::trust;
use crate::api::extract::{Path, Query};
use crate::api::reading::{self, Whole};
use crate::api::{ApiError, results};
use crate::app::App;
use crate::beside::beside;
use crate::evidence::{self, Evidence};
use crate::iterations;
use crate::outputs::{Kept, lasting};
use crate::store::Described;

/// How long the storage may take for what is shown, however short that is.
pub(super) const READING: Duration = Duration::from_secs(10);
/// How long it may take for what is shown of a job, however long that is: before its page would be given up.
const SHOWING: Duration = Duration::from_secs(22);
/// Iterations whose output is in the page; that of the others is behind links of the API.
const MAX_SHOWN: usize = 50;
/// What is shown of one stream, in bytes: its end.
const MAX_TEXT: usize = 32 * 1024;
/// What is shown of all streams together, in bytes.
const MAX_ALL_TEXT: usize = 512 * 1024;

/// What a job that is over produced.
#[derive(Debug)]
pub(super) struct Sections {
    pub(super) trust: Markup,
    pub(super) measures: Markup,
    pub(super) outputs: Markup,
}

/// How a job that is over was measured, the measures, and the output. Results that can not be read are no reason
/// to show nothing else.
pub(super) async fn sections(
    app: &App,
    visitor: &Visitor,
    described: &Described,
) -> Result<Sections, PageError> {
    let job = described.job.id;
    let token = visitor.caller().token().id;
    let Some(kept) = app.store.results(job).await? else {
        return Ok(Sections {
            trust: html! {},
            measures: html! { p.empty { "There are no results." } },
            outputs: html! {},
        });
    };
    let (results, evidence) = tokio::join!(read(app, token, &kept), evidence_of(app, job));
    let base = format!("/jobs/{job}/results");
    let shown = beside(move || Shown::of(results, evidence, &base)).await;
    Ok(Sections {
        trust: {
            let (path, name) = (format!("/jobs/{job}/evidence"), format!("{job}.json"));
            match trust::measured(described) {
                Some(measured) => trust::section(&measured, &path, &name),
                None if shown.has_evidence => trust::unknown(Some((&path, &name))),
                None if shown.has_measures => trust::unknown(None),
                // There is nothing to trust.
                None => html! {},
            }
        },
        measures: shown.measures,
        outputs: shown.outputs,
    })
}

/// What is shown of what was read.
struct Shown {
    has_evidence: bool,
    has_measures: bool,
    measures: Markup,
    outputs: Markup,
}

impl Shown {
    fn of(results: Result<Whole, ApiError>, evidence: Option<Vec<u8>>, base: &str) -> Self {
        let evidence = evidence.and_then(|bytes| Evidence::read(&bytes));
        let evidence = evidence.as_ref();
        let has_evidence = evidence.is_some();
        let results = results.and_then(|Whole { bytes, held }| {
            let results = iterations::all(&bytes).map_err(|error| reading::garbled(&error))?;
            Ok((results, held))
        });
        match results {
            Ok((results, _held)) => {
                let measures = measured(&results, evidence);
                Self {
                    has_evidence,
                    has_measures: measures.is_some(),
                    measures: measures.unwrap_or_default(),
                    outputs: outputs(base, &results, &suspicions(evidence)),
                }
            }
            Err(error) => Self {
                has_evidence,
                has_measures: false,
                measures: html! { p.problem { "The results are not shown: " (error.message()) "." } },
                outputs: html! {},
            },
        }
    }
}

/// What is kept of a job, where the storage gives it before a page would be given up.
async fn read(app: &App, token: TokenId, kept: &Kept) -> Result<Whole, ApiError> {
    let begun = Instant::now();
    let reading = app.outputs.read_until(kept, begun + READING).await?;
    let patience = (READING + lasting(reading.length)).min(SHOWING);
    let left = patience.saturating_sub(begun.elapsed());
    reading::rest(app, token, reading, Some(left)).await
}

/// What the runner of a job says of how it was measured; nothing where it says nothing. What can not be read
/// now is no reason to show nothing else. It is short, and needs no room.
async fn evidence_of(app: &App, job: JobId) -> Option<Vec<u8>> {
    let unread = |error: &dyn std::fmt::Display| {
        tracing::error!(%job, %error, "how it was measured can not be read");
    };
    let kept = app.store.evidence(job).await;
    let kept = kept.inspect_err(|error| unread(error)).ok()??;
    let bytes = app.outputs.get(&kept, READING).await;
    bytes.inspect_err(|error| unread(error)).ok()
}

/// What speaks against the numbers of each iteration of the results.
fn suspicions(evidence: Option<&Evidence>) -> Vec<Option<String>> {
    let of_results = evidence.into_iter().flat_map(Evidence::of_results);
    of_results.map(evidence::Iteration::suspicion).collect()
}

/// The measures, if there are any.
fn measured(results: &[IterationOutput], evidence: Option<&Evidence>) -> Option<Markup> {
    let (series, left_out) = measures(results, evidence);
    let section = html! {
        section aria-labelledby="measures" {
            h2 #measures { "Measures" }
            @for series in &series { (measure(series)) }
            @if left_out > 0 { p.hint { (more(left_out)) } }
        }
    };
    (!series.is_empty()).then_some(section)
}

fn measure(series: &Series) -> Markup {
    let Some(statistics) = Statistics::of(&series.values()) else {
        return html! {};
    };
    let farthest = statistics.most.abs().max(statistics.least.abs());
    let scale = Scale::of(&series.measure, farthest);
    let values = [
        ("median", scale.text(statistics.median)),
        ("mean", scale.text(statistics.mean)),
        ("least", scale.text(statistics.least)),
        ("most", scale.text(statistics.most)),
    ];
    let spread = statistics.spread().filter(|_| series.points.len() > 1);
    html! {
        article.measure {
            h3 { (series.benchmark) " " span.hint { (series.measure) } }
            dl.numbers {
                @for (name, value) in values { div { dt { (name) } dd { (value) } } }
                @if let Some(spread) = spread {
                    div { dt { "spread" } dd { (format!("{:.2} %", spread * 100.0)) } }
                }
                div { dt { "iterations" } dd { (series.points.len()) } }
            }
            @if series.points.len() > 1 {
                div.plots {
                    figure {
                        (plot::iterations(series, &statistics, &scale))
                        figcaption {
                            "each iteration; the line is the median"
                            @if series.points.iter().any(|point| point.is_suspect) {
                                ", and what is in a ring is suspect"
                            }
                        }
                    }
                    figure {
                        (plot::distribution(series, &statistics, &scale))
                        figcaption { "how often which value came" }
                    }
                }
            }
        }
    }
}

fn outputs(base: &str, results: &[IterationOutput], suspicions: &[Option<String>]) -> Markup {
    let mut room = MAX_ALL_TEXT;
    let is_open = results.len() == 1;
    let shown: Vec<_> = results
        .iter()
        .take(MAX_SHOWN)
        .enumerate()
        .map(|(number, output)| {
            let suspicion = suspicions.get(number).and_then(Option::as_deref);
            iteration(base, number, output, suspicion, is_open, &mut room)
        })
        .collect();
    html! {
        section aria-labelledby="outputs" {
            h2 #outputs { "Output" }
            @for output in shown { (output) }
            @if results.len() > MAX_SHOWN {
                p.hint { (results.len() - MAX_SHOWN) " more iterations are in the results." }
            }
            p { a href=(base) download="results.json" { "All results (JSON)" } }
        }
    }
}

fn iteration(
    base: &str,
    number: usize,
    output: &IterationOutput,
    suspicion: Option<&str>,
    is_open: bool,
    room: &mut usize,
) -> Markup {
    let streams = [
        ("stdout", "Standard output", output.stdout.as_deref()),
        ("stderr", "Standard error", output.stderr.as_deref()),
    ]
    .map(|(name, title, text)| {
        let text = text.unwrap_or_default();
        let shown = end_of(text, MAX_TEXT.min(*room));
        *room -= shown.len();
        (name, title, text, shown)
    });
    let files = output.output.iter().flatten();
    let files: Vec<_> = files.filter(|(path, _)| *path != RESERVED_OUTPUT).collect();
    html! {
        details.iteration open[is_open] {
            summary {
                "Iteration " (number + 1) " "
                span.badge.processed[output.exit_code == 0].failed[output.exit_code != 0] {
                    "exit code " (output.exit_code)
                }
                @if suspicion.is_some() { " " span.badge.doubt { "suspect" } }
            }
            @if let Some(suspicion) = suspicion { p.problem.doubt { "It is suspect: " (suspicion) "." } }
            @for (name, title, text, shown) in streams {
                h3 { (title) " " a.hint href={ (base) "/" (number) "/" (name) } { "all of it" } }
                @if text.is_empty() {
                    p.hint { "Nothing." }
                } @else {
                    @if shown.len() < text.len() {
                        p.hint { (text.len() - shown.len()) " bytes before this are not shown." }
                    }
                    pre.log tabindex="0" aria-label=(title) { (shown) }
                }
            }
            @if !files.is_empty() {
                h3 { "Files" }
                ul.files {
                    @for (path, content) in files.iter().take(MAX_FILE_PATHS) {
                        li {
                            a href={ (base) "/" (number) "/file?path=" (encoded(path)) }
                                download=(name_of(path)) { (path) }
                            " " span.hint { (content.len()) " bytes" }
                        }
                    }
                }
                @if files.len() > MAX_FILE_PATHS {
                    p.hint { (files.len() - MAX_FILE_PATHS) " more are in the results." }
                }
            }
        }
    }
}

/// The last `most` bytes of a text, or a little less: whole characters.
fn end_of(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// What a file is called when it is saved: a browser makes it harmless.
fn name_of(path: &str) -> &str {
    path.rsplit('/')
        .next()
        .filter(|name| !name.is_empty())
        .unwrap_or("file")
}

/// All results.
pub(super) async fn all(
    app: State<App>,
    visitor: Visitor,
    path: Result<Path<String>, ApiError>,
) -> Result<Response, PageError> {
    Ok(results::all(app, visitor.into_caller(), path?).await?)
}

/// How a job was measured.
pub(super) async fn evidence(
    app: State<App>,
    visitor: Visitor,
    path: Result<Path<String>, ApiError>,
) -> Result<Response, PageError> {
    Ok(results::evidence(app, visitor.into_caller(), path?).await?)
}

/// What an iteration wrote to a stream.
pub(super) async fn stream(
    app: State<App>,
    visitor: Visitor,
    path: Result<Path<(String, usize, String)>, ApiError>,
) -> Result<Response, PageError> {
    Ok(results::stream(app, visitor.into_caller(), path?).await?)
}

/// A file that an iteration left.
pub(super) async fn file(
    app: State<App>,
    visitor: Visitor,
    path: Result<Path<(String, usize)>, ApiError>,
    query: Result<Query<results::FileQuery>, ApiError>,
) -> Result<Response, PageError> {
    Ok(results::file(app, visitor.into_caller(), path?, query?).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_whole_characters() {
        for (text, most, end) in [
            ("abc", 5, "abc"),
            ("abc", 2, "bc"),
            ("aäb", 2, "b"),
            ("aäb", 3, "äb"),
            ("ä", 1, ""),
            ("", 0, ""),
        ] {
            assert_eq!(end_of(text, most), end, "{text} {most}");
        }
    }

    #[test]
    fn what_an_image_wrote_is_text() {
        let evil = "</pre><script>alert(1)</script>";
        let output = IterationOutput {
            exit_code: 0,
            stdout: Some(evil.to_owned()),
            stderr: Some("x".repeat(MAX_TEXT + 7)),
            output: Some([(format!("/{evil}\""), String::new())].into()),
        };
        let page = outputs("/jobs/j/results", &[output], &[Some(evil.to_owned())]).into_string();
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("7 bytes before this"), "{page}");
        assert!(page.contains("is suspect: &lt;/pre&gt;"), "{page}");
    }
}
