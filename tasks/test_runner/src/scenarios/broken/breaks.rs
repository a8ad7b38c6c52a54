//! What a broken runner might do to any record.

use serde_json::{Value, json};

use crate::scenarios::bytes::Bytes;
use crate::scenarios::record::{Exit, Record, Run};

/// One way to be broken: every record that may come of a good one.
pub(super) struct Broken {
    pub(super) name: &'static str,
    pub(super) make: fn(&Record) -> Vec<Record>,
}

pub(super) const BREAKS: &[Broken] = &[
    Broken {
        name: "another exit code",
        make: |record| {
            each_run(record, |run| {
                run.exit = match run.exit {
                    Exit::Code(code) => Exit::Code((code + 1) % 256),
                    Exit::Signal(signal) => Exit::Code(128 + signal),
                };
            })
        },
    },
    Broken {
        name: "the runner crashes",
        make: |record| each_run(record, |run| run.exit = Exit::Signal(6)),
    },
    Broken {
        name: "standard output loses its last byte",
        make: |record| each_run(record, |run| shorten(&mut run.stdout)),
    },
    Broken {
        name: "standard output gains a byte",
        make: |record| each_run(record, |run| lengthen(&mut run.stdout)),
    },
    Broken {
        name: "standard output is lost",
        make: |record| each_run(record, |run| run.stdout = Bytes::default()),
    },
    Broken {
        name: "standard error gains a line of the runner's",
        make: |record| {
            each_run(record, |run| {
                with_stderr(run, |text| format!("note\n{text}"));
            })
        },
    },
    Broken {
        name: "a talking runner says nothing of host tuning",
        make: |record| {
            each_run(record, |run| {
                with_stderr(run, |text| {
                    let lines = text.split_inclusive('\n');
                    let others = lines.filter(|line| {
                        !(line.starts_with("runner: ") && line.contains("tuning"))
                            || line.starts_with("runner: error: ")
                    });
                    others.collect()
                });
            })
        },
    },
    Broken {
        name: "standard error loses a byte of the command's",
        make: |record| {
            each_run(record, |run| {
                if !run.said().command.is_empty() {
                    let bytes = run.stderr.short().unwrap_or_default();
                    run.stderr = Bytes::of(&bytes[1..]);
                }
            })
        },
    },
    Broken {
        name: "the metrics are lost",
        make: |record| {
            each_run(record, |run| {
                with_stderr(run, |text| text.replace("---BENCHER_METRICS:", "metrics: "));
            })
        },
    },
    Broken {
        name: "the metrics come twice",
        make: |record| {
            each_run(record, |run| {
                with_stderr(run, |text| {
                    let Some(begin) = text.find("---BENCHER_METRICS:") else {
                        return text.to_owned();
                    };
                    let line = text[begin..].split_inclusive('\n').next();
                    format!("{text}{}", line.unwrap_or_default())
                });
            })
        },
    },
    Broken {
        name: "the metrics' flag of a timeout is wrong",
        make: |record| {
            let no = "\"timed_out\":false";
            let yes = "\"timed_out\":true";
            [replaced(record, no, yes), replaced(record, yes, no)].concat()
        },
    },
    Broken {
        name: "the metrics' transport is wrong",
        make: |record| {
            let transport = format!("\"transport\":\"{}\"", record.backend.transport());
            replaced(record, &transport, "\"transport\":\"pigeon\"")
        },
    },
    Broken {
        name: "the metrics have no wall clock",
        make: |record| replaced(record, "\"wall_clock_ms\":", "\"wall\":"),
    },
    Broken {
        name: "the metrics' exit code is wrong",
        make: |record| replaced(record, "\"exit_code\":", "\"exit_code\":1"),
    },
    Broken {
        name: "the runner reports an error that it has not, or hides one that it has",
        make: |record| {
            each_run(record, |run| {
                with_stderr(run, |text| match text.find("runner: error: ") {
                    Some(begin) => text[..begin].to_owned(),
                    None => format!("{text}runner: error: all is lost\n"),
                });
            })
        },
    },
    Broken {
        name: "the error is another one",
        make: |record| replaced(record, "runner: error: ", "runner: error: no "),
    },
    Broken {
        name: "there is no result, or one that should not be",
        make: |record| {
            each_run(record, |run| {
                run.result = match run.result {
                    Some(_) => None,
                    None => Some(json!({})),
                };
            })
        },
    },
    Broken {
        name: "an iteration is lost",
        make: |record| {
            each_list(record, "/iterations", |list| {
                list.pop();
            })
        },
    },
    Broken {
        name: "an iteration comes twice",
        make: |record| {
            each_list(record, "/iterations", |list| {
                let last = list.last().cloned();
                list.extend(last);
            })
        },
    },
    Broken {
        name: "the story of an iteration is wrong",
        make: |record| {
            in_iterations(
                record,
                &[
                    "/ended_by",
                    "/exit_code",
                    "/signal",
                    "/index",
                    "/stdout/truncated",
                    "/stdout/kept_bytes",
                    "/stdout/bytes",
                    "/stdout/sha256",
                    "/stdout/content/text",
                    "/stderr/truncated",
                    "/stderr/kept_bytes",
                    "/stderr/sha256",
                    "/stderr/content/text",
                    "/files",
                    "/files/0/sha256",
                    "/files/0/kept_bytes",
                    "/missing",
                    "/missing/0/reason",
                    "/missing/0/guest_path",
                    "/warnings",
                    "/warnings/0",
                ],
            )
        },
    },
    Broken {
        name: "the story of the whole run is wrong",
        make: |record| {
            in_results(
                record,
                &[
                    "/outcome/exit_code",
                    "/outcome/iterations_run",
                    "/outcome/error",
                    "/machine/sandbox",
                    "/machine/accelerator",
                    "/machine/transport",
                ],
            )
        },
    },
    Broken {
        name: "a value that the scenario looks at is missing or nonsense",
        make: looked_at,
    },
    Broken {
        name: "a file is lost, cut, or one too many",
        make: files,
    },
    Broken {
        name: "something is left over, or gone that was left",
        make: |record| {
            each_run(record, |run| {
                if run.left_over.pop().is_none() {
                    run.left_over.push("a run folder".to_owned());
                }
            })
        },
    },
    Broken {
        name: "something else was seen, or nothing",
        make: seen,
    },
    Broken {
        name: "a run is lost",
        make: |record| {
            let mut broken = record.clone();
            broken.runs.pop();
            vec![broken]
        },
    },
];

/// A record for each run that `change` changes.
fn each_run(record: &Record, change: impl Fn(&mut Run)) -> Vec<Record> {
    (0..record.runs.len())
        .map(|index| {
            let mut broken = record.clone();
            change(&mut broken.runs[index]);
            broken
        })
        .filter(|broken| broken != record)
        .collect()
}

fn with_stderr(run: &mut Run, change: impl Fn(&str) -> String) {
    if let Some(text) = run.stderr.text() {
        run.stderr = Bytes::of(change(text));
    }
}

fn replaced(record: &Record, from: &str, to: &str) -> Vec<Record> {
    each_run(record, |run| {
        with_stderr(run, |text| text.replace(from, to));
    })
}

fn shorten(bytes: &mut Bytes) {
    match bytes {
        Bytes::Long { length, .. } => *length -= 1,
        other => {
            let mut short = other.short().unwrap_or_default();
            short.pop();
            *other = Bytes::of(short);
        }
    }
}

fn lengthen(bytes: &mut Bytes) {
    match bytes {
        Bytes::Long { sha256, .. } => sha256.replace_range(..1, "x"),
        other => {
            let mut short = other.short().unwrap_or_default();
            short.push(b'.');
            *other = Bytes::of(short);
        }
    }
}

fn each_list(record: &Record, pointer: &str, change: impl Fn(&mut Vec<Value>)) -> Vec<Record> {
    each_run(record, |run| {
        let list = run.result.as_mut().and_then(|it| it.pointer_mut(pointer));
        if let Some(Value::Array(list)) = list {
            change(list);
        }
    })
}

/// Another value of the same kind.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => json!(1),
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) if number.as_f64() == Some(0.0) => json!(1),
        Value::Number(_) => json!(0),
        Value::String(text) => json!(format!("{text}x")),
        Value::Array(list) if list.is_empty() => json!(["x"]),
        Value::Array(_) => json!([]),
        Value::Object(_) => json!({}),
    }
}

/// Records in which the value at each pointer is another one.
fn in_results(record: &Record, pointers: &[&str]) -> Vec<Record> {
    pointers
        .iter()
        .flat_map(|pointer| {
            each_run(record, |run| {
                let value = run.result.as_mut().and_then(|it| it.pointer_mut(pointer));
                if let Some(value) = value {
                    *value = other(value);
                }
            })
        })
        .collect()
}

fn in_iterations(record: &Record, pointers: &[&str]) -> Vec<Record> {
    let most = record.runs.iter().map(|run| run.iterations().len()).max();
    (0..most.unwrap_or(0))
        .flat_map(|index| {
            let pointers: Vec<_> = pointers
                .iter()
                .map(|pointer| format!("/iterations/{index}{pointer}"))
                .collect();
            let pointers: Vec<_> = pointers.iter().map(String::as_str).collect();
            in_results(record, &pointers)
        })
        .collect()
}

fn looked_at(record: &Record) -> Vec<Record> {
    let mut all = Vec::new();
    for (index, pointer) in record.looked.borrow().iter() {
        for nonsense in [Value::Null, json!({"nonsense": true})] {
            let mut broken = record.clone();
            let result = broken.runs[*index].result.as_mut();
            if let Some(value) = result.and_then(|it| it.pointer_mut(pointer)) {
                *value = nonsense;
            }
            all.push(broken);
        }
    }
    all.retain(|broken| broken != record);
    all
}

fn files(record: &Record) -> Vec<Record> {
    let mut all = each_run(record, |run| {
        run.files.insert("9/extra".to_owned(), Bytes::default());
    });
    for (index, run) in record.runs.iter().enumerate() {
        for path in run.files.keys() {
            let mut lost = record.clone();
            lost.runs[index].files.remove(path);
            let mut longer = record.clone();
            if let Some(bytes) = longer.runs[index].files.get_mut(path) {
                lengthen(bytes);
            }
            all.extend([lost, longer]);
        }
    }
    all
}

fn seen(record: &Record) -> Vec<Record> {
    record
        .observed
        .iter()
        .flat_map(|(name, value)| {
            let mut different = record.clone();
            different.observed.insert(name.clone(), other(value));
            let mut nothing = record.clone();
            nothing.observed.remove(name);
            [different, nothing]
        })
        .collect()
}
