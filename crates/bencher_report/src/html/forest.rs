//! The changes of all metrics beside each other, with their intervals.

use super::class;
use super::frame::{figure, line, word};
use super::scale::Axis;
use crate::comparison::{Answer, Comparison, MetricComparison};
use crate::quantity::{chosen, label};
use crate::text::{Row, escape};

const WIDTH: f64 = 760.0;
const ROW: f64 = 30.0;
/// A row with its name above it, and names that are that long.
const TALL_ROW: f64 = 48.0;
const LONG_NAME: usize = 18;
const LONGEST_NAME: usize = 110;
/// Where the names end and the axis begins, and where it ends and the numbers begin.
const AXIS: (f64, f64) = (130.0, 560.0);
/// Intervals beyond this change, in percent, are cut: one of them would make all others a point.
const MOST: f64 = 100.0;

pub(super) fn section(comparison: &Comparison) -> String {
    let answered: Vec<(&MetricComparison, Answer)> = comparison
        .metrics
        .iter()
        .filter_map(|metric| Some((metric, metric.answer?)))
        .collect();
    if answered.is_empty() {
        return String::new();
    }
    let ends = answered
        .iter()
        .flat_map(|(_, answer)| [answer.ratio.low, answer.ratio.high])
        .map(percent);
    let interest = 100.0 * comparison.settings.interest;
    let least = ends.clone().fold(-1.5 * interest, f64::min).max(-MOST);
    let greatest = ends.fold(1.5 * interest, f64::max).min(MOST);
    let axis = Axis::new((least, greatest), AXIS);
    let is_long =
        |(metric, _): &(&MetricComparison, Answer)| metric.name.chars().count() > LONG_NAME;
    let names_above = answered.iter().any(is_long);
    let height = if names_above { TALL_ROW } else { ROW };
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    let bottom = 10.0 + height * answered.len() as f64;
    let mut content = format!(
        "<rect class=\"interest\" x=\"{:.1}\" y=\"4\" width=\"{:.1}\" height=\"{:.1}\"/>\n",
        axis.place(-interest),
        axis.place(interest) - axis.place(-interest),
        bottom - 4.0
    );
    content += &line("axis", (AXIS.0, bottom), (AXIS.1, bottom));
    let ticks = axis.ticks(6.0, 1.0);
    for tick in ticks.values {
        let x = axis.place(tick);
        let class = if tick == 0.0 { "zero" } else { "grid" };
        content += &line(class, (x, 4.0), (x, bottom + 4.0));
        content += &word(
            "middle",
            (x, bottom + 18.0),
            &format!("{} %", signed(tick, ticks.step)),
        );
    }
    let mut middle = 10.0 + height - ROW / 2.0;
    for (metric, answer) in &answered {
        content += &name(metric, middle, names_above);
        content += &row(metric, answer, &axis, middle);
        middle += height;
    }
    let says = format!(
        "Changes of B to A with their intervals: {}",
        answered
            .iter()
            .map(|(metric, _)| {
                let row = Row::of(metric);
                format!("{} {} {}", row.metric, row.change, row.interval)
            })
            .collect::<Vec<_>>()
            .join("; ")
    );
    let caption = format!(
        "Change of B to A in percent with its {} interval; the band is what is of no interest, {} to \
         either side",
        chosen(comparison.settings.confidence),
        chosen(comparison.settings.interest)
    );
    let picture = figure((WIDTH, bottom + 26.0), &caption, &says, &content);
    format!("<section>\n<h2>Changes</h2>\n{picture}</section>\n")
}

fn percent(ratio: f64) -> f64 {
    100.0 * (ratio - 1.0)
}

/// A label with its sign.
fn signed(tick: f64, step: f64) -> String {
    let label = label(tick, step);
    if tick > 0.0 && label != "0" {
        format!("+{label}")
    } else {
        label
    }
}

/// The name beside the interval, or above it where it would not fit.
fn name(metric: &MetricComparison, middle: f64, is_above: bool) -> String {
    let mut name = Row::of(metric).metric;
    if !is_above {
        return word("end", (AXIS.0 - 10.0, middle + 4.0), &name);
    }
    if let Some((end, _)) = name.char_indices().nth(LONGEST_NAME) {
        name.truncate(end);
        name.push('…');
    }
    word("start", (4.0, middle - 14.0), &name)
}

fn row(metric: &MetricComparison, answer: &Answer, axis: &Axis, middle: f64) -> String {
    let shown = Row::of(metric);
    let [low, value, high] = [answer.ratio.low, answer.ratio.value, answer.ratio.high]
        .map(|ratio| axis.place(percent(ratio)));
    let mut text = format!("<g class=\"{}\">\n", class(metric));
    text += &line("interval", (low, middle), (high, middle));
    for end in [low, high] {
        text += &line("interval", (end, middle - 5.0), (end, middle + 5.0));
    }
    text += &format!(
        "<rect class=\"mean\" x=\"{:.1}\" y=\"{:.1}\" width=\"9\" height=\"9\"><title>{} {} {}</title></rect>\n",
        value - 4.5,
        middle - 4.5,
        escape(&shown.metric),
        escape(&shown.change),
        escape(&shown.interval)
    );
    text += "</g>\n";
    text += "<g class=\"beside\">\n";
    text += &word(
        "start",
        (AXIS.1 + 12.0, middle + 4.0),
        &format!("{} {}", shown.change, shown.interval),
    );
    text += "</g>\n";
    text
}
