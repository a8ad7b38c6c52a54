//! `runner tune`.

use std::io::Write as _;

use bencher_runner::Reporter as _;
use bencher_runner::run::give_back_left_over;
use bencher_runner::tuning::{
    KnobOutcome, KnobState, Place, SettingState, TunedBy, TuningPolicy, TuningState,
    TuningStrictness, apply_to_host, restore_host, status_of_host,
};

use crate::FAILED;
use crate::arguments::{Tune, TuneCommand};
use crate::terminal::Terminal;

pub(crate) fn run(arguments: Tune, terminal: &Terminal) -> u8 {
    match attempt(arguments.command, terminal) {
        Ok(code) => code,
        Err(message) => {
            terminal.error(&message);
            FAILED
        }
    }
}

fn attempt(command: TuneCommand, terminal: &Terminal) -> Result<u8, String> {
    let place = Place::this_host();
    match command {
        TuneCommand::Apply {
            knobs,
            housekeeping_cpus,
            require_tuning,
        } => {
            let policy = TuningPolicy {
                strictness: if require_tuning {
                    TuningStrictness::Required
                } else {
                    TuningStrictness::Possible
                },
                choices: knobs.choices(),
            };
            let state = apply_to_host(&place, &policy, housekeeping_cpus.as_ref(), terminal)
                .map_err(|error| error.to_string())?;
            terminal.info(&state.summary());
            Ok(0)
        }
        TuneCommand::Status {
            knobs,
            housekeeping_cpus,
            json,
        } => {
            let state = status_of_host(&place, &knobs.choices(), housekeeping_cpus.as_ref())
                .map_err(|error| error.to_string())?;
            let text = if json {
                serde_json::to_string_pretty(&state).map_err(|error| error.to_string())? + "\n"
            } else {
                table(&state)
            };
            std::io::stdout()
                .write_all(text.as_bytes())
                .map_err(|error| format!("failed to print the host's tuning: {error}"))?;
            Ok(0)
        }
        TuneCommand::Restore => {
            let restored = restore_host(&place).map_err(|error| error.to_string())?;
            give_back_left_over(terminal);
            let Some(restored) = restored else {
                terminal.info("this host is not tuned: there is nothing to put back");
                return Ok(0);
            };
            for remark in restored.remarks() {
                terminal.warning(&remark);
            }
            terminal.info(&format!("values put back: {}", restored.count));
            Ok(if restored.is_complete() { 0 } else { FAILED })
        }
    }
}

/// What each knob is, should be and was, a line each.
fn table(state: &TuningState) -> String {
    let who = match state.tuned_by {
        TunedBy::Nobody => "nobody",
        TunedBy::Run => "a runner that is at work",
        TunedBy::TuneApply => "`runner tune apply`",
        TunedBy::LeftOver => "a runner that is no more: the next one puts it back",
    };
    let mut rows = vec![["KNOB", "NOW", "WANTED", "BEFORE", "STATE"].map(str::to_owned)];
    rows.extend(state.knobs.iter().map(row));
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3].map(width);
    let lines = rows.iter().map(|[knob, now, wanted, before, state]| {
        format!(
            "{knob:<0$}  {now:<1$}  {wanted:<2$}  {before:<3$}  {state}\n",
            widths[0], widths[1], widths[2], widths[3]
        )
    });
    let mut text: String = lines.collect();
    text += "tuned by ";
    text += state.reason.as_deref().map_or(who, |_| "unknown");
    if let Some(reason) = &state.reason {
        text.extend([": ", reason]);
    }
    text + "\n"
}

fn row(knob: &KnobState) -> [String; 5] {
    let outcome = match knob.outcome {
        KnobOutcome::Tuned => "tuned",
        KnobOutcome::AsWanted => "as wanted",
        KnobOutcome::Kept => "kept",
        KnobOutcome::Absent => "absent",
        KnobOutcome::Unavailable => "unavailable",
        KnobOutcome::Refused => "refused",
        KnobOutcome::Untouched => "untouched",
    };
    let state = match &knob.reason {
        Some(reason) => format!("{outcome} ({reason})"),
        None => outcome.to_owned(),
    };
    let column = |of: fn(&SettingState) -> Option<&String>| distinct(knob, of);
    [
        knob.name.clone(),
        column(|setting| setting.value.as_ref()),
        column(|setting| setting.wanted.as_ref()),
        column(|setting| setting.original.as_ref()),
        state,
    ]
}

/// The values of a knob's files, the first few of them.
fn distinct(knob: &KnobState, of: fn(&SettingState) -> Option<&String>) -> String {
    const SHOWN: usize = 3;
    let values = knob.distinct(of);
    match values.len() {
        0 => "-".to_owned(),
        1..=SHOWN => values.join(" | "),
        _ => format!("{} | …", values[..SHOWN].join(" | ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knob(
        name: &str,
        outcome: KnobOutcome,
        values: &[(&str, Option<&str>, Option<&str>)],
    ) -> KnobState {
        let owned = |text: &str| text.to_owned();
        KnobState {
            name: name.to_owned(),
            outcome,
            reason: None,
            settings: values
                .iter()
                .map(|(value, wanted, original)| SettingState {
                    file: "/sys/x".into(),
                    value: Some(owned(value)),
                    wanted: wanted.map(owned),
                    original: original.map(owned),
                })
                .collect(),
        }
    }

    #[test]
    fn a_table_has_a_line_for_each_knob() {
        let mut turbo = knob("turbo", KnobOutcome::Unavailable, &[]);
        turbo.reason = Some("no frequencies here".to_owned());
        let lists = ["0-3", "1", "2", "3"].map(|list| (list, Some("0"), None));
        let mut state = TuningState {
            tuned_by: TunedBy::TuneApply,
            reason: None,
            knobs: vec![
                knob("aslr", KnobOutcome::Tuned, &[("0", Some("0"), Some("2"))]),
                knob(
                    "perf-event-paranoid",
                    KnobOutcome::Kept,
                    &[("2", None, None)],
                ),
                knob("irqs", KnobOutcome::Untouched, &lists),
                turbo,
            ],
        };
        insta::assert_snapshot!(table(&state));
        state.reason = Some("only root can see it".to_owned());
        let last = table(&state);
        assert!(
            last.ends_with("\ntuned by unknown: only root can see it\n"),
            "{last}"
        );
    }
}
