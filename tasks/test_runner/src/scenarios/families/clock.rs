//! The virtual clock: the same image and command take the same time in every run.

use serde_json::Value;

use crate::load;
use crate::scenarios::backend::On;
use crate::scenarios::expect::{Checked, Expect, same};
use crate::scenarios::invocation::Invocation;
use crate::scenarios::record::Record;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::surroundings::Need;

/// Work for the processor, for memory and for the root filesystem, a wait, and random numbers, the
/// date and a process id, which a wall clock has different each time.
const SCRIPT: &str = "\
i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done
awk 'BEGIN { for (i = 0; i < 2000; i++) all[i] = sprintf(\"%0200d\", i); print length(all) }'
mkdir /files; for i in 1 2 3 4 5 6 7 8; do cat /bin/busybox >/files/$i; done; sync; rm -r /files
sleep 0.3; head -c 16 /dev/urandom | od -An -tx1; date +%Y; echo $$";

/// What of an iteration must not depend on the run.
const MEASURES: [&str; 4] = [
    "/iterations/0/resources/wall_ns",
    "/iterations/0/instructions",
    "/iterations/0/resources/cpu_us",
    "/iterations/0/resources/minor_faults",
];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "virtual_clock_deterministic",
        "two runs under a virtual clock take the same time to the nanosecond",
        |stage| {
            stage.run(&invocation())?;
            stage.run(&invocation())?;
            Ok(())
        },
        both_the_same,
    )
    .needs(&[Need::Option("--clock")])
    .on(On::Emulated),
    Scenario::driven(
        "virtual_clock_under_load",
        "a busy host changes nothing of the time that a run takes under a virtual clock",
        |stage| {
            stage.run(&invocation())?;
            load::beside(load::twice_the_cpus(), || stage.run(&invocation()))?;
            Ok(())
        },
        both_the_same,
    )
    .needs(&[Need::Option("--clock")])
    .on(On::Emulated),
];

fn invocation() -> Invocation {
    let mut invocation = Invocation::new();
    let options = ["--clock", "virtual", "--timeout", "120"];
    invocation.options(options).script(SCRIPT);
    invocation
}

/// Each run is compared with the other one, so neither can be wrong alone.
fn both_the_same(record: &Record) -> Checked {
    let output = |index: usize| {
        let run = record.runs.get(index);
        run.and_then(|run| run.stdout.text()).unwrap_or_default()
    };
    let measured = |index: usize| -> Vec<Value> {
        let run = record.runs.get(index);
        let measure = |pointer| run.and_then(|run| run.at(pointer)).cloned();
        MEASURES
            .into_iter()
            .map(|pointer| measure(pointer).unwrap_or_default())
            .collect()
    };
    let like = |other: usize| {
        let mut expect = Expect::exit(0)
            .stdout(output(other))
            .field("/machine/clock", "virtual")
            .field("/machine/virtual_clock/mips", 1000);
        for (pointer, value) in MEASURES.into_iter().zip(measured(other)) {
            let expected = value.to_string();
            expect =
                expect.field_that(pointer, &expected, move |got| got.is_u64() && *got == value);
        }
        expect
    };
    record.are(&[like(1), like(0)])?;
    let text = output(0);
    let lines: Vec<&str> = text.lines().collect();
    same("what the guest sees first", &Some(&"2000"), &lines.first())?;
    same(
        "what it sees last",
        &Some(["2030", "2"].as_slice()),
        &lines.get(2..),
    )?;
    // At 1000 MIPS an instruction is a nanosecond.
    let first = measured(0);
    same("instructions", &first[0], &first[1])
}
