//! A command that takes too long is ended, and what it did until then is kept.

use crate::scenarios::expect::Expect;
use crate::scenarios::scenario::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "timeout_handling",
        "a command that takes too long is told to end, and gives 124",
        |run| {
            run.options(["--timeout", "2"]).command(["sleep", "1000"]);
        },
        |record| record.is(Expect::timeout(Some(15))),
    ),
    Scenario::new(
        "timeout_enforced",
        "a command that ignores TERM and INT is killed after the grace period",
        |run| {
            run.options(["--timeout", "2", "--grace-period", "0.3"])
                .script("trap '' TERM INT; echo armed; while :; do sleep 1; done");
        },
        |record| record.is(Expect::timeout(Some(9)).stdout("armed\n")),
    ),
    Scenario::new(
        "minimum_timeout",
        "a timeout of one second lets the command run for one second, boot not counted",
        |run| {
            run.options(["--timeout", "1", "--grace-period", "0.3"])
                .script("while :; do :; done");
        },
        |record| {
            record.is(Expect::timeout(Some(15))
                .field("/limits/timeout_seconds", 1.0)
                .field_that(
                    "/iterations/0/resources/wall_ns",
                    "at least one second",
                    |value| value.as_u64() >= Some(1_000_000_000),
                ))
        },
    ),
    Scenario::new(
        "timeout_includes_partial_output",
        "the bytes written before a timeout are there, a line without an end too",
        |run| {
            run.options(["--timeout", "2"])
                .script("printf 'a line\\nhalf a li'; printf 'an error' >&2; exec sleep 1000");
        },
        |record| {
            let expect = Expect::timeout(Some(15)).stdout("a line\nhalf a li");
            record.is(expect.stderr("an error"))
        },
    ),
    Scenario::new(
        "timeout_includes_files",
        "the files written before a timeout are collected",
        |run| {
            run.options(["--timeout", "2"])
                .outputs(&["/results/part"])
                .script("echo part >/results/part; exec sleep 1000");
        },
        |record| record.is(Expect::timeout(Some(15)).file("1/files/results/part", "part\n")),
    ),
    Scenario::new(
        "timeout_lets_the_command_clean_up",
        "within the grace period a command may still say and do something",
        |run| {
            run.options(["--timeout", "2"]).script(
                "trap 'echo cleaned up; exit 7' TERM; echo ready; while :; do sleep 0.1; done",
            );
        },
        |record| record.is(Expect::timeout(None).stdout("ready\ncleaned up\n")),
    ),
    Scenario::new(
        "failed_with_partial_output",
        "a command that fails half-way has its output until then",
        |run| {
            run.script("echo half; echo broken >&2; exit 3");
        },
        |record| {
            let expect = Expect::exit(3).stdout("half\n");
            record.is(expect.stderr("broken\n"))
        },
    ),
];
