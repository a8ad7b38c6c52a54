//! Simultaneous multithreading: two threads of a core share its units and caches, so what runs on
//! one slows the other.
//!
//! An interrupt that goes to nothing but second threads would lose where it was: once they are
//! offline it goes to all CPUs, and stays there. So it is moved to the first threads before that, and
//! moved back once the others are online again.
//!
//! The kernel's `Documentation/ABI/testing/sysfs-devices-system-cpu`, `smt/control`.

use std::path::PathBuf;

use crate::cpus::CpuSet;
use crate::tuning::interrupts;
use crate::tuning::knob::{AFFINITY, Form, Knob, Setting, Wish};
use crate::tuning::place::Place;

const FILE: &str = "/sys/devices/system/cpu/smt/control";

#[derive(Debug)]
pub(super) struct Smt;

impl Knob for Smt {
    fn name(&self) -> &'static str {
        "smt"
    }

    fn wish(&self, place: &Place) -> Wish {
        match place.value(FILE).as_deref() {
            None => Wish::no_file(FILE),
            Some("notsupported" | "notimplemented") => {
                Wish::Absent("the processor has none, or none that the kernel sees".to_owned())
            }
            // Off until the next reboot, whoever wants it otherwise.
            Some(off @ "forceoff") => Wish::set(vec![Setting::new(FILE, off, Form::Plain)]),
            Some("off") => Wish::set(vec![Setting::new(FILE, "off", Form::Plain)]),
            Some(_) => {
                let mut settings = stranded(place);
                settings.push(Setting::new(FILE, "off", Form::Plain));
                Wish::set(settings)
            }
        }
    }
}

/// Where the interrupts are to go that have nothing but second threads.
fn stranded(place: &Place) -> Vec<Setting> {
    let (firsts, seconds) = threads(place);
    let has_no_first = |folder: &PathBuf| {
        let cpus = place.value(folder.join(AFFINITY));
        let cpus = cpus.and_then(|list| list.parse::<CpuSet>().ok());
        cpus.is_some_and(|cpus| !cpus.is_empty() && cpus.is_subset(&seconds))
    };
    interrupts::folders(place)
        .iter()
        .filter(|folder| has_no_first(folder))
        .map(|folder| Setting::of_interrupt(folder, &firsts))
        .collect()
}

/// The first thread of each core, and the others.
fn threads(place: &Place) -> (CpuSet, CpuSet) {
    let siblings: Vec<CpuSet> = place
        .list("/sys/devices/system/cpu")
        .iter()
        .filter_map(|cpu| place.value(cpu.join("topology/thread_siblings_list")))
        .filter_map(|list| list.parse().ok())
        .collect();
    let firsts: CpuSet = siblings
        .iter()
        .filter_map(|cpus| cpus.iter().next())
        .collect();
    let all: CpuSet = siblings.iter().flat_map(CpuSet::iter).collect();
    let seconds = all.without(&firsts);
    (firsts, seconds)
}
