//! Series for people.

use super::make::FEWEST;
use super::{Change, History, Series};
use crate::date::date;
use crate::quantity::{Scale, change, probability};
use crate::text::{one_line, shell_line, sparkline, table};

impl History {
    /// Each series as a table, with a mark at each change, and bars if there are to be some.
    pub fn for_people(&self, bars: bool) -> String {
        let mut text = String::new();
        for series in &self.series {
            text += &format!("{}{}\n\n", self.metric, self.of_what(series));
            text += &self.table(series);
            if bars {
                let means: Vec<f64> = series.results.iter().map(|entry| entry.mean).collect();
                let least = means.iter().copied().fold(f64::INFINITY, f64::min);
                let greatest = means.iter().copied().fold(0.0, f64::max);
                text += &format!("\n{}\n", sparkline(&means, 60, (least, greatest)));
            }
            text += &format!("\n{}\n\n", self.outcome(series));
        }
        if self.forced {
            text += "! the results are of different machines or clocks: a change may be the machine's\n";
        } else {
            text.pop();
        }
        text
    }

    /// What ran, where there are several series.
    fn of_what(&self, series: &Series) -> String {
        if self.series.len() == 1 {
            return String::new();
        }
        let command = one_line(&shell_line(&series.command));
        match &series.image {
            Some(image) => format!(" of {}: {command}", one_line(image)),
            None => format!(" of {command}"),
        }
    }

    fn table(&self, series: &Series) -> String {
        let largest = series.results.iter().map(|entry| entry.mean);
        let scale = Scale::of(&self.unit, largest.fold(0.0, f64::max));
        let mut index = 0;
        let rows = series.results.iter().map(|entry| {
            let changed = series.changes.iter().find(|change| change.index == index);
            index += 1;
            [
                date(entry.started_at),
                one_line(&entry.label),
                scale.show(entry.mean),
                entry.iterations.to_string(),
                changed.map_or_else(String::new, |one| in_words(one, scale)),
            ]
        });
        let titles = ["DATE", "RESULT", "MEAN", "ITERATIONS", "CHANGE"];
        table(titles, &["MEAN", "ITERATIONS"], rows)
    }

    fn outcome(&self, series: &Series) -> String {
        let count = series.results.len();
        match series.changes.len() {
            _ if count < FEWEST => format!(
                "{count} {}: too few for a change, which takes {FEWEST}",
                if count == 1 { "result" } else { "results" }
            ),
            0 => format!(
                "no change found in {count} results (p at most {})",
                self.p_value
            ),
            1 => format!("1 change in {count} results"),
            changes => format!("{changes} changes in {count} results"),
        }
    }
}

fn in_words(one: &Change, scale: Scale<'_>) -> String {
    let p_value = probability(one.p_value);
    match one.ratio {
        Some(ratio) => format!("{} % since here, p {p_value}", change(ratio, 2)),
        None => format!(
            "from 0 to {} since here, p {p_value}",
            scale.show(one.after)
        ),
    }
}
