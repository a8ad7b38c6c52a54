//! How long an interval takes: 100,000 samples, drawn 1,000 times, on one CPU.

use std::hint::black_box;
use std::time::Instant;

use bencher_statistics::simulation::Shape;
use bencher_statistics::{Center, Levels, Random, Samples, Settings, estimate};

use crate::bench::statistics::{self, Samples as Times};

/// Invocations and the iterations of each.
const SIZES: [(usize, usize); 3] = [(100_000, 1), (100, 1000), (1, 100_000)];

pub(super) fn table(rounds: u32) -> String {
    let mut contestants = Vec::new();
    for (invocations, iterations) in SIZES {
        let host = Shape::LogNormal.host(&mut Random::new(6), invocations, iterations);
        let samples = Samples::new(host).expect("finite");
        for (name, center, levels) in [
            ("mean, invocations", Center::Mean, Levels::Invocations),
            ("mean, both levels", Center::Mean, Levels::Both),
            ("median, invocations", Center::Median, Levels::Invocations),
            ("median, both levels", Center::Median, Levels::Both),
        ] {
            let settings = Settings {
                center,
                levels,
                rounds: 1000,
                ..Settings::default()
            };
            let times = (0..rounds).map(|_| {
                let begun = Instant::now();
                black_box(estimate(black_box(&samples), &settings).expect("they scatter"));
                begun.elapsed().as_secs_f64()
            });
            if let Some(times) = Times::new(times.collect()) {
                contestants.push((format!("{invocations} × {iterations}: {name}"), times));
            }
        }
    }
    format!(
        "### 100,000 samples, drawn 1,000 times, on one CPU: {rounds} rounds\n\n{}",
        statistics::table("s", 3, &contestants)
    )
}
