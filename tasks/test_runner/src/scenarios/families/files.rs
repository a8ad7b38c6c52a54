//! Files that are asked for come out.

use crate::scenarios::expect::Expect;
use crate::scenarios::scenario::Scenario;

/// The size of the large file.
const LARGE: usize = 8 << 20;

/// A line of it, of sixteen bytes.
const LINE: &str = "0123456789abcde\n";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "file_output",
        "a file that is asked for is collected, with its mode",
        |run| {
            run.outputs(&["/results/one"])
                .script("umask 022; printf content >/results/one; chmod 640 /results/one");
        },
        |record| {
            record.is(Expect::exit(0)
                .file("1/files/results/one", "content")
                .field("/iterations/0/files/0/guest_path", "/results/one")
                .field("/iterations/0/files/0/mode", 0o640)
                .field("/iterations/0/files/0/bytes", 7)
                .field("/iterations/0/files/0/content/text", "content")
                .field("/iterations/0/files/0/path", "1/files/results/one"))
        },
    ),
    Scenario::new(
        "multi_file_output",
        "files and whole folders are collected, each under its own path",
        |run| {
            run.outputs(&["/results", "/etc/group", "relative"])
                .options(["--workdir", "/place"])
                .script(
                    "mkdir -p /results/deep/er; echo 1 >/results/one; echo 2 >/results/deep/two; \
                     echo 3 >/results/deep/er/three; : >/results/empty; echo 4 >relative",
                );
        },
        |record| {
            record.is(Expect::exit(0)
                .file("1/files/results/one", "1\n")
                .file("1/files/results/deep/two", "2\n")
                .file("1/files/results/deep/er/three", "3\n")
                .file("1/files/results/empty", "")
                .file("1/files/etc/group", GROUP)
                .file("1/files/place/relative", "4\n"))
        },
    ),
    Scenario::new(
        "large_file_output",
        "a file of 8 MiB is collected byte for byte",
        |run| {
            run.outputs(&["/results/large"]).script(&format!(
                "yes {} | head -c {LARGE} >/results/large",
                LINE.trim_end()
            ));
        },
        |record| {
            record.is(Expect::exit(0)
                .file("1/files/results/large", LINE.repeat(LARGE / LINE.len()))
                .field("/iterations/0/files/0/bytes", LARGE)
                .field("/iterations/0/files/0/truncated", false))
        },
    ),
    Scenario::new(
        "missing_file_output",
        "a file that is asked for and is not there is reported, and fails nothing",
        |run| {
            run.outputs(&["/results/none"]).script("echo done");
        },
        |record| {
            record.is(Expect::exit(0)
                .stdout("done\n")
                .missing("/results/none", "there is no such file"))
        },
    ),
    Scenario::new(
        "max_file_size_truncation",
        "a file beyond the limit is cut to the byte, and the result says so",
        |run| {
            run.outputs(&["/results/long"])
                .options(["--max-file-size", "5B"])
                .script("printf 0123456789 >/results/long");
        },
        |record| {
            record.is(Expect::exit(0)
                .file("1/files/results/long", "01234")
                .field("/iterations/0/files/0/bytes", 10)
                .field("/iterations/0/files/0/kept_bytes", 5)
                .field("/iterations/0/files/0/truncated", true))
        },
    ),
    Scenario::new(
        "file_output_of_a_failed_command",
        "the files of a command that fails are collected all the same",
        |run| {
            run.outputs(&["/results/log"])
                .script("echo why >/results/log; exit 9");
        },
        |record| record.is(Expect::exit(9).file("1/files/results/log", "why\n")),
    ),
];

const GROUP: &str = include_str!("../../../scenarios/shell/group");
