//! What would be done to a file, given what it says now: decided without touching it.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::knob::{Form, Setting};

/// A value that is to be changed, with all that it takes to put it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// The knob's name.
    pub(crate) knob: String,
    /// The file, from the host's root on.
    pub(crate) file: PathBuf,
    /// How the file says its value.
    pub(crate) form: Form,
    /// What it was before anything was tuned.
    pub(crate) original: String,
    /// What is written into it.
    pub(crate) wanted: String,
    /// The interrupts that there were, where new ones take this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) present: Option<Vec<u32>>,
}

/// What is to be done about a setting.
#[derive(Debug)]
pub(crate) enum Step {
    /// The file is to be written.
    Change(Change),
    /// Its value will do.
    AsWanted(String),
    /// There is no such file.
    Missing,
    /// Its value is not known, so it could not be put back.
    Unreadable(io::Error),
}

/// What putting a value back takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: it is what it was.
    IsOriginal,
    /// The original is to be written.
    PutBack,
    /// Somebody else has changed it meanwhile, and knows why: it stays.
    IsOthers,
}

/// What `setting` of the knob `knob` takes, when its file says `current`.
pub(crate) fn step(knob: &str, setting: &Setting, current: io::Result<String>) -> Step {
    let current = match current {
        Ok(text) => setting.form.value(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Step::Missing,
        Err(error) => return Step::Unreadable(error),
    };
    if setting.form.satisfies(&current, &setting.wanted) {
        return Step::AsWanted(current);
    }
    Step::Change(Change {
        knob: knob.to_owned(),
        file: setting.file.clone(),
        form: setting.form,
        original: current,
        wanted: setting.wanted.clone(),
        present: setting.present.clone(),
    })
}

impl Change {
    /// What it takes to put it back when the file says `text`.
    pub(crate) fn verdict(&self, text: &str) -> Verdict {
        let current = self.form.value(text);
        if self.form.same(&current, &self.original) {
            Verdict::IsOriginal
        } else if current.is_empty() {
            // Nobody's value: a write that was cut off, where a file is not the kernel's own (a
            // container may have others in their place).
            Verdict::PutBack
        } else if self.form.same(&current, &self.wanted) || !self.form.is_exact() {
            Verdict::PutBack
        } else {
            Verdict::IsOthers
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(form: Form, original: &str, wanted: &str) -> Change {
        Change {
            knob: "k".to_owned(),
            file: PathBuf::from("/sys/k"),
            form,
            original: original.to_owned(),
            wanted: wanted.to_owned(),
            present: None,
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let setting = Setting::new("/sys/k", "never", Form::Choice);
        let current = Ok("always [madvise] never\n".to_owned());
        let Step::Change(planned) = step("k", &setting, current) else {
            panic!("it differs");
        };
        assert_eq!(planned, change(Form::Choice, "madvise", "never"));
        let current = Ok("always madvise [never]\n".to_owned());
        assert!(matches!(step("k", &setting, current), Step::AsWanted(value) if value == "never"));
        let gone = Err(io::ErrorKind::NotFound.into());
        assert!(matches!(step("k", &setting, gone), Step::Missing));
        let closed = Err(io::ErrorKind::PermissionDenied.into());
        assert!(matches!(step("k", &setting, closed), Step::Unreadable(_)));
    }

    #[test]
    fn what_somebody_else_wrote_is_theirs() {
        for (form, now, verdict) in [
            (Form::Plain, "10\n", Verdict::PutBack),
            (Form::Plain, "60\n", Verdict::IsOriginal),
            (Form::Plain, "1\n", Verdict::IsOthers),
            (Form::Plain, "", Verdict::PutBack),
            (Form::Kilohertz, "1\n", Verdict::PutBack),
            (Form::Kilohertz, "60\n", Verdict::IsOriginal),
        ] {
            assert_eq!(change(form, "60", "10").verdict(now), verdict, "{now}");
        }
        let mask = change(Form::CpuMask, "f", "3");
        assert_eq!(mask.verdict("0000000f\n"), Verdict::IsOriginal);
        assert_eq!(mask.verdict("00000003\n"), Verdict::PutBack);
        assert_eq!(mask.verdict("00000001\n"), Verdict::IsOthers);
    }
}
