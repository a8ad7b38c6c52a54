//! How long an interval takes: 100,000 samples, drawn 1,000 times, in one thread.

use std::fs;
use std::hint::black_box;

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
                let begun = cpu_seconds();
                black_box(estimate(black_box(&samples), &settings).expect("they scatter"));
                cpu_seconds() - begun
            });
            if let Some(times) = Times::new(times.collect()) {
                contestants.push((format!("{invocations} × {iterations}: {name}"), times));
            }
        }
    }
    format!(
        "### CPU time of 100,000 samples drawn 1,000 times, of {rounds} rounds\n\n{}",
        statistics::table("s", 3, &contestants)
    )
}

/// The time that this thread spent on a CPU: what else the host does is not in it.
fn cpu_seconds() -> f64 {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = statistics
        .split(' ')
        .next()
        .and_then(|first| first.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}
