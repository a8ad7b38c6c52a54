//! What of an iteration's outputs is read for metrics, while it comes and once it is there.

use bencher_adapters::{Adapter, AdapterError, Report};

use super::choice::{AdapterChoice, Source};
use super::translate::metrics;
use crate::printable::one_line;
use crate::result::harness::{HarnessMetric, checked};
use crate::result::{Harness, Iteration};

/// The most bytes that are read of an iteration: 16 MiB.
pub(super) const MOST_BYTES: usize = 16 << 20;

/// Bytes that an adapter is to read.
#[derive(Debug)]
pub(crate) struct Inputs {
    choice: AdapterChoice,
    source: Source,
    /// Each file with its path, or standard output.
    list: Vec<(Option<String>, Vec<u8>)>,
    /// Whether the bytes that come are of the last file of the list.
    is_open: bool,
    room: usize,
    is_too_large: bool,
}

impl Inputs {
    /// Those that `choice` reads of a command that runs in `working_directory`.
    pub(crate) fn new(choice: &AdapterChoice, working_directory: &str) -> Self {
        let source = choice.source(working_directory);
        let list = match source {
            Source::Stdout => vec![(None, Vec::new())],
            Source::File(_) => Vec::new(),
        };
        Self {
            choice: choice.clone(),
            source,
            list,
            is_open: false,
            room: MOST_BYTES,
            is_too_large: false,
        }
    }

    /// Whether the file `path` is one of them.
    pub(super) fn takes(&self, path: &str) -> bool {
        self.source.takes(path, self.choice.adapter)
    }

    /// Whether standard output is what is read.
    pub(super) fn takes_stdout(&self) -> bool {
        self.source == Source::Stdout
    }

    /// Takes bytes of standard output.
    pub(crate) fn stdout(&mut self, bytes: &[u8]) {
        if self.takes_stdout() {
            self.push(bytes);
        }
    }

    /// Begins a file.
    pub(crate) fn file_begin(&mut self, path: &str) {
        self.is_open = self.takes(path);
        if self.is_open {
            self.list.push((Some(path.to_owned()), Vec::new()));
        }
    }

    /// Takes bytes of the file that was begun.
    pub(crate) fn file_data(&mut self, bytes: &[u8]) {
        if self.is_open {
            self.push(bytes);
        }
    }

    /// Ends the file.
    pub(crate) fn file_end(&mut self) {
        self.is_open = false;
    }

    fn push(&mut self, bytes: &[u8]) {
        if bytes.len() > self.room {
            // Half of it would say something else.
            self.is_too_large = true;
            self.room = 0;
            self.list
                .iter_mut()
                .for_each(|(_, kept)| *kept = Vec::new());
            return;
        }
        self.room -= bytes.len();
        if let Some((_, kept)) = self.list.last_mut() {
            kept.extend_from_slice(bytes);
        }
    }

    /// The metrics that are in it, or why there are none. `iteration` is the one that it is of.
    pub(crate) fn read(&self, iteration: &Iteration) -> Harness {
        let mut harness = Harness {
            source: self.source.name().to_owned(),
            ..Harness::default()
        };
        match self.find(iteration) {
            Ok((adapter, metrics)) => {
                harness.adapter = Some(adapter.name().to_owned());
                harness.metrics = metrics;
            }
            Err(reason) => harness.error = Some(one_line(&reason)),
        }
        harness
    }

    fn find(&self, iteration: &Iteration) -> Result<(Adapter, Vec<HarnessMetric>), String> {
        if self.is_too_large {
            return Err(format!(
                "{} has more than the {MOST_BYTES} bytes that adapters read: let the harness write less, \
                 or its results alone",
                self.source
            ));
        }
        self.check_whole(iteration)?;
        let mut found: Option<Adapter> = None;
        let mut all = Vec::new();
        for (path, bytes) in &self.list {
            let what = path.as_deref().unwrap_or("standard output");
            let adapter = self.choice.adapter.or(found);
            let (adapter, report) = parse(adapter, bytes, path.as_deref(), what)?;
            found = Some(adapter);
            all.extend(metrics(&report));
        }
        let adapter = found.ok_or_else(|| self.absent(iteration))?;
        let metrics = checked(all).map_err(|error| format!("{}: {error}", self.source))?;
        Ok((adapter, metrics))
    }

    fn check_whole(&self, iteration: &Iteration) -> Result<(), String> {
        let is_cut = match &self.source {
            Source::Stdout => iteration.stdout.truncated,
            Source::File(_) => {
                let mut read = iteration
                    .files
                    .iter()
                    .filter(|file| self.takes(&file.guest_path));
                read.any(|file| file.content.truncated)
            }
        };
        if is_cut {
            return Err(format!(
                "{} was cut, so that it is not the harness's whole output: raise --max-output-size, \
                 --max-file-size or --max-total-file-size",
                self.source
            ));
        }
        Ok(())
    }

    fn absent(&self, iteration: &Iteration) -> String {
        let missing = iteration.missing.first();
        let why = missing.map_or_else(
            || "there is no such file among those that were collected".to_owned(),
            |missing| missing.reason.clone(),
        );
        format!(
            "{} was not read: {why}; check that the harness writes it there, and that --output collects it",
            self.source
        )
    }
}

fn parse(
    adapter: Option<Adapter>,
    bytes: &[u8],
    path: Option<&str>,
    what: &str,
) -> Result<(Adapter, Report), String> {
    let (adapter, looks_like) = if let Some(adapter) = adapter {
        (adapter, String::new())
    } else {
        let found = Adapter::detect(bytes);
        let adapter = found.map_err(|error| not_understood(&error, bytes, what))?;
        (adapter, format!(" (it looks like {adapter})"))
    };
    let report = adapter
        .parse(bytes, path)
        .map_err(|error| format!("{what}{looks_like}: {error}"))?;
    Ok((adapter, report))
}

fn not_understood(error: &AdapterError, bytes: &[u8], what: &str) -> String {
    if bytes.trim_ascii().is_empty() {
        return format!(
            "{what} is empty: let the harness print its results, or name the file that it writes with \
             --adapter NAME=FILE"
        );
    }
    match error {
        AdapterError::Unknown => format!(
            "no adapter understands {what}; tried were {}: name the one of the harness with --adapter NAME, \
             let nothing but its results be printed, or name the file that it writes with --adapter NAME=FILE",
            AdapterChoice::names()
        ),
        other => format!("{what}: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Content, FileOutput, MissingOutput};

    const LINES: &[u8] = b"sort 5 ns\nsort 7 ns\n";

    fn inputs(choice: &str) -> Inputs {
        Inputs::new(&choice.parse().unwrap(), "/w")
    }

    fn of_stdout(choice: &str, bytes: &[u8]) -> Harness {
        let mut inputs = inputs(choice);
        for byte in bytes.chunks(3) {
            inputs.stdout(byte);
        }
        inputs.read(&Iteration::default())
    }

    fn error(harness: Harness) -> String {
        assert!(harness.metrics.is_empty());
        harness.error.unwrap()
    }

    #[test]
    fn standard_output_is_read_when_it_is_whole() {
        for choice in ["auto", "lines"] {
            let found = of_stdout(choice, LINES);
            assert_eq!(found.error, None);
            assert_eq!(found.adapter.as_deref(), Some("lines"));
            assert_eq!(found.source, "stdout");
            assert_eq!(found.metric("sort/latency").unwrap().values, [5.0, 7.0]);
        }
        let cut = Iteration {
            stdout: Content {
                truncated: true,
                ..Content::default()
            },
            ..Iteration::default()
        };
        let mut inputs = inputs("auto");
        inputs.stdout(LINES);
        assert!(error(inputs.read(&cut)).starts_with("standard output was cut"));
    }

    #[test]
    fn what_no_adapter_understands_is_said_with_what_was_tried() {
        let message = error(of_stdout("auto", b"hello\nworld\n"));
        for part in ["tried were bencher, criterion,", "--adapter NAME=FILE"] {
            assert!(message.contains(part), "{message}");
        }
        let message = error(of_stdout("auto", b" \n"));
        assert!(message.starts_with("standard output is empty"), "{message}");
        let message = error(of_stdout("hyperfine", b"hello\n"));
        assert!(
            message.starts_with("standard output: the output is no hyperfine"),
            "{message}"
        );
        let message = error(of_stdout("auto", b"{\"results\": [{}]}"));
        assert!(
            message.starts_with("standard output (it looks like hyperfine):"),
            "{message}"
        );
    }

    #[test]
    fn files_are_read_wherever_they_came() {
        let mut inputs = inputs("auto=out");
        inputs.stdout(b"nonsense");
        for (path, bytes) in [
            ("/w/out/one", LINES),
            ("/w/other", b"nonsense"),
            ("/w/out/two", b"find 1 ns\n"),
        ] {
            inputs.file_begin(path);
            inputs.file_data(bytes);
            inputs.file_end();
            inputs.file_data(b"nonsense");
        }
        let found = inputs.read(&Iteration::default());
        assert_eq!(found.error, None);
        assert_eq!(found.source, "/w/out");
        let names: Vec<_> = found.metrics.iter().map(HarnessMetric::name).collect();
        assert_eq!(names, ["find/latency", "sort/latency"]);
        inputs.file_begin("/w/out/three");
        inputs.file_data(LINES);
        let message = error(inputs.read(&Iteration::default()));
        assert!(
            message.contains("two metrics are called sort/latency"),
            "{message}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = Iteration {
            missing: vec![MissingOutput {
                guest_path: "/w/out".to_owned(),
                reason: "No such file or directory".to_owned(),
            }],
            ..Iteration::default()
        };
        let message = error(inputs("auto=out").read(&missing));
        assert!(
            message.starts_with("/w/out was not read: No such file or directory;"),
            "{message}"
        );
        let cut = Iteration {
            files: vec![FileOutput {
                guest_path: "/w/out".to_owned(),
                mode: 0o644,
                content: Content {
                    truncated: true,
                    ..Content::default()
                },
            }],
            ..Iteration::default()
        };
        let message = error(inputs("auto=out").read(&cut));
        assert!(message.starts_with("/w/out was cut"), "{message}");
    }

    #[test]
    fn more_than_is_read_takes_no_memory() {
        let mut inputs = inputs("auto");
        let chunk = vec![b'\n'; 1 << 20];
        for _ in 0..20 {
            inputs.stdout(&chunk);
        }
        assert!(inputs.list.iter().all(|(_, kept)| kept.capacity() == 0));
        let message = error(inputs.read(&Iteration::default()));
        assert!(
            message.starts_with("standard output has more than the 16777216 bytes"),
            "{message}"
        );
    }
}
