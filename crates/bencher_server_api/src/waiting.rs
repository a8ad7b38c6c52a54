//! Why a job waits.

use serde::{Deserialize, Serialize};

/// How a job that waits stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Waiting {
    /// Runners that may run it: those that are linked to its spec and not archived; of a comparison that has
    /// begun only the one that has begun it.
    pub runners: u32,
    /// Those of them that are connected.
    pub connected: u32,
    /// Jobs of the same spec that wait and come first, 1000 at most: those of a higher priority, those of the
    /// same one that were submitted before, and those of comparisons that have begun. Of the same priority a
    /// job of a project with fewer jobs at work may come before them all the same. Of a comparison that has
    /// begun: the jobs before it that are bound to the same runner.
    pub ahead: u32,
    /// Whether its project has as many jobs at work as its quota allows.
    pub project_is_full: bool,
    /// The slug of the runner that has begun its comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<String>,
}

impl Waiting {
    /// The most jobs ahead that are counted.
    pub const MOST_AHEAD: u32 = 1000;

    /// Whether nothing comes of it unless somebody does something.
    pub fn is_stuck(&self) -> bool {
        self.connected == 0
    }

    /// Why it waits, for people: a sentence without its end. `spec` is what its spec is called.
    pub fn reason(&self, spec: &str) -> String {
        match (&self.bound_to, self.runners, self.connected) {
            (Some(runner), 0, _) => format!(
                "the runner `{runner}`, which runs its comparison, is not linked to the spec `{spec}` any \
                 more: link it, or cancel the job"
            ),
            (Some(runner), _, 0) => format!(
                "the runner `{runner}`, which runs its comparison, is not connected: start it, or see in its \
                 log why it asks for no jobs, or cancel the job"
            ),
            (None, 0, _) => {
                format!("no runner is linked to the spec `{spec}`: link one, or cancel the job")
            }
            (None, 1, 0) => format!(
                "the only runner of the spec `{spec}` is not connected: start it, or see in its log why it \
                 asks for no jobs, or cancel the job"
            ),
            (None, runners, 0) => format!(
                "none of the {runners} runners of the spec `{spec}` is connected: start one, or see in their \
                 logs why they ask for no jobs, or cancel the job"
            ),
            _ if self.project_is_full => format!(
                "its project has as many jobs at work as its quota allows, and {}",
                self.queue()
            ),
            _ => self.queue(),
        }
    }

    fn queue(&self) -> String {
        match self.ahead {
            0 => "no job is ahead".to_owned(),
            1 => "1 job is ahead".to_owned(),
            ahead if ahead >= Self::MOST_AHEAD => {
                format!("{} jobs or more are ahead", Self::MOST_AHEAD)
            }
            ahead => format!("{ahead} jobs are ahead"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        let of = |bound: bool, runners, connected, ahead, project_is_full| Waiting {
            runners,
            connected,
            ahead,
            project_is_full,
            bound_to: bound.then(|| "r".to_owned()),
        };
        for (waiting, reason) in [
            (
                of(false, 0, 0, 3, false),
                "no runner is linked to the spec `s`: link one, or cancel the job",
            ),
            (
                of(false, 1, 0, 0, true),
                "the only runner of the spec `s` is not connected: start it, or see in its log why it asks for no jobs, or cancel the job",
            ),
            (
                of(false, 3, 0, 0, false),
                "none of the 3 runners of the spec `s` is connected: start one, or see in their logs why they ask for no jobs, or cancel the job",
            ),
            (
                of(true, 0, 0, 0, false),
                "the runner `r`, which runs its comparison, is not linked to the spec `s` any more: link it, or cancel the job",
            ),
            (
                of(true, 1, 0, 0, false),
                "the runner `r`, which runs its comparison, is not connected: start it, or see in its log why it asks for no jobs, or cancel the job",
            ),
            (of(true, 1, 1, 1, false), "1 job is ahead"),
            (of(false, 2, 1, 0, false), "no job is ahead"),
            (of(false, 2, 1, 2, false), "2 jobs are ahead"),
            (of(false, 2, 1, 1000, false), "1000 jobs or more are ahead"),
            (
                of(false, 2, 1, 2, true),
                "its project has as many jobs at work as its quota allows, and 2 jobs are ahead",
            ),
        ] {
            assert_eq!(waiting.reason("s"), reason);
            assert_eq!(waiting.is_stuck(), reason.ends_with("cancel the job"));
        }
    }
}
