//! What the log of a runner that is killed again and again tells of jobs.
//!
//! ```text
//! runner: the job 01a2… is claimed        nothing of it is on disk yet
//! runner: pulling 127.0.0.1:…             it has begun: that it did is on disk
//! runner: the job 01a2… is completed
//! killed                                  the mark of the scenario
//! runner: connected to http://…           the next runner
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

/// Before all that a runner says.
const SAID: &str = "runner: ";
/// Where a runner was killed.
const KILLED: &str = "\nkilled\n";

/// Marks in the `log` of a runner that has just been killed that it was.
pub(super) fn mark_kill(log: &Path) -> anyhow::Result<()> {
    let file = File::options().append(true).open(log);
    file.and_then(|mut file| file.write_all(KILLED.as_bytes()))
        .with_context(|| format!("failed to mark a kill in {}", log.display()))
}

/// What runners did with jobs, by identifier.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told<'a> {
    /// How often each has begun. A claim of which nothing came before the kill is none.
    begun: BTreeMap<&'a str, usize>,
    /// Those that a runner had claimed last when it was killed, and none has claimed since: all that kills may have
    /// cost.
    lost: BTreeSet<&'a str>,
}

impl<'a> Told<'a> {
    /// Reads the whole `log`. A line of which the end is missing, as its runner was killed, counts.
    pub(super) fn of(log: &'a str) -> Self {
        let mut told = Self {
            begun: BTreeMap::new(),
            lost: BTreeSet::new(),
        };
        let mut lives = log.split(KILLED).peekable();
        while let Some(life) = lives.next() {
            let last = told.live(life);
            if lives.peek().is_some() {
                told.lost.extend(last);
            }
        }
        told
    }

    /// Counts what begins in the `life` of one runner, and returns what it has claimed last.
    fn live(&mut self, life: &'a str) -> Option<&'a str> {
        let (mut last, mut waits) = (None, false);
        for said in life.split(SAID) {
            let job = said.strip_prefix("the job ");
            if let Some((job, _)) = job.and_then(|it| it.split_once(" is claimed")) {
                (last, waits) = (Some(job), true);
                self.lost.remove(job);
            } else if let Some(job) = last.filter(|_| waits && said.starts_with("pulling ")) {
                *self.begun.entry(job).or_default() += 1;
                waits = false;
            }
        }
        last
    }

    /// How often `job` has begun.
    pub(super) fn begun(&self, job: &str) -> usize {
        self.begun.get(job).copied().unwrap_or_default()
    }

    /// Whether a job that ended in this state may have, as far as kills go: one that did not fail has begun
    /// once, and one that failed was lost with its runner, and did not begin again.
    pub(super) fn allows(&self, job: &str, has_failed: bool) -> bool {
        match self.begun(job) {
            0 => has_failed && self.lost.contains(job),
            1 => !has_failed || self.lost.contains(job),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One job as it should be; one that is killed; one that is claimed, given again to the next runner,
    /// and then completed.
    const LOG: &str = "runner: connected to http://127.0.0.1:1 as here, waiting for jobs\n\
        runner: the job a is claimed\nrunner: warning: no sandbox\nrunner: pulling 127.0.0.1:2/x\n\
        runner: pulled sha256:1\nrunner: the job a is completed\n\
        runner: the job b is claimed\nrunner: pulling 127.0.0.1:2/x\
        \nkilled\n\
        runner: connected to http://127.0.0.1:1 as here\nrunner: the job c is claimed\
        \nkilled\n\
        runner: the job c is claimed\nrunner: pulling 127.0.0.1:2/x\nrunner: pulling 127.0.0.1:2/x\n\
        runner: the job c is completed\nrunner: the job d is claimed\nrunner: pulling 127.0.0.1:2/x\n";

    #[test]
    fn a_job_has_begun_once_its_image_is_asked_for() {
        let told = Told::of(LOG);
        let begun = ["a", "b", "c", "d", "e"].map(|job| told.begun(job));
        assert_eq!(begun, [1, 1, 1, 1, 0]);
        let claimed_alone = Told::of("runner: the job a is claimed\nrunner: the job b is claimed");
        assert_eq!(claimed_alone.begun("a"), 0);
    }

    #[test]
    fn a_line_that_a_kill_cut_is_read() {
        let log =
            "runner: the job a is claimed\nkilled\nrunner: the job b is claimedrunner: pulling x";
        let told = Told::of(log);
        assert_eq!((told.begun("a"), told.begun("b")), (0, 1));
        let half = Told::of("runner: the job a is claimed\nrunner: pul\nkilled\n");
        assert_eq!(half.begun("a"), 0);
    }

    #[test]
    fn a_job_begins_once_and_fails_with_its_runner_alone() {
        let told = Told::of(LOG);
        let allowed =
            |has_failed| ["a", "b", "c", "d", "e"].map(|job| told.allows(job, has_failed));
        assert_eq!(allowed(false), [true, true, true, true, false]);
        assert_eq!(allowed(true), [false, true, false, false, false]);
        // The last claim of a runner that was killed, and never begun.
        let never = Told::of("runner: the job a is claimed\nkilled\n");
        assert!(never.allows("a", true) && !never.allows("a", false));
    }

    #[test]
    fn a_job_that_begins_twice_is_seen() {
        let again = format!("{LOG}\nkilled\nrunner: the job b is claimed\nrunner: pulling x\n");
        let told = Told::of(&again);
        assert_eq!(told.begun("b"), 2);
        assert!(!told.allows("b", true) && !told.allows("b", false));
        // By the same runner as well.
        let log = "runner: the job a is claimed\nrunner: pulling x\n".repeat(2);
        assert!(!Told::of(&log).allows("a", false));
    }
}
