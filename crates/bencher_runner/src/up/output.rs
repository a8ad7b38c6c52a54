//! From what an iteration left to what the server is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use bencher_channel_protocol::{IterationOutput, JobConfig, RESERVED_OUTPUT};
use serde_json::{Map, Value, json};

use crate::result::{Content, EndedBy, FileOutput, Iteration, StoredText};

/// What a job asks of its iterations' outputs.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    paths: Vec<String>,
    build_time: bool,
    file_size: bool,
}

impl Wanted {
    pub(super) fn of(config: &JobConfig) -> Self {
        Self {
            paths: config.file_paths.clone().unwrap_or_default(),
            build_time: config.build_time == Some(true),
            file_size: config.file_size == Some(true),
        }
    }

    /// What the server is told of `iteration`, whose `command` it was, and whose longer outputs are in
    /// `folder`.
    pub(super) fn output(
        &self,
        iteration: &Iteration,
        command: &[Vec<u8>],
        folder: &Path,
    ) -> IterationOutput {
        let mut files = BTreeMap::new();
        if !self.file_size {
            for (name, file) in self.names(&iteration.files) {
                files.insert(name, text(&file.content, folder));
            }
        }
        if let Some(metrics) = self.metrics(iteration, command) {
            files.insert(RESERVED_OUTPUT.to_owned(), metrics);
        }
        let mut stderr = text(&iteration.stderr, folder);
        for missing in &iteration.missing {
            let (path, reason) = (&missing.guest_path, &missing.reason);
            let mark =
                format!("\n[the runner did not collect all of the output {path}: {reason}]\n");
            stderr.push_str(&mark);
        }
        let filled = |text: String| (!text.is_empty()).then_some(text);
        IterationOutput {
            exit_code: iteration.exit_code.into(),
            stdout: filled(text(&iteration.stdout, folder)),
            stderr: filled(stderr),
            output: (!files.is_empty()).then_some(files),
        }
    }

    /// Files by their names. Where two would have the same, as one that was asked for and one in a
    /// folder that was, the later one has its whole path.
    fn names<'a>(&self, files: &'a [FileOutput]) -> Vec<(String, &'a FileOutput)> {
        let mut taken = BTreeSet::new();
        let unique = |file: &'a FileOutput| {
            let mut name = self.name(file);
            if !taken.insert(name.clone()) {
                name.clone_from(&file.guest_path);
            }
            (name, file)
        };
        files.iter().map(unique).collect()
    }

    /// A file is called as it was asked for.
    fn name(&self, file: &FileOutput) -> String {
        let found = &file.guest_path;
        let is_it = |asked: &&String| {
            let asked = asked.trim_start_matches("./");
            found == asked
                || (!asked.starts_with('/')
                    && found
                        .strip_suffix(asked)
                        .is_some_and(|rest| rest.ends_with('/')))
        };
        self.paths.iter().find(is_it).unwrap_or(found).clone()
    }

    /// What was measured, in Bencher Metric Format.
    fn metrics(&self, iteration: &Iteration, command: &[Vec<u8>]) -> Option<String> {
        let mut benchmarks = Map::new();
        if self.build_time
            && let Some(resources) = &iteration.resources
        {
            let words: Vec<_> = command
                .iter()
                .map(|word| String::from_utf8_lossy(word))
                .collect();
            let measure = json!({"build-time": {"value": seconds(resources.wall_ns)}});
            benchmarks.insert(words.join(" "), measure);
        }
        if self.file_size {
            for (name, file) in self.short_names(&iteration.files) {
                let measure = json!({"value": file.content.bytes});
                let of_name = benchmarks.entry(name).or_insert_with(|| json!({}));
                of_name["file-size"] = measure;
            }
        }
        (!benchmarks.is_empty()).then(|| Value::from(benchmarks).to_string())
    }

    /// Files by their last names, or as they were asked for where two have the same.
    fn short_names<'a>(&self, files: &'a [FileOutput]) -> Vec<(String, &'a FileOutput)> {
        let last = |file: &FileOutput| {
            let path = &file.guest_path;
            path.rsplit('/').next().unwrap_or(path).to_owned()
        };
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for file in files {
            *seen.entry(last(file)).or_default() += 1;
        }
        let name = |(name, file)| match seen.get(&last(file)) {
            Some(1) => (last(file), file),
            _ => (name, file),
        };
        self.names(files).into_iter().map(name).collect()
    }
}

/// Nanoseconds as seconds with two decimals.
fn seconds(nanoseconds: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "hundredths of seconds of many years fit"
    )]
    let hundredths = (nanoseconds.saturating_add(5_000_000) / 10_000_000) as f64;
    hundredths / 100.0
}

/// What was kept, as text; what is not UTF-8 is replaced by U+FFFD. What can not be read says so.
fn text(content: &Content, folder: &Path) -> String {
    let mut text = match (&content.content, &content.path) {
        (Some(StoredText::Text(text)), _) => text.clone(),
        (Some(StoredText::Base64(text)), _) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        }
        (None, Some(path)) => read(&folder.join(path), content.kept_bytes),
        (None, None) => String::new(),
    };
    if content.truncated {
        let missing = content.bytes.saturating_sub(content.kept_bytes);
        let mark = format!("\n[the runner cut {missing} bytes here]\n");
        text.push_str(&mark);
    }
    text
}

fn read(path: &Path, most: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("\n[the runner failed to read this: {error}]\n"),
    }
}

/// Why a job fails whose last iteration this is, unless it may.
pub(super) fn failure(iteration: &Iteration) -> Option<String> {
    let index = iteration.index;
    let code = iteration.exit_code;
    match iteration.ended_by {
        EndedBy::Exit if code == 0 => None,
        EndedBy::Exit => Some(format!("iteration {index} ended with the exit code {code}")),
        EndedBy::Signal => Some(format!(
            "iteration {index} was ended by the signal {}",
            iteration.signal.unwrap_or_default()
        )),
        EndedBy::NotStarted => Some(format!(
            "iteration {index} did not start: {}",
            iteration
                .error
                .as_deref()
                .unwrap_or("the command can not be executed")
        )),
        EndedBy::Timeout => Some(format!("iteration {index} took longer than its timeout")),
        EndedBy::Interrupt => Some(format!("iteration {index} was interrupted")),
        EndedBy::Failure => Some(format!(
            "iteration {index} failed: {}",
            iteration
                .error
                .as_deref()
                .unwrap_or("the runner does not know why")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_takes_the_place_of_another() {
        let mut iteration = iteration();
        let mut inner = iteration.files[0].clone();
        "/work/out/r.json".clone_into(&mut inner.guest_path);
        iteration.files.push(inner);
        let command = [b"true".to_vec()];
        let names = |file_size| {
            let wanted = wanted(false, file_size);
            let output = wanted.output(&iteration, &command, Path::new("/nonexistent"));
            output.output.unwrap()
        };
        let expected = ["/a/x", "/b/x", "/work/out/r.json", "r.json"];
        assert_eq!(names(false).into_keys().collect::<Vec<_>>(), expected);
        let sizes: Map<String, Value> =
            serde_json::from_str(&names(true)[RESERVED_OUTPUT]).unwrap();
        assert_eq!(sizes.len(), 4, "{sizes:?}");
    }

    fn iteration() -> Iteration {
        let content = |text: &str| {
            json!({"bytes": text.len(), "kept_bytes": text.len(), "truncated": false, "sha256": "",
                   "content": {"text": text}, "path": null})
        };
        let file = |path: &str, text: &str| {
            let mut file = content(text);
            file["guest_path"] = path.into();
            file["mode"] = 0o644.into();
            file
        };
        serde_json::from_value(json!({
            "index": 1, "ended_by": "exit", "exit_code": 0, "signal": null, "error": null,
            "spans": {"before_ms": 0.0, "copy_ms": 0.0, "start_ms": 0.0, "shutdown_ms": 0.0},
            "resources": {"wall_ns": 1_234_999_999_u64, "max_rss_bytes": 0, "minor_faults": 0, "major_faults": 0,
                "voluntary_switches": 0, "involuntary_switches": 0, "read_bytes": 0, "write_bytes": 0,
                "oom_kills": 0},
            "retried": false,
            "stdout": content("out"), "stderr": content(""),
            "files": [file("/work/r.json", "{}"), file("/a/x", "1"), file("/b/x", "22")],
            "missing": [{"guest_path": "/none", "reason": "no such file"}],
            "warnings": [],
        }))
        .unwrap()
    }

    fn wanted(build_time: bool, file_size: bool) -> Wanted {
        Wanted {
            paths: vec!["r.json".to_owned(), "/a/x".to_owned(), "/b/x".to_owned()],
            build_time,
            file_size,
        }
    }

    fn output(wanted: &Wanted) -> IterationOutput {
        let command = [b"cargo".to_vec(), b"build".to_vec()];
        wanted.output(&iteration(), &command, Path::new("/nonexistent"))
    }

    #[test]
    fn files_are_called_as_they_were_asked_for() {
        let output = output(&wanted(false, false));
        assert_eq!(output.exit_code, 0);
        assert_eq!(output.stdout.as_deref(), Some("out"));
        let stderr = output.stderr.unwrap();
        assert!(
            stderr.contains("did not collect all of the output /none: no such file"),
            "{stderr}"
        );
        let files = output.output.unwrap();
        assert_eq!(
            files.into_iter().collect::<Vec<_>>(),
            [("/a/x", "1"), ("/b/x", "22"), ("r.json", "{}"),]
                .map(|(path, text)| (path.to_owned(), text.to_owned()))
        );
    }

    #[test]
    fn what_is_measured_is_under_the_reserved_key() {
        let metrics = |build_time, file_size| {
            let files = output(&wanted(build_time, file_size)).output.unwrap();
            let metrics: Value = serde_json::from_str(&files[RESERVED_OUTPUT]).unwrap();
            (files.len(), metrics)
        };
        let build_time = json!({"cargo build": {"build-time": {"value": 1.23}}});
        assert_eq!(metrics(true, false), (4, build_time));
        let sizes = json!({
            "r.json": {"file-size": {"value": 2}},
            "/a/x": {"file-size": {"value": 1}},
            "/b/x": {"file-size": {"value": 2}},
        });
        assert_eq!(metrics(false, true), (1, sizes));
        assert_eq!(
            metrics(true, true).1["cargo build"]["build-time"]["value"],
            1.23
        );
    }

    #[test]
    fn seconds_have_two_decimals() {
        for (nanoseconds, expected) in [
            (0, 0.0),
            (4_999_999, 0.0),
            (5_000_000, 0.01),
            (1_235_000_000, 1.24),
        ] {
            assert!(
                (seconds(nanoseconds) - expected).abs() < 1e-9,
                "{nanoseconds}"
            );
        }
    }

    #[test]
    fn what_was_kept_is_found_inline_and_in_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("stdout"), b"abc\xff").unwrap();
        let mut content = Content {
            bytes: 4,
            kept_bytes: 4,
            path: Some("stdout".to_owned()),
            ..Content::default()
        };
        assert_eq!(text(&content, folder.path()), "abc\u{fffd}");
        content.bytes = 10;
        content.truncated = true;
        assert!(text(&content, folder.path()).ends_with("\n[the runner cut 6 bytes here]\n"));
        content.path = Some("gone".to_owned());
        assert!(text(&content, folder.path()).contains("failed to read this"));
        content.content = Some(StoredText::Base64("/wA=".to_owned()));
        assert!(text(&content, folder.path()).starts_with("\u{fffd}\0"));
    }

    #[test]
    fn failures_say_what_happened() {
        for (ended_by, code, signal, expected) in [
            (EndedBy::Exit, 0, None, None),
            (EndedBy::Exit, 3, None, Some("ended with the exit code 3")),
            (EndedBy::Signal, 137, Some(9), Some("ended by the signal 9")),
            (EndedBy::Timeout, 124, None, Some("longer than its timeout")),
            (EndedBy::NotStarted, 127, None, Some("did not start")),
            (EndedBy::Failure, 125, None, Some("failed")),
            (EndedBy::Interrupt, 143, None, Some("interrupted")),
        ] {
            let mut iteration = iteration();
            (iteration.ended_by, iteration.exit_code, iteration.signal) = (ended_by, code, signal);
            let failure = failure(&iteration);
            assert_eq!(failure.is_some(), expected.is_some(), "{ended_by:?}");
            assert!(
                failure
                    .unwrap_or_default()
                    .contains(expected.unwrap_or_default())
            );
        }
    }
}
