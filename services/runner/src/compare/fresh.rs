//! What is run to be compared.

use std::sync::Arc;

use bencher_report::comparison::Run;
use bencher_runner::result::{EndedBy, Iterations, Precision, ResultDocument};
use bencher_runner::run::{Approval, Measured, Preview, RunSpec, measure, measure_pairs};
use bencher_runner::{Interrupts, Reporter};
use bencher_statistics::Order;

use crate::{FAILED, work};

/// Why there is no answer, or only part of one.
#[derive(Debug)]
pub(crate) struct Failure {
    /// In words.
    pub(crate) message: String,
    /// The exit code.
    pub(crate) code: u8,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self {
            message,
            code: FAILED,
        }
    }
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Fresh {
    /// The results, in the order of the sides.
    pub(crate) results: Vec<ResultDocument<Iterations>>,
    /// Which side of each pair came first.
    pub(crate) orders: Vec<Order>,
    /// How narrow the ratio's interval is, where that was the goal.
    pub(crate) precision: Option<Precision>,
    /// Why it is less than was asked for, if it is.
    pub(crate) cut: Option<Failure>,
}

/// What is run, and who hears of it.
pub(crate) type Side = (RunSpec, Arc<dyn Reporter>);

/// Runs one side, if it is approved of.
pub(crate) fn one((spec, reporter): Side, approval: Approval<'_>) -> Result<Fresh, Failure> {
    let measured = work::asynchronously(async || {
        let mut interrupts = Interrupts::catch()?;
        Ok(measure(spec, &mut interrupts, reporter, approval).await)
    })?;
    fresh(measured, 1)
}

/// Runs both sides in turns, if they are approved of.
pub(crate) fn pairs(sides: [Side; 2], seed: u64, approval: Approval<'_>) -> Result<Fresh, Failure> {
    let measured = work::asynchronously(async || {
        let mut interrupts = Interrupts::catch()?;
        Ok(measure_pairs(sides, seed, &mut interrupts, approval).await)
    })?;
    fresh(measured, 2)
}

/// What is about to run, as it is compared.
pub(crate) fn planned<'a>(label: &'a str, preview: &'a Preview) -> Run<'a> {
    Run {
        label,
        setup: &preview.setup,
        host: &preview.host,
    }
}

fn fresh(measured: Measured, sides: usize) -> Result<Fresh, Failure> {
    let cut = cut(&measured);
    match cut {
        Some(cut) if measured.results.len() < sides => Err(cut),
        cut => Ok(Fresh {
            results: measured.results,
            orders: measured.orders,
            precision: measured.precision,
            cut,
        }),
    }
}

/// Why there is less than was asked for, if there is.
fn cut(measured: &Measured) -> Option<Failure> {
    let code = measured.outcome.exit_code;
    if let Some(error) = &measured.outcome.error {
        let message = error.to_string();
        return Some(Failure { message, code });
    }
    if code == 0 {
        return None;
    }
    let mut iterations = measured.results.iter().flat_map(|one| &one.iterations.0);
    if iterations.any(|iteration| iteration.ended_by == EndedBy::Interrupt) {
        let message = "interrupted".to_owned();
        return Some(Failure { message, code });
    }
    Some(Failure::from(format!(
        "a command failed with exit code {code}: --allow-failure leaves failed iterations out, \
         --output-dir keeps what they printed"
    )))
}
