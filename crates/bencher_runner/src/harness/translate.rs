//! From an adapter's report to the metrics of a result.

use bencher_adapters::{Metric, Report, THROUGHPUT};

use crate::result::harness::{
    Better, HarnessMetric, MOST_METRICS, MOST_VALUES, MOST_VALUES_IN_ALL, printable,
};

/// The metrics of a report; one more than are kept at most, where there are more.
pub(super) fn metrics(report: &Report) -> Vec<HarnessMetric> {
    let all = || {
        let benchmarks = report.benchmarks().iter();
        benchmarks.flat_map(|(benchmark, measures)| {
            let measures = measures.iter();
            measures.map(move |(measure, metric)| (benchmark, measure, metric))
        })
    };
    let count = all().count().max(1);
    let most = (MOST_VALUES_IN_ALL / count).clamp(1, MOST_VALUES);
    all()
        .take(MOST_METRICS + 1)
        .map(|(benchmark, measure, metric)| translate(benchmark, measure, metric, most))
        .collect()
}

fn translate(benchmark: &str, measure: &str, metric: &Metric, most: usize) -> HarnessMetric {
    let bounds = metric.bounds;
    HarnessMetric {
        benchmark: printable(benchmark),
        measure: printable(measure),
        unit: printable(&metric.unit),
        better: better(measure, &metric.unit),
        values: at_most(&metric.values, most),
        samples: u32::try_from(metric.values.len()).unwrap_or(u32::MAX),
        low: bounds.map(|bounds| bounds.low),
        high: bounds.map(|bounds| bounds.high),
    }
}

/// What is done in a time is to be much, everything else little.
fn better(measure: &str, unit: &str) -> Better {
    let is_rate = measure == THROUGHPUT || measure.ends_with("_per_second") || unit.ends_with("/s");
    if is_rate {
        Better::Higher
    } else {
        Better::Lower
    }
}

/// `values`, or means of consecutive ones so that there are at most so many. They are of as many
/// values each as can be, or of one more.
fn at_most(values: &[f64], most: usize) -> Vec<f64> {
    if values.len() <= most {
        return values.to_vec();
    }
    (0..most)
        .map(|part| {
            let part = &values[part * values.len() / most..(part + 1) * values.len() / most];
            #[expect(clippy::cast_precision_loss, reason = "an output has not that many")]
            let count = part.len() as f64;
            part.iter().sum::<f64>() / count
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use bencher_adapters::Adapter;

    use super::*;

    fn of_lines(text: &str) -> Vec<HarnessMetric> {
        metrics(&Adapter::Lines.parse(text.as_bytes(), None).unwrap())
    }

    #[test]
    fn rates_are_to_be_high_and_everything_else_low() {
        for (measure, unit, expected) in [
            ("latency", "ns", Better::Lower),
            ("throughput", "operations/s", Better::Higher),
            ("throughput", "", Better::Higher),
            ("bytes_per_second", "", Better::Higher),
            ("MB/s", "MB/s", Better::Higher),
            // As JMH has it: what is allocated is to be little.
            ("gc.alloc.rate", "MB/sec", Better::Lower),
            ("allocs/op", "allocs/op", Better::Lower),
            ("L1 Hits", "", Better::Lower),
        ] {
            assert_eq!(better(measure, unit), expected, "{measure} {unit}");
        }
    }

    #[test]
    fn many_samples_become_means_of_consecutive_ones() {
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        assert_eq!(at_most(&values, 10), values);
        assert_eq!(at_most(&values, 5), [0.5, 2.5, 4.5, 6.5, 8.5]);
        assert_eq!(at_most(&values, 3), [1.0, 4.0, 7.5]);
        assert_eq!(at_most(&values, 1), [4.5]);
        let lines = (1..=3000).map(|value| format!("sort {value} ns\n"));
        let lines = lines.collect::<Vec<_>>().concat();
        let found = of_lines(&lines);
        assert_eq!((found[0].values.len(), found[0].samples), (1000, 3000));
        assert!((found[0].mean() - 1500.5).abs() < 1e-6);
    }

    #[test]
    fn the_more_metrics_the_fewer_values_of_each() {
        let lines = (0..2000).map(|name| format!("b{name} 1 ns\n").repeat(60));
        let lines = lines.collect::<Vec<_>>().concat();
        let found = of_lines(&lines);
        assert_eq!((found.len(), found[0].values.len()), (2000, 50));
    }

    #[test]
    fn names_do_not_steer_a_terminal() {
        let found = of_lines("so\u{1b}[2Jrt\u{202e} 1 ns\n");
        assert_eq!(found[0].name(), r"so\u{1b}[2Jrt\u{202e}/latency");
    }
}
