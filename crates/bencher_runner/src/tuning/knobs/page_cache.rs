//! The page cache: what earlier work left in it makes reading files fast or slow. Dropping it gives
//! every run the same beginning, a cold one.
//!
//! The kernel's `Documentation/admin-guide/sysctl/vm.rst`, `drop_caches`: 1 is the page cache.

use crate::tuning::knob::{Form, Knob, Setting, Wish};
use crate::tuning::place::Place;

const FILE: &str = "/proc/sys/vm/drop_caches";

#[derive(Debug)]
pub(super) struct PageCache;

impl Knob for PageCache {
    fn name(&self) -> &'static str {
        "page-cache"
    }

    fn wish(&self, place: &Place) -> Wish {
        if !place.exists(FILE) {
            return Wish::Unavailable(format!("no {FILE}"));
        }
        Wish::Once(Setting::new(FILE, "1", Form::Plain))
    }
}
