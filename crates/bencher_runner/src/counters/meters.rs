//! The counters of a run's iterations.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Counting;
use super::event::Subject;
use crate::Reporter;
use crate::machine::{Accelerator, Machine};
use crate::result::PerfCounters;

/// Counts in each iteration, and says once what can not be counted.
#[derive(Debug)]
pub(crate) struct Meters {
    subject: Subject,
    reporter: Arc<dyn Reporter>,
    said: BTreeSet<String>,
}

impl Meters {
    /// For machines whose code is executed by `accelerator`.
    pub(crate) fn new(accelerator: Accelerator, reporter: &Arc<dyn Reporter>) -> Self {
        Self {
            subject: match accelerator {
                Accelerator::Kvm => Subject::Guest,
                Accelerator::Tcg => Subject::Emulator,
                Accelerator::None => Subject::Command,
            },
            reporter: Arc::clone(reporter),
            said: BTreeSet::new(),
        }
    }

    /// Starts to count what `machine` executes. To be called when the guest has said hello, and has
    /// nothing to do yet.
    pub(crate) fn begin(&mut self, machine: &Machine) -> Counting {
        let counting = match machine.executing_threads() {
            Ok(threads) => Counting::begin(self.subject, &threads),
            Err(error) => Counting::impossible(self.subject, &error.to_string()),
        };
        self.say(counting.compromises());
        counting
    }

    /// Ends the count.
    pub(crate) fn end(&mut self, counting: Counting) -> PerfCounters {
        let counters = counting.end();
        self.say(&counters.compromises);
        counters
    }

    fn say(&mut self, lines: &[String]) {
        for line in lines {
            if self.said.insert(line.clone()) {
                self.reporter.info(&format!("performance counters: {line}"));
            }
        }
    }
}
