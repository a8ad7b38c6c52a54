//! A command runs, and the exit code says how it ended.

use serde_json::{Value, json};

use crate::scenarios::expect::{Checked, Expect};
use crate::scenarios::record::Record;
use crate::scenarios::scenario::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "basic_execution",
        "a command runs, and its output is the runner's",
        |run| {
            run.command(["echo", "hello"]);
        },
        |record| record.is(Expect::exit(0).stdout("hello\n")),
    ),
    Scenario::new(
        "exit_code",
        "the command's exit code is the runner's",
        |run| {
            run.script("exit 42");
        },
        |record| record.is(Expect::exit(42)),
    ),
    Scenario::new(
        "exit_code_255",
        "the largest exit code is not taken for anything else",
        |run| {
            run.script("exit 255");
        },
        |record| record.is(Expect::exit(255)),
    ),
    Scenario::new(
        "signal_exit",
        "a command that SIGKILL ends gives 137",
        |run| {
            run.script("echo before; kill -9 $$");
        },
        |record| record.is(Expect::signal(9).stdout("before\n")),
    ),
    Scenario::new(
        "signal_exit_segv",
        "a command that SIGSEGV ends gives 139",
        |run| {
            run.script("kill -SEGV $$");
        },
        |record| record.is(Expect::signal(11)),
    ),
    Scenario::new(
        "rapid_exit",
        "a command that ends at once loses nothing, again and again",
        |run| {
            run.options(["--iter", "3"]).command(["echo", "quick"]);
        },
        |record| {
            let expect = Expect::exit(0).times(3);
            record.is(expect.stdout("quick\nquick\nquick\n"))
        },
    ),
    Scenario::new(
        "command_not_found",
        "a command that is not in the image gives 127 and says so",
        |run| {
            run.command(["no-such-program"]);
        },
        |record| {
            let expect = Expect::not_started(127);
            record.is(expect.field(
                "/iterations/0/error",
                "there is no \"no-such-program\" in PATH (/bin)",
            ))
        },
    ),
    Scenario::new(
        "command_not_executable",
        "a file that is no program gives 126 and says so",
        |run| {
            run.command(["/etc/passwd"]);
        },
        |record| {
            record.is(Expect::not_started(126).field_that(
                "/iterations/0/error",
                "\"/etc/passwd\" may not be executed …",
                |error| {
                    let text = error.as_str().unwrap_or_default();
                    text.starts_with("\"/etc/passwd\" may not be executed by this user")
                },
            ))
        },
    ),
    Scenario::new(
        "completed_with_all_fields",
        "the result says what ran, where, within which limits, how it ended, and what it used",
        |run| {
            run.options(["--timeout", "77", "--max-file-count", "5"])
                .command(["echo", "all"]);
        },
        all_fields,
    ),
];

fn all_fields(record: &Record) -> Checked {
    let digest = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.strip_prefix("sha256:")
            .is_some_and(|it| it.len() == 64)
    };
    let positive = |value: &Value| value.as_f64().is_some_and(|number| number > 0.0);
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let mut expect = Expect::exit(0)
        .stdout("all\n")
        .field("/version", 1)
        .field("/runner/name", "bencher_runner")
        .field_that("/started_at", "a moment after 2020", |value| {
            value.as_u64() > Some(1_577_836_800)
        })
        .field_that("/image/reference", "the image", text)
        .field_that("/image/manifest_digest", "a digest", digest)
        .field_that("/image/config_digest", "a digest", digest)
        .field("/image/platform", "linux/amd64")
        .field_that("/image/diff_ids/0", "a digest", digest)
        .field_that("/image/rootfs_key", "a key", text)
        .field("/command/arguments", json!(["echo", "all"]))
        .field("/command/environment", json!(["PATH"]))
        .field("/command/working_directory", "/")
        .field("/command/user", "")
        .field("/host/architecture", "x86_64")
        .field_that("/host/cpus", "a number of CPUs", positive)
        .field("/limits/timeout_seconds", 77.0)
        .field("/limits/boot_timeout_seconds", 60.0)
        .field("/limits/grace_period_seconds", 5.0)
        .field("/limits/max_output_bytes", 4_u64 << 30)
        .field("/limits/max_file_count", 5)
        .field("/limits/max_file_bytes", 1 << 30)
        .field("/outcome/iterations_wanted", 1)
        .field_that("/iterations/0/resources/wall_ns", "a duration", positive)
        .field_that("/iterations/0/resources/max_rss_bytes", "a size", positive)
        .field_that("/iterations/0/resources/minor_faults", "faults", positive)
        .field("/iterations/0/resources/oom_kills", 0)
        .field_that("/iterations/0/spans/command_ms", "a duration", positive)
        .field("/iterations/0/stdout/content/text", "all\n")
        .field("/iterations/0/stderr/content/text", "");
    if record.backend.is_machine() {
        expect = expect
            .field("/machine/vcpus", 1)
            .field("/machine/memory_bytes", 512 << 20)
            .field("/machine/disk_bytes", 1 << 30)
            .field_that("/machine/vmm", "a program", text)
            .field_that("/machine/vmm_version", "a version", text)
            .field_that("/machine/kernel/release", "a release", text)
            .field_that("/machine/kernel/sha256", "a digest", text)
            .field_that("/iterations/0/spans/boot_ms", "a duration", positive)
            .field_that("/iterations/0/resources/cpu_us", "a duration", positive)
            .field_that(
                "/iterations/0/resources/memory_peak_bytes",
                "a size",
                positive,
            );
    }
    record.is(expect)
}
