//! A command is run several times, each time afresh.

use crate::scenarios::expect::Expect;
use crate::scenarios::scenario::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "multiple_iterations",
        "each iteration has its own result and its own metrics",
        |run| {
            run.options(["--iter", "3"])
                .script("echo out; echo err >&2");
        },
        |record| {
            record.is(Expect::exit(0)
                .times(3)
                .stdout("out\nout\nout\n")
                .stderr("err\nerr\nerr\n")
                .field("/outcome/iterations_wanted", 3)
                .field("/iterations/2/stdout/content/text", "out\n"))
        },
    ),
    Scenario::new(
        "iterations_do_not_share_state",
        "what an iteration writes is gone in the next",
        |run| {
            run.options(["--iter", "2"])
                .script("cat /left 2>/dev/null || echo clean; echo left >/left");
        },
        |record| record.is(Expect::exit(0).times(2).stdout("clean\nclean\n")),
    ),
    Scenario::new(
        "zero_iterations",
        "no iteration at all is a wrong command line, with the exit code of the runner's failures",
        |run| {
            run.options(["--iter", "0"]).command(["true"]);
        },
        |record| {
            record.is(Expect::usage(
                "error: invalid value '0' for '--iter <N>': number would be zero for non-zero \
                 type\n\nFor more information, try '--help'.\n",
            ))
        },
    ),
    Scenario::new(
        "allow_failure_false_aborts",
        "an iteration that fails is the last one",
        |run| {
            run.options(["--iter", "3"]).script("echo once; exit 3");
        },
        |record| {
            let expect = Expect::exit(3).stdout("once\n");
            record.is(expect.field("/outcome/iterations_wanted", 3))
        },
    ),
    Scenario::new(
        "allow_failure_true_continues",
        "where failures are allowed every iteration is run, and the run succeeds",
        |run| {
            run.options(["--iter", "2", "--allow-failure"])
                .script("echo again; exit 3");
        },
        |record| record.is(Expect::exit(3).times(2).whole(0).stdout("again\nagain\n")),
    ),
];
