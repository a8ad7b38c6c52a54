//! Interrupts: those of disks and networks come to whichever CPU they are sent to, and take its
//! time and its caches.
//!
//! The kernel's `Documentation/core-api/irq/irq-affinity.rst`.

use super::workqueues::NOTHING_APART;
use crate::cpus::CpuSet;
use crate::tuning::interrupts;
use crate::tuning::knob::{Form, Knob, Setting, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct Irqs(pub(super) Option<CpuSet>);

impl Knob for Irqs {
    fn name(&self) -> &'static str {
        "irqs"
    }

    fn wish(&self, place: &Place) -> Wish {
        let Some(housekeeping) = &self.0 else {
            return Wish::Absent(NOTHING_APART.to_owned());
        };
        let numbered = interrupts::folders(place);
        // New ones first: one that comes meanwhile is where it should be.
        let of_new = Setting {
            present: Some(
                numbered
                    .iter()
                    .filter_map(|it| interrupts::number(it))
                    .collect(),
            ),
            ..Setting::new(
                "/proc/irq/default_smp_affinity",
                housekeeping.mask(),
                Form::CpuMask,
            )
        };
        let numbered = numbered
            .iter()
            .map(|folder| Setting::of_interrupt(folder, housekeeping));
        Wish::Set {
            settings: std::iter::once(of_new).chain(numbered).collect(),
            note: place
                .files()
                .is_running("irqbalance")
                .then(|| "irqbalance runs here and may move them again".to_owned()),
        }
    }
}
