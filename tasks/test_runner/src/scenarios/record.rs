//! What a scenario left behind: everything that its check looks at, and nothing else.
//!
//! A check is a pure function of a record. So it can be tried on records of a broken runner, which
//! nobody has to build: they are real records with one thing changed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::backend::Backend;
use super::bytes::Bytes;

/// Before the JSON of a line of metrics, and after it.
const METRICS: (&str, &str) = ("---BENCHER_METRICS:", "---");

/// Before the runner's own error.
const ERROR: &str = "runner: error: ";

/// Before a line of what the runner says it does.
const LOG: &str = "runner: ";

/// Before a line of a console below such an error.
const CONSOLE: &str = "    | ";

/// A scenario's runs and what was seen meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Where it ran.
    pub(crate) backend: Backend,
    /// The host it ran on.
    pub(crate) host: HostFacts,
    /// Each `runner run`, in the order of their starts.
    pub(crate) runs: Vec<Run>,
    /// What was seen while they ran, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) observed: Map<String, Value>,
    /// What the check has looked at in the result documents: run and JSON pointer.
    #[serde(skip)]
    pub(crate) looked: RefCell<Vec<(usize, String)>>,
}

/// What a guest must not share with the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostFacts {
    /// As `uname -r` prints it.
    pub(crate) kernel_release: String,
    /// As `hostname` prints it.
    pub(crate) hostname: String,
    /// The kernel's random name of this boot.
    pub(crate) boot_id: String,
}

/// One `runner run` from its start to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// How the process ended.
    pub(crate) exit: Exit,
    /// Its standard output.
    pub(crate) stdout: Bytes,
    /// Its standard error.
    pub(crate) stderr: Bytes,
    /// The result document, if it wrote one.
    pub(crate) result: Option<Value>,
    /// What is in the output folder beside the result, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) files: BTreeMap<String, Bytes>,
    /// Run folders and processes that were there after the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_over: Vec<String>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Run {
    /// The value at a JSON pointer of the result document.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Value> {
        self.result.as_ref()?.pointer(pointer)
    }

    /// The iterations of the result document.
    pub(crate) fn iterations(&self) -> &[Value] {
        self.at("/iterations")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Standard error taken apart.
    pub(crate) fn said(&self) -> Said {
        Said::of(&self.stderr.short().unwrap_or_default())
    }
}

/// Standard error of a quiet runner: the command's bytes, metrics, and the runner's own error.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Said {
    /// What the command wrote, with a line end if it wrote none before the metrics.
    pub(crate) command: Vec<u8>,
    /// The metrics of each iteration.
    pub(crate) metrics: Vec<Value>,
    /// The runner's error without its label: a line, and those of a console that belong to it.
    pub(crate) error: Option<String>,
}

impl Said {
    fn of(stderr: &[u8]) -> Self {
        let mut said = Self::default();
        for line in stderr.split_inclusive(|&byte| byte == b'\n') {
            let text = std::str::from_utf8(line)
                .map(str::trim_end)
                .unwrap_or_default();
            if let Some(metrics) = metrics_of(text) {
                said.metrics.push(metrics);
                continue;
            }
            match (&mut said.error, text.strip_prefix(ERROR)) {
                (None, Some(error)) => said.error = Some(error.to_owned()),
                (Some(error), None) if text.starts_with(CONSOLE) => {
                    error.push('\n');
                    error.push_str(text);
                }
                _ => said.command.extend_from_slice(line),
            }
        }
        said
    }
}

impl Said {
    /// Takes the lines of a runner that talks out of what else is the command's.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        let mut command = Vec::new();
        for line in self.command.split_inclusive(|&byte| byte == b'\n') {
            let text = std::str::from_utf8(line).unwrap_or_default();
            match text.strip_prefix(LOG) {
                Some(said) => log.push(said.trim_end().to_owned()),
                None => command.extend_from_slice(line),
            }
        }
        self.command = command;
        log
    }
}

fn metrics_of(line: &str) -> Option<Value> {
    let json = line.strip_prefix(METRICS.0)?.strip_suffix(METRICS.1)?;
    serde_json::from_str(json).ok()
}

impl HostFacts {
    /// This host.
    pub(crate) fn here() -> Self {
        let read = |name: &str| {
            let path = format!("/proc/sys/kernel/{name}");
            // A kernel always has these; where one is hidden nothing can be compared with it.
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.trim().to_owned()
        };
        Self {
            kernel_release: read("osrelease"),
            hostname: read("hostname"),
            boot_id: read("random/boot_id"),
        }
    }
}

/// Longer texts are only known by their digests.
const LONGEST_TEXT: usize = 4096;

fn without_long_texts(result: &mut Value) {
    let iterations = result["iterations"].as_array_mut();
    for iteration in iterations.into_iter().flatten() {
        for name in ["stdout", "stderr"] {
            let content = &mut iteration[name]["content"];
            let length = content["text"].as_str().map_or(0, str::len);
            if length > LONGEST_TEXT {
                *content = Value::Null;
            }
        }
    }
}

/// Without a machine the kernel of each iteration is the host's.
fn without_release(result: &mut Value) {
    let iterations = result["iterations"].as_array_mut();
    for iteration in iterations.into_iter().flatten() {
        iteration["kernel_release"] = Value::String(ELSEWHERE.to_owned());
    }
}

/// What records say instead of what only belongs to the machine that they were made on.
const ELSEWHERE: &str = "elsewhere";

/// Where in a result document the machine shows that it was made on.
const OF_THE_MACHINE: [&str; 8] = [
    "/image/reference",
    "/machine/vmm",
    "/machine/vmm_version",
    "/machine/kernel/origin",
    "/machine/kernel/release",
    "/host/cpu_model",
    "/host/kernel_release",
    "/runner/version",
];

impl Record {
    /// The record without what only belongs to this machine, to be kept.
    pub(crate) fn portable(mut self) -> Self {
        self.host = HostFacts {
            kernel_release: ELSEWHERE.to_owned(),
            hostname: ELSEWHERE.to_owned(),
            boot_id: ELSEWHERE.to_owned(),
        };
        for run in &mut self.runs {
            for pointer in OF_THE_MACHINE {
                let value = run.result.as_mut().and_then(|it| it.pointer_mut(pointer));
                if let Some(value @ Value::String(_)) = value {
                    *value = Value::String(ELSEWHERE.to_owned());
                }
            }
            run.result.as_mut().into_iter().for_each(without_long_texts);
            if self.backend == Backend::Host {
                run.result.as_mut().into_iter().for_each(without_release);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn standard_error_is_taken_apart() {
        let text = b"one\n\xff\n---BENCHER_METRICS:{\"a\":1}---\nrunner: error: no\n    | last\n";
        let said = Said::of(text);
        assert_eq!(said.command, b"one\n\xff\n");
        assert_eq!(said.metrics, [json!({"a": 1})]);
        assert_eq!(said.error.as_deref(), Some("no\n    | last"));
        assert_eq!(Said::of(b""), Said::default());
        let mut said = Said::of(b"runner: one\nmine\nrunner: error: no\n");
        assert_eq!(said.take_log(), ["one"]);
        assert_eq!(said.command, b"mine\n");
    }

    #[test]
    fn a_portable_record_names_nothing_of_the_machine() {
        let run = Run {
            exit: Exit::Code(0),
            stdout: Bytes::of("done\n"),
            stderr: Bytes::default(),
            result: Some(
                json!({"image": {"reference": "/here/image"}, "iterations": [{"kernel_release": "1.2.3"}]}),
            ),
            files: BTreeMap::new(),
            left_over: Vec::new(),
        };
        let record = Record {
            backend: Backend::Host,
            host: HostFacts {
                kernel_release: "1.2.3".to_owned(),
                hostname: "mine".to_owned(),
                boot_id: "0-0".to_owned(),
            },
            runs: vec![run],
            observed: Map::new(),
            looked: RefCell::default(),
        };
        let text = serde_json::to_string(&record.portable()).expect("it has a form");
        for own in ["1.2.3", "mine", "0-0", "/here"] {
            assert!(!text.contains(own), "{own} in {text}");
        }
    }
}
