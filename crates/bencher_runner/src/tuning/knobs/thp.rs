//! Transparent huge pages: whether memory gets some, and when `khugepaged` collapses pages into
//! one, depends on how fragmented the host's memory is.
//!
//! The kernel's `Documentation/admin-guide/mm/transhuge.rst`, `enabled`.

use crate::tuning::knob::{Form, Knob, Setting, Wish};
use crate::tuning::place::Place;
use crate::tuning::policy::ThpMode;

const FILE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

#[derive(Debug)]
pub(super) struct Thp(pub(super) ThpMode);

impl Knob for Thp {
    fn name(&self) -> &'static str {
        "thp"
    }

    fn wish(&self, place: &Place) -> Wish {
        if !place.exists(FILE) {
            return Wish::no_file(FILE);
        }
        Wish::set(vec![Setting::new(FILE, self.0.as_str(), Form::Choice)])
    }
}
