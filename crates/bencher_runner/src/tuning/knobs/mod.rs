//! The knobs, one file each, in the order in which they are turned.

mod aslr;
mod cpufreq;
mod cstates;
mod energy_preference;
mod frequency;
mod governor;
mod irqs;
mod ksm;
mod nmi_watchdog;
mod numa_balancing;
mod page_cache;
mod perf_events;
mod smt;
mod soft_watchdog;
mod swappiness;
#[cfg(test)]
mod tests;
mod thp;
mod timer_migration;
mod turbo;
mod vm_stat;
mod workqueues;
mod writeback;

use super::knob::Knob;
use super::policy::{Feature, TuningChoices};
use crate::cpus::CpuSet;

/// A knob, and whether it is left as it is.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) knob: Box<dyn Knob>,
    pub(crate) is_kept: bool,
}

/// All knobs, in stages: what a later stage wants may depend on what an earlier one has done.
///
/// * Interrupts are steered while all CPUs are online: where they went can only be put back once all
///   CPUs are. So SMT comes after them, and is back before they are.
/// * Without turbo the highest frequency is another one. So frequencies come after it, and are back
///   before it is.
/// * An energy preference can be changed with some governors only, so its knob encloses theirs.
/// * The page cache comes last: everything else may read files.
pub(crate) fn stages(choices: &TuningChoices, housekeeping: Option<&CpuSet>) -> Vec<Vec<Entry>> {
    let entry = |knob: Box<dyn Knob>, is_kept| Entry { knob, is_kept };
    let unless = |feature, knob| entry(knob, choices.keep.contains(&feature));
    let always = |knob| entry(knob, false);
    let paranoid = choices.perf_event_paranoid;
    let housekeeping = housekeeping.filter(|cpus| !cpus.is_empty());
    let governor = choices.governor.clone();
    let is_fastest = governor == "performance";
    vec![
        vec![
            unless(
                Feature::IrqSteering,
                Box::new(irqs::Irqs(housekeeping.cloned())),
            ),
            unless(
                Feature::IrqSteering,
                Box::new(workqueues::Workqueues(housekeeping.cloned())),
            ),
            unless(Feature::Aslr, Box::new(aslr::Aslr)),
            unless(Feature::NmiWatchdog, Box::new(nmi_watchdog::NmiWatchdog)),
            unless(Feature::SoftWatchdog, Box::new(soft_watchdog::SoftWatchdog)),
            unless(
                Feature::TimerMigration,
                Box::new(timer_migration::TimerMigration),
            ),
            unless(
                Feature::NumaBalancing,
                Box::new(numa_balancing::NumaBalancing),
            ),
            unless(Feature::Ksm, Box::new(ksm::Ksm)),
            always(Box::new(thp::Thp(choices.thp))),
            always(Box::new(swappiness::HostSwappiness(choices.swappiness))),
            always(Box::new(writeback::Writeback)),
            always(Box::new(vm_stat::VmStat)),
            entry(
                Box::new(perf_events::PerfEvents(paranoid)),
                paranoid.is_none(),
            ),
            unless(Feature::CStates, Box::new(cstates::CStates)),
        ],
        vec![unless(Feature::Smt, Box::new(smt::Smt))],
        vec![unless(Feature::Turbo, Box::new(turbo::Turbo))],
        vec![
            entry(Box::new(energy_preference::EnergyPreference), !is_fastest),
            always(Box::new(governor::Governor(governor))),
            entry(Box::new(frequency::Frequency), !is_fastest),
        ],
        vec![entry(
            Box::new(page_cache::PageCache),
            !choices.drop_page_cache,
        )],
    ]
}
