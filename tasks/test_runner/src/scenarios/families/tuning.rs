//! Root's runs make the host quiet, and leave it as it was.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::process::within;
use crate::scenarios::backend::On;
use crate::scenarios::cpus;
use crate::scenarios::expect::{Checked, Expect, Mismatch, same};
use crate::scenarios::invocation::Invocation;
use crate::scenarios::knobs::{HostState, LATENCY, Unusual};
use crate::scenarios::record::{Record, Run};
use crate::scenarios::running::Running;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;
use crate::scenarios::surroundings::Need;

/// A host that is there for it, with CPUs for the benchmark and for the rest.
const NEEDS: &[Need] = &[Need::TunableHost, Need::Cpus(2)];

/// The same, and means to be somebody else.
const NEEDS_USERS: &[Need] = &[
    Need::TunableHost,
    Need::Program("setpriv"),
    Need::Program("chown"),
];

/// Knobs that every host has, each with a file and what must be in it.
const TUNED: [(&str, &str, &str); 6] = [
    ("aslr", "/proc/sys/kernel/randomize_va_space", "0"),
    ("timer-migration", "/proc/sys/kernel/timer_migration", "0"),
    (
        "thp",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "never",
    ),
    ("swappiness", "/proc/sys/vm/swappiness", "10"),
    (
        "writeback",
        "/proc/sys/vm/dirty_writeback_centisecs",
        "6000",
    ),
    ("vm-stat", "/proc/sys/vm/stat_interval", "60"),
];

/// Knobs that keep work off the benchmark's CPUs, each with a file that holds a mask of the others.
const STEERED: [(&str, &str); 2] = [
    ("irqs", "/proc/irq/default_smp_affinity"),
    ("workqueues", "/sys/devices/virtual/workqueue/cpumask"),
];

/// How long CPUs may take to wake up in a tuned host, in microseconds.
const AWAKE: i32 = 2;

/// What a second runner says of the first.
const TAKEN: &str = "another runner is tuning this host";

/// What a runner without rights says.
const NOT_ROOT: &str = "host tuning needs root";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "tuning_applied",
        "while a command runs the host's files hold what the result says, and each knob that it has is turned",
        |stage| {
            let _unusual = Unusual::set()?;
            stage.observe("before", HostState::here());
            let running = held(stage)?;
            stage.observe("meanwhile", HostState::here());
            end(stage, running)?;
            stage.observe("after", HostState::here());
            Ok(())
        },
        |record| {
            record.is(tuned(ended()))?;
            as_before(record, "after")?;
            turned(record, &record.runs[0])
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "tuning_restored",
        "when a run is over, by itself or not, every knob is as it was and no journal is left",
        |stage| {
            let _unusual = Unusual::set()?;
            stage.observe("before", HostState::here());
            stage.run(Invocation::new().tuned().script("exit 7"))?;
            stage.observe("after a failure", HostState::here());
            let running = held(stage)?;
            end(stage, running)?;
            stage.observe("after a signal", HostState::here());
            Ok(())
        },
        |record| {
            untouched(record)?;
            for moment in ["after a failure", "after a signal"] {
                as_before(record, moment)?;
            }
            record.are(&[tuned(Expect::exit(7)), tuned(ended())])
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "tuning_restored_after_kill",
        "what a killed runner leaves tuned is put back by the next one, and by `runner tune restore`",
        |stage| {
            let _unusual = Unusual::set()?;
            stage.observe("before", HostState::here());
            killed(stage)?;
            stage.run(Invocation::new().tuned().command(["true"]))?;
            stage.observe("after the next run", HostState::here());
            killed(stage)?;
            let mut restore = stage.runner.command();
            restore.args(["tune", "restore"]);
            let restored = stage.carry_out(restore, None)?;
            stage.observe("exit code of tune restore", restored.code());
            stage.observe("after tune restore", HostState::here());
            // Its folder is there until the next run.
            stage.run(Invocation::new().command(["true"])).map(|_| ())
        },
        |record| {
            untouched(record)?;
            for moment in ["after the next run", "after tune restore"] {
                as_before(record, moment)?;
            }
            record.saw("exit code of tune restore", 0)?;
            record.saw("a killed runner left a journal", true)?;
            record.saw("values that changed when it was killed", json!([]))?;
            turned_from(record, "after the kill")?;
            let killed = || Expect::killed(9).stdout("ready\n");
            let off = nobody(Expect::exit(0), "it was turned off");
            record.are(&[killed(), tuned(Expect::exit(0)), killed(), off])
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "tuning_no_permission",
        "an ordinary user's run is untuned and says so in one line; required tuning is an error",
        |stage| {
            stage.observe("before", HostState::here());
            for options in [&[][..], &["--require-tuning"]] {
                let mut invocation = Invocation::new();
                invocation.tuned().talking().options(options).script("echo ran");
                let running = ordinary(stage, invocation)?;
                stage.finish(running)?;
            }
            stage.observe("after", HostState::here());
            Ok(())
        },
        |record| {
            as_before(record, "after")?;
            let line = format!("{NOT_ROOT}: running untuned");
            record.are(&[
                nobody(Expect::exit(0).stdout("ran\n"), NOT_ROOT).says("tuning", &[&line]),
                Expect::refused(NOT_ROOT).says("tuning", &[]),
            ])
        },
    )
    .on(On::Host)
    .needs(NEEDS_USERS),
    Scenario::driven(
        "second_runner_untuned",
        "of two runners the second runs untuned, says so and changes nothing; the first puts all back",
        |stage| {
            let _unusual = Unusual::set()?;
            stage.observe("before", HostState::here());
            let first = held(stage)?;
            let meanwhile = HostState::here();
            stage.run(Invocation::new().tuned().talking().command(["true"]))?;
            let after = HostState::here();
            stage.observe("the second changed", meanwhile.differences(&after));
            stage.observe("after the second", after);
            end(stage, first)?;
            stage.observe("after the first", HostState::here());
            Ok(())
        },
        |record| {
            untouched(record)?;
            record.saw("the second changed", json!([]))?;
            turned_from(record, "after the second")?;
            as_before(record, "after the first")?;
            let untuned = format!("{TAKEN}: running untuned");
            let unpinned = format!("CPUs: not pinned: {TAKEN}");
            record.are(&[
                tuned(ended()),
                nobody(Expect::exit(0), TAKEN)
                    .says("tuning", &[&untuned, &unpinned])
                    .field("/host/cpu_layout/pinned", false),
            ])
        },
    )
    .needs(NEEDS),
];

/// A run for which the host is tuned, up and waiting.
fn held(stage: &mut Stage<'_>) -> anyhow::Result<Running> {
    let mut invocation = Invocation::new();
    invocation.tuned().script("echo ready; exec sleep 1000");
    let running = stage.start(&invocation)?;
    running.wait_for("ready\n")?;
    Ok(running)
}

fn end(stage: &mut Stage<'_>, running: Running) -> anyhow::Result<()> {
    running.signal(Signal::SIGTERM)?;
    stage.finish(running).map(|_| ())
}

/// Kills a runner that has tuned the host.
fn killed(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let running = held(stage)?;
    let meanwhile = HostState::here();
    running.signal(Signal::SIGKILL)?;
    stage.finish(running)?;
    let after = HostState::here();
    stage.observe("a killed runner left a journal", after.journal);
    let changed = meanwhile.changes(&after);
    stage.observe("values that changed when it was killed", changed);
    stage.observe("after the kill", after);
    Ok(())
}

/// Starts a run of somebody without rights, whose stage it is from now on.
fn ordinary(stage: &mut Stage<'_>, mut invocation: Invocation) -> anyhow::Result<Running> {
    const SCRIPT: &str = "chown -R 65534:65534 \"$0\" && exec setpriv --reuid=65534 --regid=65534 \
                          --clear-groups --no-new-privs \"$@\"";
    let folder = stage.folder().to_owned();
    let cache = folder.join("cache");
    invocation.variable("BENCHER_RUNNER_CACHE_DIR", &cache.to_string_lossy());
    stage.start_with(&invocation, |runner| {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT]).arg(folder);
        within(shell, &runner)
    })
}

/// A run that was told to stop.
fn ended() -> Expect {
    Expect::interrupt(15, Some(15)).stdout("ready\n")
}

/// It was tuned, and knew what was there before.
pub(super) fn tuned(expect: Expect) -> Expect {
    let originals = |knobs: &Value| {
        Unusual::VALUES.iter().all(|(file, value)| {
            let all = settings(knobs);
            all.iter()
                .any(|it| it["file"] == *file && it["original"] == *value)
        })
    };
    expect
        .field("/host/tuning/tuned_by", "run")
        .field("/host/tuning/reason", json!(null))
        .field_that("/host/tuning/knobs", "the originals of the host", originals)
}

/// It was not tuned, for this reason.
fn nobody(expect: Expect, reason: &'static str) -> Expect {
    let nothing = |knobs: &Value| {
        let all = settings(knobs);
        !all.is_empty() && all.iter().all(|it| it["original"].is_null())
    };
    expect
        .field("/host/tuning/tuned_by", "nobody")
        .field("/host/tuning/reason", reason)
        .field_that(
            "/host/tuning/knobs",
            "values, none of them changed",
            nothing,
        )
}

/// The settings of all knobs.
fn settings(knobs: &Value) -> Vec<&Value> {
    let knobs = knobs.as_array().into_iter().flatten();
    let settings = knobs.filter_map(|knob| knob["settings"].as_array());
    settings.flatten().collect()
}

/// What the host was like at `moment`.
fn state(record: &Record, moment: &str) -> Result<HostState, Mismatch> {
    let seen = record.observed.get(moment).cloned().unwrap_or_default();
    serde_json::from_value(seen).map_err(|error| Mismatch::new(moment, "a host", error))
}

/// The scenario began on a host that nobody has tuned.
fn untouched(record: &Record) -> Checked {
    let state = state(record, "before")?;
    for (file, value) in Unusual::VALUES {
        same(
            file,
            &Some(value),
            &state.values.get(file).map(String::as_str),
        )?;
    }
    same("a journal", &false, &state.journal)?;
    same("a partition", &false, &state.partition)
}

fn as_before(record: &Record, moment: &str) -> Checked {
    let before = state(record, "before")?;
    same("knobs that there are", &false, &before.values.is_empty())?;
    let differences = before.differences(&state(record, moment)?);
    same(moment, &Vec::new(), &differences)
}

/// At `moment` the knobs of every host were turned, and not before.
fn turned_from(record: &Record, moment: &str) -> Checked {
    let (before, then) = (state(record, "before")?, state(record, moment)?);
    for (_, file, value) in TUNED {
        same(
            file,
            &Some(value),
            &then.values.get(file).map(String::as_str),
        )?;
    }
    for (_, file) in STEERED {
        let changed = before.values.get(file) != then.values.get(file);
        same(&format!("whether {file} was changed"), &true, &changed)?;
    }
    Ok(())
}

/// The host was turned as the result says, and as it must be.
fn turned(record: &Record, run: &Run) -> Checked {
    untouched(record)?;
    turned_from(record, "meanwhile")?;
    let (before, then) = (state(record, "before")?, state(record, "meanwhile")?);
    same("latency before", &false, &(before.latency == Some(AWAKE)))?;
    same("latency meanwhile", &Some(AWAKE), &then.latency)?;
    same("a journal meanwhile", &true, &then.journal)?;
    let at = |pointer: &str| run.at(pointer).cloned().unwrap_or_default();
    let look = |pointer: &str| record.looked.borrow_mut().push((0, pointer.to_owned()));
    look("/host/tuning/knobs");
    look("/host/cpu_layout/housekeeping");
    let knobs = at("/host/tuning/knobs");
    let knobs = knobs.as_array().map_or(&[][..], Vec::as_slice);
    let turned: Vec<&str> = knobs
        .iter()
        .filter(|knob| knob["outcome"] == "tuned")
        .filter_map(|knob| knob["name"].as_str())
        .collect();
    let known = TUNED.iter().map(|(name, ..)| *name);
    let known = known.chain(STEERED.iter().map(|(name, _)| *name));
    for name in known.chain(["cstates"]) {
        same(&format!("{name} is turned"), &true, &turned.contains(&name))?;
    }
    let of = |file: &str, state: &HostState| json!(state.values.get(file));
    let mut told = Vec::new();
    for setting in settings(&at("/host/tuning/knobs")) {
        let file = setting["file"].as_str().unwrap_or_default();
        if file == LATENCY {
            same(file, &json!(AWAKE.to_string()), &setting["value"])?;
            continue;
        }
        same(file, &of(file, &then), &setting["value"])?;
        if !setting["original"].is_null() {
            same(file, &of(file, &before), &setting["original"])?;
            told.push(file.to_owned());
        }
    }
    told.sort_unstable();
    same("files that were changed", &told, &before.changes(&then))?;
    let layout = at("/host/cpu_layout");
    // Precedence has the cgroup of a partition.
    let has_cgroup = layout["partition"].is_string() || layout["precedence"].is_number();
    same(
        "a partition or precedence meanwhile",
        &has_cgroup,
        &then.partition,
    )?;
    steered(&layout, &then)
}

/// New interrupts and the kernel's own work have all CPUs but the benchmark's.
fn steered(layout: &Value, state: &HostState) -> Checked {
    let list = |name: &str| cpus::parse(layout[name].as_str().unwrap_or_default());
    let mut others = list("housekeeping");
    if layout["partition"].is_string() {
        // There the VMM has one of them to itself.
        others.append(&mut list("vmm"));
    }
    for (_, file) in STEERED {
        let mask = state
            .values
            .get(file)
            .map(String::as_str)
            .unwrap_or_default();
        same(file, &others, &cpus::of_mask(mask))?;
    }
    same(
        "CPUs of both",
        &true,
        &others.is_disjoint(&list("benchmark")),
    )
}
