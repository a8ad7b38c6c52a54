//! Plots of several sides. A side has a colour and a shape, for those who can not tell colours apart.

use maud::{Markup, html};

use super::plot::{
    Axis, BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, coordinate, frame, frame_of, halo, real,
    unit_label, value_axis,
};
use super::scale::{Scale, ticks};
use super::sides::{Compared, Measured};
use super::statistics::Statistics;

/// Values that can be told apart in the width of a plot.
const MAX_DOTS: usize = 600;
/// The height of a side's row.
const ROW: f64 = 34.0;
/// Half of a mark's size.
const HALF: f64 = 3.5;
/// Sides that differ in colour and shape; the next one looks like the first.
const KINDS: usize = 4;

/// The class of what belongs to a side.
pub(super) fn class(side: usize) -> String {
    format!("side-{}", side % KINDS + 1)
}

/// A side's mark in a text.
pub(super) fn key(side: usize) -> Markup {
    html! {
        svg.key viewBox="-6 -6 12 12" aria-hidden="true" { (mark(side, 0.0, 0.0, 4.5, &html! {})) }
    }
}

fn mark(side: usize, x: f64, y: f64, half: f64, title: &Markup) -> Markup {
    let class = class(side);
    let at = |dx: f64, dy: f64| format!("{},{}", coordinate(x + dx), coordinate(y + dy));
    let points = match side % KINDS {
        0 => {
            return html! {
                circle class=(class) cx=(coordinate(x)) cy=(coordinate(y)) r=(coordinate(half)) {
                    (title)
                }
            };
        }
        1 => [
            at(-half, -half),
            at(half, -half),
            at(half, half),
            at(-half, half),
        ]
        .join(" "),
        2 => [at(0.0, -half), at(half, half), at(-half, half)].join(" "),
        _ => [at(0.0, -half), at(half, 0.0), at(0.0, half), at(-half, 0.0)].join(" "),
    };
    html! { polygon class=(class) points=(points) { (title) } }
}

/// The least and the greatest value of all sides.
fn range(compared: &Compared) -> Option<(f64, f64)> {
    let values: Vec<_> = compared.values.iter().map(|one| one.value).collect();
    let statistics = Statistics::of(&values)?;
    Some((statistics.least, statistics.most))
}

/// The values of all sides as they came.
pub(super) fn turns(compared: &Compared, scale: &Scale) -> Markup {
    let Some((low, high)) = range(compared) else {
        return html! {};
    };
    let turns = compared.values.iter().map(|one| one.turn + 1).max();
    let turns = real(turns.unwrap_or(1));
    let x = Axis::around(1.0, turns, LEFT, WIDTH - RIGHT);
    let y = Axis::around(low, high, HEIGHT - BOTTOM, TOP);
    let label = format!("{} of all sides, in turns", compared.measure);
    let numbers = ticks(1.0, turns, 6.0);
    frame(
        &label,
        "iteration",
        &html! {
            (value_axis(&y, scale))
            @for tick in numbers.into_iter().filter(|tick| tick.fract() == 0.0) {
                text.tick x=(coordinate(x.at(tick))) y=(coordinate(HEIGHT - BOTTOM + 13.0))
                    text-anchor="middle" { (tick) }
            }
            @for one in thinned(&compared.values) {
                @if one.is_suspect { (halo(x.at(real(one.turn + 1)), y.at(one.value))) }
                (mark(one.side, x.at(real(one.turn + 1)), y.at(one.value), HALF, &html! {
                    title {
                        "side " (one.side + 1) ", iteration " (one.turn + 1) ": "
                        (scale.text(one.value))
                        @if one.is_suspect { ", suspect" }
                    }
                }))
            }
        },
    )
}

/// Each side in a row: all that it measured, its middle half, and its median.
pub(super) fn rows(compared: &Compared, scale: &Scale) -> Markup {
    let Some((least, most)) = range(compared) else {
        return html! {};
    };
    let sides = compared.sides();
    let bottom = TOP + ROW * real(sides.len());
    let x = Axis::around(least, most, LEFT, WIDTH - RIGHT);
    let label = format!("{} of each side", compared.measure);
    frame_of(
        bottom + BOTTOM,
        &label,
        &unit_label(&compared.measure, scale),
        &html! {
            @for tick in ticks(x.low, x.high, 4.0) {
                @let at = coordinate(x.at(tick));
                line.grid x1=(at) x2=(at) y1=(TOP) y2=(bottom) {}
                text.tick x=(at) y=(coordinate(bottom + 13.0)) text-anchor="middle" {
                    (scale.number(tick))
                }
            }
            @for (row, (side, values)) in sides.iter().enumerate() {
                @if let Some(quarters) = Quarters::of(values) {
                    @let middle = TOP + ROW * (real(row) + 0.5);
                    @let [low, first, median, third, high] =
                        quarters.places().map(|value| x.at(value));
                    g class=(class(*side)) {
                        title {
                            "side " (side + 1) ": median " (scale.text(quarters.median)) ", from "
                            (scale.text(quarters.least)) " to " (scale.text(quarters.most))
                        }
                        text.tick x=(LEFT - 6.0) y=(coordinate(middle + 3.5)) text-anchor="end" {
                            "side " (side + 1)
                        }
                        line.whole x1=(coordinate(low)) x2=(coordinate(high))
                            y1=(coordinate(middle)) y2=(coordinate(middle)) {}
                        rect.half x=(coordinate(first)) y=(coordinate(middle - ROW / 4.0))
                            width=(coordinate((third - first).max(1.0)))
                            height=(coordinate(ROW / 2.0)) {}
                        line.middle x1=(coordinate(median)) x2=(coordinate(median))
                            y1=(coordinate(middle - ROW / 3.0)) y2=(coordinate(middle + ROW / 3.0)) {}
                    }
                }
            }
        },
    )
}

/// Where the quarters of values begin.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Quarters {
    least: f64,
    first: f64,
    median: f64,
    third: f64,
    most: f64,
}

impl Quarters {
    fn of(values: &[f64]) -> Option<Self> {
        let sorted = bencher_statistics::Sorted::new(values.to_vec())?;
        Some(Self {
            least: sorted.quantile(0.0),
            first: sorted.quantile(0.25),
            median: sorted.median(),
            third: sorted.quantile(0.75),
            most: sorted.quantile(1.0),
        })
    }

    /// All of them, from the least to the greatest.
    fn places(&self) -> [f64; 5] {
        [self.least, self.first, self.median, self.third, self.most]
    }
}

/// As many values as can be told apart: of each stretch and side the least and the greatest.
fn thinned(values: &[Measured]) -> Vec<Measured> {
    if values.len() <= MAX_DOTS {
        return values.to_vec();
    }
    let mut kept = Vec::new();
    for chunk in values.chunks(values.len().div_ceil(MAX_DOTS / (3 * KINDS))) {
        let sides: std::collections::BTreeSet<_> = chunk.iter().map(|one| one.side).collect();
        for side in sides {
            let own = || chunk.iter().filter(|one| one.side == side);
            let by_value = |one: &&Measured, other: &&Measured| one.value.total_cmp(&other.value);
            kept.extend(own().min_by(by_value));
            kept.extend(own().max_by(by_value));
            kept.extend(own().find(|one| one.is_suspect));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn compared(values: Vec<Measured>) -> Compared {
        Compared {
            own: None,
            benchmark: "b".to_owned(),
            measure: "latency".to_owned(),
            values,
            answers: BTreeMap::new(),
        }
    }

    #[test]
    fn every_side_has_its_marks_and_its_row() {
        let values = (0..20).map(|turn| Measured {
            side: turn % 5,
            job: turn,
            iteration: 0,
            turn,
            value: real(turn),
            is_suspect: turn == 3,
        });
        let compared = compared(values.collect());
        let scale = Scale::of("latency", 20.0);
        let dots = turns(&compared, &scale).into_string();
        assert_eq!(dots.matches("<title>").count(), 20);
        assert_eq!(
            dots.matches("<circle class=\"side").count(),
            8,
            "the fifth is like the first"
        );
        assert!(dots.contains("side 5, iteration 20"), "{dots}");
        assert_eq!(dots.matches("class=\"suspect\"").count(), 1);
        assert!(dots.contains("iteration 4: 3 ns, suspect<"), "{dots}");
        let rows = rows(&compared, &scale).into_string();
        assert_eq!(rows.matches("class=\"half\"").count(), 5);
        assert!(!rows.contains("NaN") && !dots.contains("NaN"));
    }

    #[test]
    fn the_outermost_of_many_stay() {
        let mut values: Vec<_> = (0..5000)
            .map(|turn| Measured {
                side: turn % 2,
                job: turn,
                iteration: 0,
                turn,
                value: 1.0,
                is_suspect: turn == 3,
            })
            .collect();
        values[1234].value = 9.0;
        values[4321].value = 0.1;
        let kept = thinned(&values);
        assert!(kept.len() <= MAX_DOTS, "{}", kept.len());
        assert!(kept.contains(&values[1234]) && kept.contains(&values[4321]));
    }
}
