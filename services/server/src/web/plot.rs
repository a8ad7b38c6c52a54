//! Plots: pictures that need no script, in the colours of the page.

use maud::{Markup, html};

use super::measures::{Point, Series};
use super::scale::{Scale, ticks};
use super::statistics::Statistics;

pub(super) const WIDTH: f64 = 360.0;
pub(super) const HEIGHT: f64 = 180.0;
pub(super) const LEFT: f64 = 58.0;
pub(super) const RIGHT: f64 = 10.0;
pub(super) const TOP: f64 = 10.0;
pub(super) const BOTTOM: f64 = 32.0;
/// Dots that can be told apart in the width of a plot.
const MAX_DOTS: usize = 400;
const MAX_BINS: usize = 40;

/// A range of values in a range of the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// With some room around the values, so that the outermost are not on the edge.
    pub(super) fn around(low: f64, high: f64, from: f64, to: f64) -> Self {
        let length = high - low;
        let room = if length > 0.0 && length.is_finite() {
            length * 0.06
        } else if length == 0.0 {
            (low.abs() * 0.05).max(f64::MIN_POSITIVE)
        } else {
            0.0
        };
        Self {
            low: (low - room).max(f64::MIN),
            high: (high + room).min(f64::MAX),
            from,
            to,
        }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        // Halved, so that the length of the range stays finite.
        let part = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        let part = if part.is_finite() {
            part.clamp(0.0, 1.0)
        } else {
            0.5
        };
        self.from + part * (self.to - self.from)
    }
}

pub(super) fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "there are 65,535 iterations at most"
)]
pub(super) fn real(count: usize) -> f64 {
    count as f64
}

/// The values as they came, one dot an iteration, with their median.
pub(super) fn iterations(series: &Series, statistics: &Statistics, scale: &Scale) -> Markup {
    let last = series.points.iter().map(|point| point.iteration).max();
    let x = Axis::around(1.0, real(last.unwrap_or(0) + 1), LEFT, WIDTH - RIGHT);
    let y = Axis::around(statistics.least, statistics.most, HEIGHT - BOTTOM, TOP);
    let median = coordinate(y.at(statistics.median));
    let label = format!(
        "{} over {} iterations, median {}",
        series.measure,
        series.points.len(),
        scale.text(statistics.median)
    );
    // Iterations are whole.
    let numbers = ticks(1.0, real(last.unwrap_or(0) + 1), 6.0);
    let numbers: Vec<_> = numbers
        .into_iter()
        .filter(|tick| tick.fract() == 0.0)
        .collect();
    frame(
        &label,
        "iteration",
        &html! {
            (value_axis(&y, scale))
            @for tick in numbers {
                text.tick x=(coordinate(x.at(tick))) y=(coordinate(HEIGHT - BOTTOM + 13.0))
                    text-anchor="middle" { (tick) }
            }
            line.median x1=(LEFT) x2=(WIDTH - RIGHT) y1=(median) y2=(median) {}
            @for point in thinned(&series.points) {
                @if point.is_suspect {
                    (halo(x.at(real(point.iteration + 1)), y.at(point.value)))
                }
                circle.dot.failed[point.is_failed] r="3"
                    cx=(coordinate(x.at(real(point.iteration + 1)))) cy=(coordinate(y.at(point.value))) {
                    title {
                        "iteration " (point.iteration + 1) ": " (scale.text(point.value))
                        @if point.is_failed { ", failed" }
                        @if point.is_suspect { ", suspect" }
                    }
                }
            }
        },
    )
}

/// A ring around what is suspect.
pub(super) fn halo(x: f64, y: f64) -> Markup {
    html! { circle.suspect r="6.5" cx=(coordinate(x)) cy=(coordinate(y)) {} }
}

/// How often which values came.
pub(super) fn distribution(series: &Series, statistics: &Statistics, scale: &Scale) -> Markup {
    let values = series.values();
    let x = Axis::around(statistics.least, statistics.most, LEFT, WIDTH - RIGHT);
    let bins = bins(&values, statistics);
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    let y = Axis {
        low: 0.0,
        high: real(most) * 1.06,
        from: HEIGHT - BOTTOM,
        to: TOP,
    };
    let counts = ticks(0.0, real(most), 4.0);
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|tick| tick.fract() == 0.0)
        .collect();
    let median = coordinate(x.at(statistics.median));
    let label = format!(
        "distribution of {}, from {} to {}",
        series.measure,
        scale.text(statistics.least),
        scale.text(statistics.most)
    );
    frame(
        &label,
        &unit_label(&series.measure, scale),
        &html! {
            @for tick in counts {
                (grid_line(y.at(tick), &tick.to_string()))
            }
            @for tick in ticks(x.low, x.high, 4.0) {
                text.tick x=(coordinate(x.at(tick))) y=(coordinate(HEIGHT - BOTTOM + 13.0))
                    text-anchor="middle" { (scale.number(tick)) }
            }
            @for bin in bins.iter().filter(|bin| bin.count > 0) {
                @let (from, to) = (x.at(bin.from), x.at(bin.to));
                @let top = y.at(real(bin.count));
                rect.bar x=(coordinate(from + 0.5)) y=(coordinate(top))
                    width=(coordinate((to - from - 1.0).max(1.0)))
                    height=(coordinate(HEIGHT - BOTTOM - top)) {
                    title {
                        (bin.count) " from " (scale.text(bin.from)) " to " (scale.text(bin.to))
                    }
                }
            }
            line.median x1=(median) x2=(median) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
        },
    )
}

pub(super) fn unit_label(measure: &str, scale: &Scale) -> String {
    if scale.unit.is_empty() {
        return measure.to_owned();
    }
    format!("{measure}, {}", scale.unit)
}

pub(super) fn frame(label: &str, below: &str, inside: &Markup) -> Markup {
    frame_of(HEIGHT, label, below, inside)
}

/// A frame of another height.
pub(super) fn frame_of(height: f64, label: &str, below: &str, inside: &Markup) -> Markup {
    html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(label) {
            (inside)
            line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(height - BOTTOM) y2=(height - BOTTOM) {}
            text.label x=(f64::midpoint(LEFT, WIDTH - RIGHT)) y=(height - 5.0)
                text-anchor="middle" { (below) }
        }
    }
}

pub(super) fn value_axis(y: &Axis, scale: &Scale) -> Markup {
    html! {
        @for tick in ticks(y.low, y.high, 4.0) {
            (grid_line(y.at(tick), &scale.number(tick)))
        }
        @if !scale.unit.is_empty() {
            text.label x="2" y=(coordinate(HEIGHT - BOTTOM + 13.0)) { (scale.unit) }
        }
    }
}

fn grid_line(at: f64, text: &str) -> Markup {
    html! {
        line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(coordinate(at)) y2=(coordinate(at)) {}
        text.tick x=(LEFT - 6.0) y=(coordinate(at + 3.5)) text-anchor="end" { (text) }
    }
}

/// As many points as can be told apart: of each stretch the least and the greatest, and a suspect one if there
/// is any.
pub(super) fn thinned(points: &[Point]) -> Vec<Point> {
    if points.len() <= MAX_DOTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MAX_DOTS / 3);
    points
        .chunks(stretch)
        .flat_map(|chunk| {
            let by_value = |one: &&Point, other: &&Point| one.value.total_cmp(&other.value);
            let least = chunk.iter().min_by(by_value);
            let most = chunk.iter().max_by(by_value);
            let suspect = chunk.iter().find(|point| point.is_suspect);
            least.into_iter().chain(most).chain(suspect)
        })
        .copied()
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Bin {
    from: f64,
    to: f64,
    count: usize,
}

/// Bins of equal width, about as many as the square root of the number of values.
fn bins(values: &[f64], statistics: &Statistics) -> Vec<Bin> {
    let (low, high) = (statistics.least, statistics.most);
    let count = (1..MAX_BINS)
        .find(|count| count * count >= values.len())
        .unwrap_or(MAX_BINS);
    let width = high / real(count) - low / real(count);
    if width <= 0.0 {
        return vec![Bin {
            from: low,
            to: high,
            count: values.len(),
        }];
    }
    let mut bins: Vec<_> = (0..count)
        .map(|number| Bin {
            from: low + width * real(number),
            to: low + width * real(number + 1),
            count: 0,
        })
        .collect();
    for value in values {
        let place = bins.iter().position(|bin| *value < bin.to);
        if let Some(bin) = bins.get_mut(place.unwrap_or(count - 1)) {
            bin.count += 1;
        }
    }
    bins
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(values: &[f64]) -> Series {
        let point = |(iteration, &value): (usize, &f64)| Point {
            iteration,
            value,
            is_failed: iteration == 1,
            is_suspect: iteration == 2,
        };
        Series {
            own: None,
            benchmark: "b".to_owned(),
            measure: "</svg><script>alert(1)</script>".to_owned(),
            points: values.iter().enumerate().map(point).collect(),
        }
    }

    fn plots(values: &[f64]) -> String {
        let series = series(values);
        let statistics = Statistics::of(values).expect("values");
        let scale = Scale::of(&series.measure, statistics.most);
        iterations(&series, &statistics, &scale).into_string()
            + &distribution(&series, &statistics, &scale).into_string()
    }

    #[test]
    fn dots_and_bars() {
        let text = plots(&[1.0, 2.0, 3.0, 3.0]);
        assert_eq!(text.matches("class=\"dot").count(), 4);
        assert_eq!(text.matches("dot failed").count(), 1);
        assert!(text.contains("iteration 2: 2, failed<"), "{text}");
        assert_eq!(text.matches("class=\"suspect\"").count(), 1);
        assert!(text.contains("iteration 3: 3, suspect<"), "{text}");
        assert_eq!(text.matches("<rect").count(), 2);
        assert!(text.contains("3 from 2 to 3"), "{text}");
        assert!(!text.contains("<script"), "{text}");
    }

    #[test]
    fn the_outermost_of_many_stay() {
        let mut values = vec![1.0; 60_000];
        values[30_000] = 9.0;
        values[40_000] = -9.0;
        let kept = thinned(&series(&values).points);
        assert!(kept.len() <= MAX_DOTS, "{}", kept.len());
        for value in [9.0, -9.0] {
            assert!(
                kept.iter()
                    .any(|point| point.value.total_cmp(&value).is_eq())
            );
        }
    }

    #[test]
    fn all_values_are_counted() {
        let values: Vec<_> = (0..100).map(f64::from).collect();
        let statistics = Statistics::of(&values).expect("values");
        let bins = bins(&values, &statistics);
        assert_eq!(bins.len(), 10);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<usize>(), 100);
    }

    proptest! {
        #[test]
        fn any_values_can_be_drawn(values in prop::collection::vec(prop::num::f64::ANY, 1..30)) {
            let values: Vec<_> = values.into_iter().filter(|value| value.is_finite()).collect();
            prop_assume!(!values.is_empty());
            let text = plots(&values);
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
