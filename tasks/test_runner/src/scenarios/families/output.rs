//! What the command writes comes out: all of it, unchanged, apart, and while it runs.

use nix::sys::signal::Signal;

use crate::scenarios::expect::Expect;
use crate::scenarios::invocation::Invocation;
use crate::scenarios::scenario::Scenario;

/// A flood in bytes: more than every pipe, socket and buffer on the way together.
const FLOOD: usize = 16 << 20;

/// A line of the flood, of sixteen bytes.
const LINE: &str = "0123456789abcde\n";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "stdout_capture",
        "standard output is the command's, in the result too",
        |run| {
            run.script("echo one; printf two");
        },
        |record| {
            let expect = Expect::exit(0).stdout("one\ntwo");
            record.is(expect.field("/iterations/0/stdout/content/text", "one\ntwo"))
        },
    ),
    Scenario::new(
        "stderr_capture",
        "standard error is the command's, in the result too",
        |run| {
            run.script("echo one >&2; printf two >&2");
        },
        |record| {
            let expect = Expect::exit(0).stderr("one\ntwo");
            record.is(expect.field("/iterations/0/stderr/content/text", "one\ntwo"))
        },
    ),
    Scenario::new(
        "stdout_stderr_separation",
        "what is written to both in turns stays apart and in order",
        |run| {
            run.script("for n in 1 2 3; do echo out $n; echo err $n >&2; done");
        },
        |record| {
            let expect = Expect::exit(0).stdout("out 1\nout 2\nout 3\n");
            record.is(expect.stderr("err 1\nerr 2\nerr 3\n"))
        },
    ),
    Scenario::new(
        "stderr_only",
        "standard error alone leaves standard output empty",
        |run| {
            run.script("echo only an error >&2; exit 1");
        },
        |record| record.is(Expect::exit(1).stderr("only an error\n")),
    ),
    Scenario::new(
        "empty_output",
        "a command that writes nothing has empty outputs, not missing ones",
        |run| {
            run.command(["true"]);
        },
        |record| {
            let expect = Expect::exit(0).field("/iterations/0/stdout/content/text", "");
            record.is(expect.field("/iterations/0/stderr/content/text", ""))
        },
    ),
    Scenario::new(
        "binary_output",
        "bytes of any value come out identical on both outputs",
        |run| {
            let digits = hex::encode(every_byte());
            run.script(&format!(
                "echo {digits} | xxd -r -p >/results/bytes; cat /results/bytes; \
                 cat /results/bytes >&2"
            ));
        },
        |record| {
            let expect = Expect::exit(0).stdout(every_byte()).stderr(every_byte());
            record.is(expect.field_that(
                "/iterations/0/stdout/content/base64",
                "the bytes in base64",
                |value| value.as_str().is_some_and(|text| text.len() == 344),
            ))
        },
    ),
    Scenario::new(
        "output_flood",
        "16 MiB on standard output come out complete",
        |run| {
            run.script(&format!("yes '{}' | head -c {FLOOD}", LINE.trim_end()));
        },
        |record| {
            let expect = Expect::exit(0).stdout(LINE.repeat(FLOOD / LINE.len()));
            record.is(expect.field("/iterations/0/stdout/bytes", FLOOD))
        },
    ),
    Scenario::new(
        "max_output_size_truncation",
        "output beyond the limit is cut to the byte, and the result says so",
        |run| {
            run.options(["--max-output-size", "1000B"])
                .script("yes | head -c 100000");
        },
        |record| {
            record.is(Expect::exit(0)
                .stdout("y\n".repeat(500))
                .cut(99_000)
                .warning(
                    "standard output was cut: 1000 of 100000 bytes were kept (--max-output-size)",
                )
                .field("/iterations/0/stdout/bytes", 100_000)
                .field("/iterations/0/stdout/kept_bytes", 1000)
                .field("/iterations/0/stdout/truncated", true))
        },
    ),
    Scenario::driven(
        "interleaved_streaming",
        "a line is seen on the host while the command still runs",
        |stage| {
            let mut invocation = Invocation::new();
            invocation.script("echo early; exec sleep 1000");
            let mut running = stage.start(&invocation)?;
            running.wait_for("early\n")?;
            let runs = running.is_running()?;
            stage.observe("the command still runs", runs);
            running.signal(Signal::SIGTERM)?;
            stage.finish(running).map(|_| ())
        },
        |record| {
            record.saw("the command still runs", true)?;
            record.is(Expect::interrupt(15, Some(15)).stdout("early\n"))
        },
    ),
];

fn every_byte() -> Vec<u8> {
    (0..=255).collect()
}
