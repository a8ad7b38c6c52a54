//! From what the jobs of a comparison wrote to two sides that can be compared.

use bencher_channel_protocol::{IterationOutput, RESERVED_OUTPUT};
use bencher_report::comparison::Input;
use bencher_runner::harness::{AdapterChoice, Written, read_written};
use bencher_runner::result::{EndedBy, Iteration, Iterations, ResultDocument};
use bencher_server_api::Job;
use bencher_statistics::Order;

use super::jobs::{runs, side};
use crate::compare::sides::{Source, labels};

/// A job that has ended, and what its iterations wrote.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) job: Job,
    pub(super) results: Vec<IterationOutput>,
    /// How its runner measured them, if it has said it.
    pub(super) evidence: Option<ResultDocument<Iterations>>,
}

impl Ended {
    /// The iterations in the evidence that the results are of, if it has all of them.
    fn measured(&self) -> Option<Vec<&Iteration>> {
        let iterations = &self.evidence.as_ref()?.iterations.0;
        let own: Vec<_> = iterations
            .iter()
            .filter(|one| !one.retried && !one.warmup)
            .collect();
        (own.len() >= self.results.len()).then_some(own)
    }
}

/// Both sides, in pairs, and which side of each pair came first.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) inputs: [Input; 2],
    pub(super) orders: Vec<Order>,
}

impl Sides {
    /// Whether anything was measured on either side.
    pub(super) fn is_measured(&self) -> bool {
        let mut iterations = self
            .inputs
            .iter()
            .flat_map(|input| &input.result.iterations.0);
        iterations.any(|one| {
            let harness = one.harness.as_ref();
            one.resources.is_some() || harness.is_some_and(|all| !all.metrics.is_empty())
        })
    }
}

/// Puts the jobs of the first two sides, which are in their turns, into pairs.
pub(super) fn sides(
    ended: &[Ended],
    architecture: &str,
    adapter: Option<&AdapterChoice>,
) -> Result<Sides, String> {
    let of = |number: u32| -> Vec<(usize, &Ended)> {
        let turns = ended.iter().enumerate();
        turns.filter(|(_, one)| side(&one.job) == number).collect()
    };
    let (first, second) = (of(0), of(1));
    // The runner's own measures are compared where there are those of all.
    let is_known = |side: &[(usize, &Ended)]| side.iter().all(|(_, one)| one.measured().is_some());
    let is_known = !first.is_empty() && !second.is_empty() && is_known(&first) && is_known(&second);
    let mut iterations = [Vec::new(), Vec::new()];
    let mut orders = Vec::new();
    for ((turn, one), (other_turn, other)) in first.iter().zip(&second) {
        let order = if turn < other_turn {
            Order::BaselineFirst
        } else {
            Order::CandidateFirst
        };
        // A job may have several iterations, or fewer than the one that it is a pair with.
        let count = one.results.len().max(other.results.len()).max(1);
        for (side, ended) in iterations.iter_mut().zip([one, other]) {
            let measured = ended.measured().filter(|_| is_known).unwrap_or_default();
            for place in 0..count {
                let index = u32::try_from(side.len() + 1).unwrap_or(u32::MAX);
                let base = Iteration {
                    index,
                    ..measured.get(place).copied().cloned().unwrap_or_default()
                };
                side.push(iteration(base, ended.results.get(place), adapter)?);
            }
        }
        orders.extend(std::iter::repeat_n(order, count));
    }
    let source = |side: &[(usize, &Ended)]| {
        let (image, command) = side
            .first()
            .map(|(_, ended)| runs(&ended.job))
            .unwrap_or_default();
        Source::Image {
            image: image.into(),
            command,
        }
    };
    let names = labels(&[source(&first), source(&second)]);
    let began = |side: &[(usize, &Ended)]| {
        let mut moments = side.iter().filter_map(|(_, ended)| {
            let moment: jiff::Timestamp = ended.job.started.as_ref()?.parse().ok()?;
            u64::try_from(moment.as_second()).ok()
        });
        moments.next().unwrap_or_default()
    };
    let starts = [began(&first), began(&second)];
    let [baseline, candidate] = iterations;
    let [of_baseline, of_candidate] = names;
    let input = |label, start, iterations, side: &[(usize, &Ended)]| {
        let adapter = adapter.map(ToString::to_string);
        let documents = side.iter().filter_map(|(_, one)| one.evidence.clone());
        let mut documents = documents.filter(|_| is_known);
        match documents.next() {
            Some(first) => {
                let others: Vec<_> = documents.collect();
                Input::of_jobs(label, first, &others, iterations, adapter)
            }
            None => Input::of_outputs(label, start, architecture.to_owned(), iterations, adapter),
        }
    };
    Ok(Sides {
        inputs: [
            input(of_baseline, starts[0], baseline, &first),
            input(of_candidate, starts[1], candidate, &second),
        ],
        orders,
    })
}

/// An iteration that is compared, with what its runner has measured; one that there is no output of has
/// failed.
fn iteration(
    measured: Iteration,
    output: Option<&IterationOutput>,
    adapter: Option<&AdapterChoice>,
) -> Result<Iteration, String> {
    let Some(output) = output else {
        return Ok(Iteration {
            ended_by: EndedBy::Failure,
            exit_code: crate::FAILED,
            ..measured
        });
    };
    let index = measured.index;
    let mut iteration = Iteration {
        // What is no exit code of a process is a failure all the same.
        exit_code: u8::try_from(output.exit_code).unwrap_or(crate::FAILED),
        ..measured
    };
    if iteration.exit_code != 0 {
        return Ok(iteration);
    }
    let files = output.output.iter().flatten();
    let files: Vec<_> = files
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let is_measured = |path: &str| path == RESERVED_OUTPUT;
    let mut measured = files.iter().filter(|(path, _)| is_measured(path));
    let written = Written {
        stdout: output.stdout.as_deref().unwrap_or_default(),
        measured: measured.next().map(|(_, text)| *text),
        files: files
            .iter()
            .copied()
            .filter(|(path, _)| !is_measured(path))
            .collect(),
    };
    let harness = read_written(adapter, &written);
    if let Some(error) = &harness.error {
        return Err(format!(
            "there are no metrics in iteration {index}: {error}"
        ));
    }
    iteration.harness = Some(harness);
    Ok(iteration)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ended(side: u32, position: u32, results: Value) -> Ended {
        let job = json!({
            "id": "", "project": "", "spec": "", "state": "processed", "priority": 0, "timeout": 1,
            "config": {"image": format!("r.example/p:{side}")}, "created": "",
            "started": "2026-11-30T11:00:00Z",
            "comparison": {"comparison": "", "side": side, "position": position},
        });
        Ended {
            job: serde_json::from_value(job).expect("a job"),
            results: serde_json::from_value(results).expect("results"),
            evidence: None,
        }
    }

    fn wrote(nanoseconds: u32) -> Value {
        json!({"exit_code": 0, "stdout": format!("sort {nanoseconds} ns\n")})
    }

    #[test]
    fn jobs_are_pairs_in_the_order_of_their_turns() {
        use Order::{BaselineFirst as A, CandidateFirst as B};
        let turns = [
            ended(0, 0, json!([wrote(1)])),
            ended(1, 1, json!([wrote(2)])),
            ended(1, 2, json!([wrote(3), {"exit_code": 7}])),
            ended(0, 3, json!([wrote(4)])),
            ended(0, 4, json!([])),
            ended(1, 5, json!([wrote(5)])),
        ];
        let found = sides(&turns, "x86_64", None).expect("sides");
        assert_eq!(found.orders, [A, B, B, A]);
        let values = found.inputs.map(|input| {
            let iterations = input.result.iterations.0.iter();
            let values =
                iterations.map(|one| one.harness.as_ref().map(|all| all.metrics[0].mean()));
            (input.label.clone(), values.collect::<Vec<_>>())
        });
        let [one, other] = values;
        assert_eq!(one.0, "r.example/p:0");
        assert_eq!(one.1, [Some(1.0), Some(4.0), None, None]);
        assert_eq!(other.0, "r.example/p:1");
        assert_eq!(other.1, [Some(2.0), Some(3.0), None, Some(5.0)]);
    }

    #[test]
    fn what_the_runner_measured_is_compared_and_an_adapter_that_finds_nothing_is_told() {
        let measured = json!({"bench": {"build-time": {"value": 1.5}}}).to_string();
        let result =
            json!([{"exit_code": 0, "stdout": "hello", "output": {RESERVED_OUTPUT: measured}}]);
        let turns = [0, 1].map(|side| ended(side, side, result.clone()));
        let found = sides(&turns, "x86_64", None).expect("sides");
        let harness = found.inputs[0].result.iterations.0[0].harness.as_ref();
        assert!(
            harness
                .expect("there is one")
                .metric("bench/build-time")
                .is_some()
        );
        let adapter = "hyperfine".parse().expect("an adapter");
        let error = sides(&turns, "x86_64", Some(&adapter)).expect_err("there is nothing");
        assert!(
            error.starts_with("there are no metrics in iteration 1: "),
            "{error}"
        );
    }
}
