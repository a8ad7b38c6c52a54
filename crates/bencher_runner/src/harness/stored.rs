//! Metrics out of a result document, whose run may not have looked for any.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::choice::AdapterChoice;
use super::inputs::{Inputs, MOST_BYTES};
use crate::result::{
    Content, Iteration, Iterations, ReadError, ResultDocument, file_of, load, parse,
};

/// Why there are no metrics in a result document.
#[derive(Debug, Error)]
pub enum ReadAgainError {
    /// It can not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An iteration has none.
    #[error("{}: there are no metrics in iteration {index}: {reason}", path.display())]
    Harness {
        /// The document.
        path: PathBuf,
        /// The number of the iteration, from 1.
        index: u32,
        /// Why.
        reason: String,
    },
}

/// Reads the result document in the file or output folder `path`, with the metrics that `choice` finds
/// in what the iterations that count wrote: that is in the document, or in the output folder that it is
/// in.
///
/// # Errors
///
/// When there is none that this runner can read, and when an iteration that counts has no metrics.
pub fn read_again(
    path: &Path,
    choice: &AdapterChoice,
) -> Result<ResultDocument<Iterations>, ReadAgainError> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        iterations: Vec<&'a RawValue>,
    }
    let path = file_of(path);
    let text = load(&path)?;
    let mut document = parse(&path, &text)?;
    let failed = |source| ReadError::Parse {
        path: path.clone(),
        source,
    };
    let raw: Raw = serde_json::from_slice(&text).map_err(failed)?;
    let command = document.setup.as_ref().map(|setup| &setup.command);
    let working_directory = command.map_or("/", |command| command.working_directory.as_str());
    let folder = path.parent().unwrap_or(Path::new(""));
    for (stripped, raw) in document.iterations.0.iter_mut().zip(raw.iterations) {
        if !stripped.counts() {
            continue;
        }
        let whole: Iteration = serde_json::from_str(raw.get()).map_err(failed)?;
        let harness = collect(Inputs::new(choice, working_directory), &whole, folder)
            .map(|inputs| inputs.read(&whole));
        let reason = match harness {
            Ok(harness) if harness.error.is_none() => {
                stripped.harness = Some(harness);
                continue;
            }
            Ok(harness) => harness.error.unwrap_or_default(),
            Err(reason) => reason,
        };
        return Err(ReadAgainError::Harness {
            index: stripped.index,
            path,
            reason,
        });
    }
    document.adapter = Some(choice.to_string());
    Ok(document)
}

/// Fills `inputs` with what `iteration` wrote.
fn collect(mut inputs: Inputs, iteration: &Iteration, folder: &Path) -> Result<Inputs, String> {
    if inputs.takes_stdout() {
        inputs.stdout(&bytes(&iteration.stdout, "standard output", folder)?);
    }
    for file in &iteration.files {
        if inputs.takes(&file.guest_path) {
            inputs.file_begin(&file.guest_path);
            inputs.file_data(&bytes(&file.content, &file.guest_path, folder)?);
            inputs.file_end();
        }
    }
    Ok(inputs)
}

/// What `content` was: it is in the document, or in a file of the output folder `folder`.
fn bytes(content: &Content, what: &str, folder: &Path) -> Result<Vec<u8>, String> {
    if let Some(stored) = &content.content {
        return stored
            .to_bytes()
            .map_err(|error| format!("{what} is no base64: {error}"));
    }
    if content.kept_bytes > MOST_BYTES as u64 {
        return Err(format!(
            "{what} has more than the {MOST_BYTES} bytes that adapters read"
        ));
    }
    let Some(relative) = content.path.as_deref().filter(|path| is_inside(path)) else {
        return Err(format!(
            "the document holds no {what} of {} bytes: what is larger than 1 MiB is in the folder of \
             --output-dir alone; run it again with --adapter",
            content.kept_bytes
        ));
    };
    let path = folder.join(relative);
    let read = read_file(&path, content.kept_bytes);
    let bytes = read.map_err(|error| {
        format!(
            "failed to read {what} in {}: {error}; name the output folder that it is in",
            path.display()
        )
    })?;
    if hex::encode(Sha256::digest(&bytes)) != content.sha256 {
        return Err(format!(
            "{} is not what was written by then",
            path.display()
        ));
    }
    Ok(bytes)
}

fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // A document may be anybody's: nothing but a file is opened, which a pipe would not let go of.
    if !std::fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a path leads nowhere but into the folder that it is relative to.
fn is_inside(path: &str) -> bool {
    let mut components = Path::new(path).components();
    !path.is_empty() && components.all(|component| matches!(component, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A document of the first layout, whose iterations printed this.
    fn document(stdout: &Value) -> Value {
        const FIRST: &str = include_str!("../../tests/data/result-1.json");
        let mut document: Value = serde_json::from_str(FIRST).unwrap();
        for iteration in document["iterations"].as_array_mut().unwrap() {
            iteration["stdout"] = stdout.clone();
        }
        document
    }

    fn content(bytes: &[u8]) -> Value {
        json!({
            "bytes": bytes.len(), "kept_bytes": bytes.len(), "truncated": false,
            "sha256": hex::encode(Sha256::digest(bytes)), "content": null, "path": null,
        })
    }

    fn written(document: &Value) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("result.json"), document.to_string()).unwrap();
        folder
    }

    fn read(folder: &Path, choice: &str) -> Result<ResultDocument<Iterations>, String> {
        read_again(folder, &choice.parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_layout_has_metrics_too() {
        let mut stdout = content(b"sort 5 ns\n");
        stdout["content"] = json!({"text": "sort 5 ns\n"});
        let folder = written(&document(&stdout));
        let found = read(folder.path(), "auto").unwrap();
        assert_eq!(found.adapter.as_deref(), Some("auto"));
        for iteration in &found.iterations.0 {
            let harness = iteration.harness.as_ref().unwrap();
            assert_eq!(harness.metric("sort/latency").unwrap().values, [5.0]);
            assert!(iteration.stdout.content.is_none(), "it is not kept");
        }
        let error = read(folder.path(), "hyperfine").unwrap_err();
        assert!(
            error.contains("result.json: there are no metrics in iteration 1:"),
            "{error}"
        );
        let error = read(folder.path(), "auto=x.json").unwrap_err();
        assert!(error.contains("/x.json was not read"), "{error}");
    }

    #[test]
    fn iterations_that_do_not_count_are_not_read() {
        let mut stdout = content(b"sort 5 ns\n");
        stdout["content"] = json!({"text": "sort 5 ns\n"});
        let mut document = document(&stdout);
        document["iterations"][1]["exit_code"] = json!(1);
        document["iterations"][1]["stdout"]["content"] = json!({"text": "no"});
        let found = read(written(&document).path(), "auto").unwrap();
        let harness = |index: usize| found.iterations.0[index].harness.as_ref();
        assert!(harness(0).is_some() && harness(1).is_none());
    }

    #[test]
    fn large_outputs_are_in_the_folder_and_must_be_what_they_were() {
        let bytes = b"sort 5 ns\n";
        let mut stdout = content(bytes);
        let folder = written(&document(&stdout));
        let error = read(folder.path(), "auto").unwrap_err();
        assert!(
            error.contains("holds no standard output of 10 bytes"),
            "{error}"
        );
        stdout["path"] = json!("1/stdout");
        let folder = written(&document(&stdout));
        let file = folder.path().join("1/stdout");
        std::fs::create_dir(folder.path().join("1")).unwrap();
        let error = read(folder.path(), "auto").unwrap_err();
        assert!(error.contains("failed to read standard output"), "{error}");
        std::fs::write(&file, bytes).unwrap();
        assert!(read(folder.path(), "auto").is_ok());
        assert!(read(&folder.path().join("result.json"), "auto").is_ok());
        std::fs::write(&file, b"sort 6 ns\n").unwrap();
        let error = read(folder.path(), "auto").unwrap_err();
        assert!(error.contains("is not what was written by then"), "{error}");
    }

    #[test]
    fn no_path_of_a_document_leads_out_of_its_folder() {
        for (path, expected) in [
            ("1/stdout", true),
            ("1/files/a b", true),
            ("", false),
            ("/etc/passwd", false),
            ("../x", false),
            ("1/../../x", false),
        ] {
            assert_eq!(is_inside(path), expected, "{path}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/proc/version", folder.path().join("link")).unwrap();
        assert!(read_file(&folder.path().join("link"), 10).is_err());
    }
}
