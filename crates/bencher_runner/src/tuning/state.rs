//! What became of each knob, as the result document and `runner tune status` show it.

use std::fmt::Write as _;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The host's tuning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TuningState {
    /// Who tuned the host.
    pub tuned_by: TunedBy,
    /// Why nobody did, or what is special about it.
    pub reason: Option<String>,
    /// Each knob.
    pub knobs: Vec<KnobState>,
}

/// Who tuned a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TunedBy {
    /// Nobody that this runner knows of.
    Nobody,
    /// A run, for as long as it lasts.
    Run,
    /// `runner tune apply`, until `runner tune restore`.
    TuneApply,
    /// A runner that is no more; the next one puts its values back.
    LeftOver,
}

/// One knob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnobState {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: KnobOutcome,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// The files that it is about.
    pub settings: Vec<SettingState>,
}

/// What became of a knob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnobOutcome {
    /// It was changed.
    Tuned,
    /// Its values were as they should be.
    AsWanted,
    /// It was left as it is, because the user wanted that or did not ask for it.
    Kept,
    /// The host has no such source of noise.
    Absent,
    /// The noise is there or may be, and nothing can be done about it here.
    Unavailable,
    /// The kernel refused.
    Refused,
    /// The host was not tuned.
    Untouched,
}

/// A file of the host's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingState {
    /// The file.
    pub file: PathBuf,
    /// Its value; absent when it can not be read.
    pub value: Option<String>,
    /// The value that it should have; absent when the knob is kept.
    pub wanted: Option<String>,
    /// The value that it had before it was tuned; absent when it was not.
    pub original: Option<String>,
}

impl KnobState {
    /// The values of its files, each one once: there may be one for each CPU.
    pub fn distinct(&self, of: fn(&SettingState) -> Option<&String>) -> Vec<&str> {
        let mut values: Vec<&str> = Vec::new();
        for value in self.settings.iter().filter_map(of) {
            if !values.contains(&value.as_str()) {
                values.push(value);
            }
        }
        values
    }
}

impl TuningState {
    /// The knobs that should have been tuned and are not, each with the reason, in one line; `None`
    /// when there are none.
    pub fn shortcomings(&self) -> Option<String> {
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        let fell_short = |knob: &&KnobState| {
            matches!(
                knob.outcome,
                KnobOutcome::Refused | KnobOutcome::Unavailable
            )
        };
        for knob in self.knobs.iter().filter(fell_short) {
            let reason = knob.reason.as_deref().unwrap_or("refused");
            // One reason often holds for many knobs.
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(&knob.name),
                None => reasons.push((reason, vec![&knob.name])),
            }
        }
        let clauses: Vec<_> = reasons
            .iter()
            .map(|(reason, names)| format!("{} ({reason})", names.join(", ")))
            .collect();
        (!clauses.is_empty()).then(|| clauses.join("; "))
    }

    /// One line on all of it.
    pub fn summary(&self) -> String {
        let count = |outcome| {
            let has_it = |knob: &&KnobState| knob.outcome == outcome;
            self.knobs.iter().filter(has_it).count()
        };
        let mut line = format!(
            "host tuning: {} changed, {} as wanted already",
            count(KnobOutcome::Tuned),
            count(KnobOutcome::AsWanted)
        );
        // Writing to a string does not fail.
        if let Some(shortcomings) = self.shortcomings() {
            let _written = write!(line, "; not possible here: {shortcomings}");
        }
        for knob in &self.knobs {
            if let (KnobOutcome::Tuned, Some(note)) = (knob.outcome, &knob.reason) {
                let _written = write!(line, "; {}: {note}", knob.name);
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knob(name: &str, outcome: KnobOutcome, reason: Option<&str>) -> KnobState {
        KnobState {
            name: name.to_owned(),
            outcome,
            reason: reason.map(str::to_owned),
            settings: Vec::new(),
        }
    }

    #[test]
    fn one_line_says_it_all() {
        let mut state = TuningState {
            tuned_by: TunedBy::Run,
            reason: None,
            knobs: vec![
                knob("aslr", KnobOutcome::Tuned, None),
                knob("smt", KnobOutcome::Absent, Some("no SMT")),
                knob("ksm", KnobOutcome::AsWanted, None),
            ],
        };
        assert_eq!(
            state.summary(),
            "host tuning: 1 changed, 1 as wanted already"
        );
        assert_eq!(state.shortcomings(), None);
        let closed = Some("Permission denied");
        state.knobs.extend([
            knob("turbo", KnobOutcome::Unavailable, Some("no cpufreq")),
            knob("thp", KnobOutcome::Refused, closed),
            knob("governor", KnobOutcome::Unavailable, Some("no cpufreq")),
            knob("irqs", KnobOutcome::Tuned, Some("irqbalance runs")),
        ]);
        assert_eq!(
            state.summary(),
            "host tuning: 2 changed, 1 as wanted already; not possible here: turbo, governor (no \
             cpufreq); thp (Permission denied); irqs: irqbalance runs"
        );
    }
}
