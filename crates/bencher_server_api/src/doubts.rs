//! Whether numbers can be trusted, in words.

use std::collections::BTreeMap;

use crate::Measured;

/// The most that is told of what speaks against numbers.
const MAX_KINDS: usize = 12;

/// What is said where nothing speaks against numbers: a sentence without its end.
pub const CLEAR: &str = "nothing was seen that speaks against these numbers";

/// What speaks against the numbers of some jobs.
#[derive(Debug, Default)]
pub struct Doubts {
    reasons: Vec<String>,
    is_local: bool,
    suspects: u64,
    /// By kind: an example, and in how many iterations.
    kinds: BTreeMap<String, (String, u64)>,
    unjudged: u64,
    left_out: u64,
    /// Whether any of them said how it was measured, and whether there are numbers that count.
    is_known: bool,
    has_numbers: bool,
}

impl Doubts {
    /// What speaks against the numbers of these.
    pub fn of<'a>(jobs: impl IntoIterator<Item = &'a Measured>) -> Self {
        let mut doubts = Self::default();
        for job in jobs {
            doubts.add(job);
        }
        doubts
    }

    fn add(&mut self, job: &Measured) {
        if !job.comparable {
            self.is_local = true;
            for reason in &job.reasons {
                if self.reasons.len() < MAX_KINDS && !self.reasons.contains(reason) {
                    self.reasons.push(reason.clone());
                }
            }
        }
        self.suspects += u64::from(job.suspect_iterations);
        self.unjudged += u64::from(job.unjudged_iterations);
        self.left_out += u64::from(job.iterations_left_out);
        self.is_known = true;
        self.has_numbers |= job.iterations > 0;
        for suspicion in &job.suspicions {
            let first = || (suspicion.text.clone(), 0);
            let (_, count) = self
                .kinds
                .entry(suspicion.kind.clone())
                .or_insert_with(first);
            *count += u64::from(suspicion.iterations);
        }
    }

    /// Why the times can not be compared with those of other machines; nothing, where they can.
    pub fn incomparable(&self) -> Option<String> {
        let reasons = match self.reasons.join("; ") {
            none if none.is_empty() => "the runner does not say why".to_owned(),
            reasons => reasons,
        };
        self.is_local.then_some(reasons)
    }

    /// Whether something speaks against the numbers of some iterations.
    pub fn is_suspect(&self) -> bool {
        self.suspects > 0
    }

    /// What speaks against the numbers themselves, wherever they are compared: sentences without their ends.
    pub fn of_numbers(&self) -> Vec<String> {
        let mut texts = Vec::new();
        if self.suspects > 0 {
            let mut text = iterations(self.suspects, "is suspect", "are suspect");
            let kinds: Vec<String> = self.kinds.values().take(MAX_KINDS).map(example).collect();
            if !kinds.is_empty() {
                text = format!("{text}: {}", kinds.join("; "));
            }
            texts.push(text);
        }
        if self.unjudged > 0 {
            let what = iterations(self.unjudged, "counts", "count");
            texts.push(format!(
                "{what} of which nobody knows what the host went through meanwhile"
            ));
        }
        if self.left_out > 0 {
            let what = iterations(self.left_out, "at the end is", "at the end are");
            texts.push(format!(
                "{what} not in these numbers: there are too many to tell of"
            ));
        }
        if self.is_known && !self.has_numbers {
            texts.push("no iteration ended well, so there are no numbers that count".to_owned());
        }
        texts
    }

    /// All of it: sentences without their ends.
    pub fn all(&self) -> Vec<String> {
        let reasons = self.incomparable().map(|reasons| {
            format!("the times can not be compared with those of other machines: {reasons}")
        });
        reasons.into_iter().chain(self.of_numbers()).collect()
    }
}

/// One of a kind: the numbers in it differ from iteration to iteration.
fn example((text, count): &(String, u64)) -> String {
    match count {
        0 | 1 => text.clone(),
        count => format!("{text} (and in {} more)", count - 1),
    }
}

fn iterations(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 iteration {one}"),
        count => format!("{count} iterations {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Suspicion;

    fn job(suspects: u32, reasons: &[&str]) -> Measured {
        let suspicion = |kind: &str| Suspicion {
            kind: kind.to_owned(),
            text: format!("{kind} took {suspects} %"),
            iterations: suspects,
        };
        let kinds = if suspects > 0 {
            &["others", "steal"][..]
        } else {
            &[]
        };
        Measured {
            comparable: reasons.is_empty(),
            reasons: reasons.iter().map(|&text| text.to_owned()).collect(),
            iterations: 5,
            suspect_iterations: suspects,
            suspicions: kinds.iter().copied().map(suspicion).collect(),
            ..Measured::default()
        }
    }

    #[test]
    fn only_what_was_looked_at_is_clear() {
        type Change = fn(&mut Measured);
        assert!(Doubts::of([&job(0, &[])]).all().is_empty());
        let doubtful: [(Change, &str); 6] = [
            (
                |it| it.iterations = 0,
                "no iteration ended well, so there are no numbers that count",
            ),
            (
                |it| it.unjudged_iterations = 2,
                "2 iterations count of which nobody knows what the host went through meanwhile",
            ),
            (
                |it| it.iterations_left_out = 1,
                "1 iteration at the end is not in these numbers: there are too many to tell of",
            ),
            (
                |it| it.comparable = false,
                "the times can not be compared with those of other machines: the runner does not say why",
            ),
            (
                |it| *it = job(1, &[]),
                "1 iteration is suspect: others took 1 %; steal took 1 %",
            ),
            (|it| it.suspect_iterations = 7, "7 iterations are suspect"),
        ];
        for (change, expected) in doubtful {
            let mut measured = job(0, &[]);
            change(&mut measured);
            assert_eq!(Doubts::of([&measured]).all(), [expected]);
        }
    }

    #[test]
    fn what_several_jobs_have_is_told_once() {
        let jobs = [job(3, &["emulated"]), job(2, &["emulated", "untuned"])];
        let doubts = Doubts::of(&jobs);
        assert_eq!(
            doubts.all(),
            [
                "the times can not be compared with those of other machines: emulated; untuned",
                "5 iterations are suspect: others took 3 % (and in 4 more); steal took 3 % (and in 4 more)",
            ]
        );
        assert!(doubts.is_suspect());
        // A job without numbers beside one that has some is no reason to doubt those.
        let mut none = job(0, &[]);
        none.iterations = 0;
        assert!(Doubts::of([&none, &job(0, &[])]).all().is_empty());
        // Of no job nothing is known, numbers that do not count neither.
        assert!(Doubts::of([]).all().is_empty());
    }
}
