//! What speaks against the answers of a comparison, in words.

use super::{Arrangement, Design, Method, MetricComparison, Side, TimeDependence};

/// What `failed` iterations of either side, the design and the metrics say against the answers.
pub(super) fn warnings(
    sides: &[Side; 2],
    failed: [u32; 2],
    design: &Design,
    forced: bool,
    metrics: &[MetricComparison],
) -> Vec<String> {
    let mut warnings = Vec::new();
    if forced {
        warnings.push(
            "the sides are of different machines or clocks: their ratio is that of the machines as well"
                .to_owned(),
        );
    }
    if design.arrangement == Arrangement::Independent {
        warnings.push(
            "the sides were not measured in turns: what the host did meanwhile is in the ratio as well"
                .to_owned(),
        );
    }
    let of_baseline = of_side(&sides[0], failed[0]);
    let of_candidate = of_side(&sides[1], failed[1]);
    for text in &of_baseline {
        let whose = if of_candidate.contains(text) {
            "A and B"
        } else {
            "A"
        };
        warnings.push(format!("{whose}: {text}"));
    }
    for text in of_candidate {
        if !of_baseline.contains(&text) {
            warnings.push(format!("B: {text}"));
        }
    }
    for metric in metrics {
        warnings.extend(of_time(metric, design.arrangement));
    }
    warnings
}

fn of_side(side: &Side, failed: u32) -> Vec<String> {
    let mut warnings = side.trust.reasons.clone();
    if side.trust.suspect_iterations > 0 {
        warnings.push(format!(
            "suspect iterations: {} (the host was not quiet)",
            side.trust.suspect_iterations
        ));
    }
    let left_out = side.left_out;
    if left_out > 0 {
        const PARTNERS: &str = "those that they are compared with failed or are missing";
        let why = match failed {
            0 => PARTNERS.to_owned(),
            all if all >= left_out => "they failed".to_owned(),
            some => format!("{some} failed; of the others, {PARTNERS}"),
        };
        warnings.push(format!("iterations left out: {left_out} ({why})"));
    }
    if let Some(missing) = side.missing {
        warnings.push(format!(
            "the last {missing} iterations are not in its result, which had to be short"
        ));
    }
    warnings
}

/// What an interval does not hold because the values depend on the time at which they were measured. In
/// turns both sides share that, so there only what is left in the ratios of the pairs counts.
fn of_time(metric: &MetricComparison, arrangement: Arrangement) -> Vec<String> {
    if metric
        .answer
        .is_none_or(|answer| answer.method == Method::Exact)
    {
        return Vec::new();
    }
    let name = &metric.name;
    match arrangement {
        Arrangement::Interleaved => {
            let words = |time: TimeDependence| {
                if time.has_trend() {
                    Some(format!(
                        "{name}: the ratio of the pairs {} from the first to the last (rank correlation \
                         {:+.2}), so one number does not say it: --warmup leaves the first out",
                        time.direction(),
                        time.trend
                    ))
                } else {
                    time.neighbours_resemble().then(|| {
                        format!(
                            "{name}: neighbouring pairs resemble each other (correlation {:.2}), so the \
                             interval is narrower than it should be: measure more of them",
                            time.neighbours
                        )
                    })
                }
            };
            metric.pairs.and_then(words).into_iter().collect()
        }
        Arrangement::Independent => {
            let sides = [("A", &metric.baseline), ("B", &metric.candidate)];
            let of_side = |(letter, time): (&str, TimeDependence)| {
                if time.has_trend() {
                    Some(format!(
                        "{name}: {letter} {} from iteration to iteration (rank correlation {:+.2}), which is \
                         in the ratio: let the sides take turns",
                        time.direction(),
                        time.trend
                    ))
                } else {
                    time.neighbours_resemble().then(|| {
                        format!(
                            "{name}: neighbouring iterations of {letter} resemble each other (correlation \
                             {:.2}), so the interval is narrower than it should be: let the sides take turns",
                            time.neighbours
                        )
                    })
                }
            };
            sides
                .into_iter()
                .filter_map(|(letter, side)| of_side((letter, side.time?)))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests;
