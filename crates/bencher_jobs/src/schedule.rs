//! Who gets which job.
//!
//! A runner whose machine a comparison is bound to gets the comparison's next job before all
//! others. All other jobs go by priority; among those of one priority, the project that has the
//! fewest jobs at work comes first, and of those with as many the one whose last turn is longest ago,
//! so that a project with many jobs does not hold up the others, even where there is but
//! one machine; then the oldest. No project has more jobs at work than its quota. Of several runners
//! that could take a job, the one that can take the fewest other jobs gets it, and of those the one
//! that has waited longest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::{JobId, ProjectId, RunnerId, SpecId, Timestamp};

/// A runner that waits for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// Who.
    pub runner: RunnerId,
    /// What it can run.
    pub specs: Vec<SpecId>,
    /// Since when it waits.
    pub since: Timestamp,
}

/// A job that could be claimed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub job: JobId,
    /// Whose.
    pub project: ProjectId,
    /// What it must run on.
    pub spec: SpecId,
    /// The higher, the sooner.
    pub priority: u8,
    /// The machine that its comparison is bound to.
    pub bound_to: Option<RunnerId>,
}

/// A project's part of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its jobs at work.
    pub active: u32,
    /// The most that may be at work.
    pub limit: u32,
    /// When it last got a machine, or was made.
    pub served: Timestamp,
}

impl Share {
    /// How many more of its jobs may be at work.
    pub const fn room(self) -> u32 {
        self.limit.saturating_sub(self.active)
    }

    const fn has_room(self) -> bool {
        self.room() > 0
    }
}

/// A job and who is to run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// Who.
    pub runner: RunnerId,
    /// Which job.
    pub job: JobId,
    /// Whose it is.
    pub project: ProjectId,
}

/// The ways in which jobs differ other than by age.
type Kind = (Reverse<u8>, ProjectId, SpecId);

/// Where jobs of one priority, project and spec come among others, the oldest of them first: what comes
/// first is the least. By priority, then by the project's turn.
pub type Order = (Reverse<u8>, u32, Timestamp, ProjectId);

/// Where jobs that are bound to no machine come, when their project has this share.
pub const fn order(priority: u8, project: ProjectId, share: Share) -> Order {
    (Reverse(priority), share.active, share.served, project)
}

/// Gives `candidates` to the `idle` runners, each at most once. A project without a share gets
/// nothing. Jobs are as old as their identifiers say.
///
/// Of what is bound to a machine the candidates need to be the oldest of each project and spec, and
/// not only the oldest of all: that one may have no room, or be on a spec that the machine can not run
/// any more, and is then passed over.
///
/// `now` is when those who get something have been served.
pub fn assign(
    idle: &[Idle],
    candidates: &[Candidate],
    shares: &BTreeMap<ProjectId, Share>,
    now: Timestamp,
) -> Vec<Assignment> {
    let mut idle: Vec<&Idle> = idle.iter().collect();
    idle.sort_by_key(|idle| (idle.specs.len(), idle.since, idle.runner));
    let mut shares = shares.clone();
    let mut assignments = bound(&mut idle, candidates, &mut shares, now);

    // One queue for each way in which jobs differ other than by age.
    let mut queues: BTreeMap<Kind, Vec<JobId>> = BTreeMap::new();
    for candidate in candidates.iter().filter(|one| one.bound_to.is_none()) {
        let kind = (
            Reverse(candidate.priority),
            candidate.project,
            candidate.spec,
        );
        queues.entry(kind).or_default().push(candidate.job);
    }
    for jobs in queues.values_mut() {
        jobs.sort_by_key(|&job| Reverse(job));
        jobs.dedup();
    }
    while let Some((kind, place)) = next(&idle, &queues, &shares) {
        let (_, project, _) = kind;
        let Some(job) = queues.get_mut(&kind).and_then(Vec::pop) else {
            break;
        };
        assignments.push(Assignment {
            runner: idle.remove(place).runner,
            job,
            project,
        });
        take(&mut shares, project, now);
    }
    assignments
}

/// The kind of job that comes next, and who among `idle` takes it.
fn next(
    idle: &[&Idle],
    queues: &BTreeMap<Kind, Vec<JobId>>,
    shares: &BTreeMap<ProjectId, Share>,
) -> Option<(Kind, usize)> {
    let mut takers: HashMap<SpecId, Option<usize>> = HashMap::new();
    queues
        .iter()
        .filter_map(|(&kind, jobs)| {
            let (priority, project, spec) = kind;
            let oldest = jobs.last()?;
            let share = shares.get(&project).filter(|share| share.has_room())?;
            let taker = *takers
                .entry(spec)
                .or_insert_with(|| idle.iter().position(|one| one.specs.contains(&spec)));
            let order = (order(priority.0, project, *share), *oldest);
            Some((order, kind, taker?))
        })
        .min_by_key(|&(order, ..)| order)
        .map(|(_, kind, taker)| (kind, taker))
}

/// Gives runners the next job of the comparisons that are bound to them.
fn bound(
    idle: &mut Vec<&Idle>,
    candidates: &[Candidate],
    shares: &mut BTreeMap<ProjectId, Share>,
    now: Timestamp,
) -> Vec<Assignment> {
    let mut bound: Vec<&Candidate> = candidates
        .iter()
        .filter(|one| one.bound_to.is_some())
        .collect();
    // Identifiers are in the order of submission, and so are those of one comparison.
    bound.sort_by_key(|one| one.job);
    let mut assignments = Vec::new();
    for candidate in bound {
        let is_taker = |one: &&Idle| {
            candidate.bound_to == Some(one.runner) && one.specs.contains(&candidate.spec)
        };
        let has_room = shares
            .get(&candidate.project)
            .is_some_and(|share| share.has_room());
        let Some(place) = idle.iter().position(is_taker).filter(|_| has_room) else {
            continue;
        };
        assignments.push(Assignment {
            runner: idle.remove(place).runner,
            job: candidate.job,
            project: candidate.project,
        });
        take(shares, candidate.project, now);
    }
    assignments
}

fn take(shares: &mut BTreeMap<ProjectId, Share>, project: ProjectId, now: Timestamp) {
    if let Some(share) = shares.get_mut(&project) {
        share.active += 1;
        share.served = share.served.max(now);
    }
}

#[cfg(test)]
mod tests;
