//! A lab that is booted when it is needed, and again when it got stuck.

use anyhow::Context as _;

use super::emulator::Emulator;
use super::input::Input;
use super::machine::{Finished, Interruption, Machine, Output};
use super::plan::Plan;
use super::protocol::Job;
use crate::console;

/// How often one command is tried.
const TRIES: u32 = 3;

/// Everything that a boot takes, and the running lab.
#[derive(Debug)]
pub(crate) struct Session {
    // Before the input, whose disk it uses.
    machine: Option<Machine>,
    emulator: Emulator,
    plan: Plan,
    _input: Input,
    reboots: u32,
}

impl Session {
    /// A session in which nothing has been booted.
    pub(crate) fn new(emulator: Emulator, plan: Plan, input: Input) -> Self {
        Self {
            machine: None,
            emulator,
            plan,
            _input: input,
            reboots: 0,
        }
    }

    /// Runs a command in the running lab, or in a new one where there is none. When the lab gets
    /// stuck it is booted again and the command repeated.
    ///
    /// # Errors
    ///
    /// When the lab ends, or gets stuck each time.
    pub(crate) fn run(&mut self, job: &Job, output: Output) -> anyhow::Result<Finished> {
        for attempt in 1.. {
            let error = match self.attempt(job, output) {
                Ok(finished) => return Ok(finished),
                Err(error) => error,
            };
            // Nothing of a stuck lab can be trusted; and an ended one is none.
            self.machine = None;
            // What was typed is gone, so a command that reads can not be repeated.
            if attempt == TRIES || job.input || !error.is_worth_another_try() {
                return Err(error).context("the command could not be run in the lab");
            }
            self.reboots += 1;
            console::warning(&format!(
                "{error}; booting it again and repeating the command (try {} of {TRIES})",
                attempt + 1
            ));
        }
        unreachable!("the last attempt returns")
    }

    fn attempt(&mut self, job: &Job, output: Output) -> Result<Finished, Interruption> {
        if self.machine.is_none() {
            let machine = Machine::boot(&self.emulator, &self.plan)?;
            console::note(&format!(
                "the lab is up after {:.1} s",
                machine.age().as_secs_f64()
            ));
            self.machine = Some(machine);
        }
        match &mut self.machine {
            Some(machine) => machine.run(job, output),
            None => Err(anyhow::anyhow!("there is no lab").into()),
        }
    }

    /// How often the lab had to be booted again.
    pub(crate) fn reboots(&self) -> u32 {
        self.reboots
    }
}
