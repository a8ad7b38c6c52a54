//! A scenario as a value.

use std::time::Duration;

use super::backend::On;
use super::expect::Checked;
use super::image::Image;
use super::invocation::Invocation;
use super::record::Record;
use super::stage::Stage;
use super::surroundings::Need;
use crate::watchdog::PATIENCE;

/// One thing that the runner promises, tried as a user would.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// The name, as on the command line.
    pub(crate) name: &'static str,
    /// What is promised, in one line.
    pub(crate) about: &'static str,
    /// Where that means something.
    pub(crate) on: On,
    /// The image that is run.
    pub(crate) image: Image,
    /// What not every host or runner has.
    pub(crate) needs: &'static [Need],
    /// How long it may take.
    pub(crate) patience: Duration,
    /// How it is tried.
    pub(crate) act: Act,
    /// Whether what came of it is what was promised. Pure, so that it can be tried itself.
    pub(crate) check: fn(&Record) -> Checked,
}

/// How a scenario is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// One `runner run` that ends by itself.
    Run(fn(&mut Invocation)),
    /// More than that.
    Drive(fn(&mut Stage<'_>) -> anyhow::Result<()>),
}

impl Scenario {
    /// A plain scenario: everywhere, with the shell image.
    pub(crate) const fn new(
        name: &'static str,
        about: &'static str,
        act: fn(&mut Invocation),
        check: fn(&Record) -> Checked,
    ) -> Self {
        Self {
            name,
            about,
            on: On::Everywhere,
            image: Image::Shell,
            needs: &[],
            patience: PATIENCE,
            act: Act::Run(act),
            check,
        }
    }

    /// A scenario that does more than one plain run.
    pub(crate) const fn driven(
        name: &'static str,
        about: &'static str,
        act: fn(&mut Stage<'_>) -> anyhow::Result<()>,
        check: fn(&Record) -> Checked,
    ) -> Self {
        Self {
            name,
            about,
            on: On::Everywhere,
            image: Image::Shell,
            needs: &[],
            patience: PATIENCE,
            act: Act::Drive(act),
            check,
        }
    }

    /// The same on these backends only.
    pub(crate) const fn on(mut self, on: On) -> Self {
        self.on = on;
        self
    }

    /// The same with another image.
    pub(crate) const fn image(mut self, image: Image) -> Self {
        self.image = image;
        self
    }

    /// The same where these needs are met.
    pub(crate) const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// The same for what takes longer than others.
    pub(crate) const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether it changes the host, so that it runs when nothing else does.
    pub(crate) fn is_alone(&self) -> bool {
        let mut needs = self.needs.iter();
        needs.any(|need| matches!(need, Need::TunableHost | Need::Services))
    }

    /// How many CPUs it needs.
    pub(crate) fn cpus(&self) -> usize {
        let needed = self.needs.iter().map(|need| match need {
            Need::Cpus(count) => *count,
            _ => 1,
        });
        needed.max().unwrap_or(1)
    }
}
