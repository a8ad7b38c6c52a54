//! One metric: how its values are distributed, and how they came one after the other.

use super::class;
use super::frame::{figure, line, word};
use super::scale::{Axis, Ticks};
use crate::comparison::{Measurements, MetricComparison, Point, Summary, TimeDependence};
use crate::quantity::{Scale, probability};
use crate::text::{Row, escape};

const WIDTH: f64 = 760.0;

/// The metric with its pictures; without those where nothing was measured.
pub(super) fn article(metric: &MetricComparison) -> String {
    let row = Row::of(metric);
    let mut text = format!(
        "<article>\n<h3>{} <span class=\"{}\">{}</span></h3>\n",
        escape(&row.metric),
        class(metric),
        escape(&row.whole_verdict())
    );
    let summaries = [&metric.baseline, &metric.candidate].map(|side| side.summary);
    let known: Vec<Summary> = summaries.into_iter().flatten().collect();
    if !known.is_empty() {
        let least = known
            .iter()
            .map(|one| one.least)
            .fold(f64::INFINITY, f64::min);
        let greatest = known.iter().map(|one| one.greatest).fold(0.0, f64::max);
        let scale = Scale::of(&metric.unit, greatest);
        text += &distribution(metric, (least, greatest), scale);
        text += &timeline(metric, (least, greatest), scale);
        text += &dependence(metric);
    }
    text += "</article>\n";
    text
}

/// How the values depend on time, where they do.
fn dependence(metric: &MetricComparison) -> String {
    let courses = [
        ("A", metric.baseline.time),
        ("B", metric.candidate.time),
        ("the ratio of the pairs", metric.pairs),
    ];
    let found: Vec<String> = courses
        .into_iter()
        .filter_map(|(what, time)| in_words(what, &time?))
        .collect();
    if found.is_empty() {
        return String::new();
    }
    let took_turns = metric.pairs.is_some();
    let matters = metric
        .pairs
        .is_none_or(|pairs| pairs.has_trend() || pairs.neighbours_resemble());
    let (class, rest) = match (took_turns, matters) {
        (true, false) => (
            "note",
            ". The sides took turns and share it: it is not in their ratio.",
        ),
        _ => ("unsure", ". The interval does not hold that."),
    };
    format!(
        "<p class=\"{class}\">Depends on time: {}{rest}</p>\n",
        escape(&found.join("; "))
    )
}

fn in_words(what: &str, time: &TimeDependence) -> Option<String> {
    if time.has_trend() {
        Some(format!(
            "{what} {} (rank correlation {:+.2}, p {})",
            time.direction(),
            time.trend,
            probability(time.trend_p_value)
        ))
    } else {
        time.neighbours_resemble().then(|| {
            format!(
                "neighbours of {what} resemble each other (correlation {:.2})",
                time.neighbours
            )
        })
    }
}

/// The values of both sides above the same axis, with boxes.
fn distribution(metric: &MetricComparison, range: (f64, f64), scale: Scale<'_>) -> String {
    const START: f64 = 40.0;
    const BOTTOM: f64 = 118.0;
    let axis = Axis::new(range, (START, WIDTH - 20.0));
    let mut content = ticks(&axis, scale, |x, label| {
        line("grid", (x, 6.0), (x, BOTTOM)) + &word("middle", (x, BOTTOM + 16.0), label)
    });
    let sides = [("A", "a", &metric.baseline), ("B", "b", &metric.candidate)];
    for ((letter, class, side), middle) in sides.into_iter().zip([34.0, 90.0]) {
        content += &word("end", (START - 14.0, middle + 4.0), letter);
        if let Some(summary) = &side.summary {
            content += &format!("<g class=\"{class}\">\n");
            content += &boxed(summary, &axis, middle);
            content += "</g>\n";
        }
        for (index, point) in side.points.iter().enumerate() {
            // Equal values are not to hide each other.
            let shift = [0.0, -6.0, 6.0, -11.0, 11.0][index % 5];
            content += &mark(
                class,
                (axis.place(point.value), middle + shift),
                point,
                letter,
                scale,
            );
        }
    }
    let row = Row::of(metric);
    let says = format!(
        "Distribution of {}: A {}, B {}",
        row.metric, row.baseline, row.candidate
    );
    figure((WIDTH, BOTTOM + 24.0), "Distribution", &says, &content)
}

fn boxed(summary: &Summary, axis: &Axis, middle: f64) -> String {
    let (left, right) = (
        axis.place(summary.first_quartile),
        axis.place(summary.third_quartile),
    );
    let (median, mean) = (axis.place(summary.median), axis.place(summary.mean));
    let mut text = line(
        "whisker",
        (axis.place(summary.least), middle),
        (axis.place(summary.greatest), middle),
    );
    text += &format!(
        "<rect class=\"box\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"36\"/>\n",
        middle - 18.0,
        (right - left).max(1.0)
    );
    text += &line("median", (median, middle - 18.0), (median, middle + 18.0));
    text += &line("average", (mean, middle - 20.0), (mean, middle + 20.0));
    text
}

/// The values of both sides by the rounds in which they were measured.
fn timeline(metric: &MetricComparison, range: (f64, f64), scale: Scale<'_>) -> String {
    const START: f64 = 90.0;
    const BOTTOM: f64 = 150.0;
    let values = Axis::new(range, (BOTTOM, 10.0));
    let longest = metric
        .baseline
        .points
        .len()
        .max(metric.candidate.points.len());
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    let rounds = Axis::new((1.0, longest as f64), (START, WIDTH - 20.0));
    let mut content = ticks(&values, scale, |y, label| {
        line("grid", (START, y), (WIDTH - 20.0, y)) + &word("end", (START - 8.0, y + 4.0), label)
    });
    let sides = [("A", "a", &metric.baseline), ("B", "b", &metric.candidate)];
    for (letter, class, side) in sides {
        content += &course(class, letter, side, &rounds, &values, scale);
    }
    let suspects = [&metric.baseline, &metric.candidate].map(|side| {
        side.points
            .iter()
            .filter(|point| point.suspect.is_some())
            .count()
    });
    content += &word(
        "middle",
        (f64::midpoint(START, WIDTH), BOTTOM + 16.0),
        "in the order of the iterations",
    );
    let says = format!(
        "Values of {} in the order of the iterations; suspect: {} of A, {} of B",
        metric.name, suspects[0], suspects[1]
    );
    figure(
        (WIDTH, BOTTOM + 24.0),
        "One iteration after the other",
        &says,
        &content,
    )
}

fn course(
    class: &str,
    letter: &str,
    side: &Measurements,
    rounds: &Axis,
    values: &Axis,
    scale: Scale<'_>,
) -> String {
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    let place =
        |index: usize, point: &Point| (rounds.place((index + 1) as f64), values.place(point.value));
    let places: Vec<_> = side
        .points
        .iter()
        .enumerate()
        .map(|(index, point)| place(index, point))
        .collect();
    let path: Vec<_> = places
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let mut text = format!(
        "<polyline class=\"course {class}\" points=\"{}\"/>\n",
        path.join(" ")
    );
    for (&place, point) in places.iter().zip(&side.points) {
        text += &mark(class, place, point, letter, scale);
    }
    text
}

/// A value: a circle for A, a square for B, and marks around those that are not to be trusted or far
/// from the others.
fn mark(class: &str, (x, y): (f64, f64), point: &Point, letter: &str, scale: Scale<'_>) -> String {
    let mut says = format!("{letter} {}: {}", point.iteration, scale.show(point.value));
    if let Some(reason) = &point.suspect {
        says += &format!(", suspect: {reason}");
    }
    let shape = if class == "a" {
        format!("<circle class=\"a\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>")
    } else {
        format!(
            "<rect class=\"b\" x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"/>",
            x - 3.5,
            y - 3.5
        )
    };
    let mut text = format!("<g><title>{}</title>{shape}", escape(&says));
    if point.suspect.is_some() {
        text += &format!("<circle class=\"suspect\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\"/>");
    }
    if point.outlier {
        text += &format!(
            "<path class=\"outlier\" d=\"M{:.1} {:.1}L{:.1} {:.1}M{:.1} {:.1}L{:.1} {:.1}\"/>",
            x - 5.0,
            y - 5.0,
            x + 5.0,
            y + 5.0,
            x + 5.0,
            y - 5.0,
            x - 5.0,
            y + 5.0
        );
    }
    text += "</g>\n";
    text
}

/// The ticks of an axis with their labels, in the unit of `scale`.
fn ticks(axis: &Axis, scale: Scale<'_>, draw: impl Fn(f64, &str) -> String) -> String {
    let Ticks { values, step } = axis.ticks(6.0, scale.divisor());
    values
        .into_iter()
        .map(|tick| draw(axis.place(tick), &scale.label(tick, step)))
        .collect()
}
