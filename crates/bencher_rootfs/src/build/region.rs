//! Contents of a layer go to its region, and to what is left over when that is used up.

use std::collections::VecDeque;
use std::ops::Range;

use crate::content::{Placement, Run};
use crate::error::{ReadError, RootfsError};
use crate::space::{NoSpace, Pool, Ranges};

/// The part of the [`Pool`] that one layer has.
#[derive(Debug)]
pub(super) struct RegionPlacement<'a> {
    pool: &'a Pool,
    layer: usize,
    /// Not given out yet.
    ahead: VecDeque<Range<u64>>,
    given: Ranges,
}

impl<'a> RegionPlacement<'a> {
    pub(super) fn new(pool: &'a Pool, layer: usize) -> Self {
        Self {
            pool,
            layer,
            ahead: pool.region(layer).into(),
            given: Vec::new(),
        }
    }

    /// Gives what was not used back to the pool, `rest` being what is left of the last run. Tells
    /// what was used.
    pub(super) fn finish(self, rest: Run) -> Ranges {
        let rest = rest.position..rest.position + rest.length;
        let used = self
            .given
            .iter()
            .map(|given| {
                let is_last = rest.start >= given.start && rest.end == given.end;
                let end = if is_last { rest.start } else { given.end };
                given.start..end
            })
            .filter(|used| !used.is_empty())
            .collect::<Ranges>();
        let mut unused: Ranges = self.ahead.into();
        if !rest.is_empty() {
            unused.insert(0, rest);
        }
        self.pool.finish(self.layer, unused);
        used
    }
}

impl Placement for RegionPlacement<'_> {
    fn next_run(&mut self, _done: u64) -> Result<Run, ReadError> {
        if self.ahead.is_empty() {
            self.ahead = match self.pool.more(self.layer) {
                Ok(more) => more.into(),
                Err(NoSpace::Full) => return Err(ReadError::Full),
                // Whoever stopped has the reason.
                Err(NoSpace::Stopped) => return Err(RootfsError::Cancelled.into()),
            };
        }
        let run = self.ahead.pop_front().ok_or(ReadError::Full)?;
        self.given.push(run.clone());
        Ok(Run {
            position: run.start,
            length: run.end - run.start,
            is_stored: true,
        })
    }
}
