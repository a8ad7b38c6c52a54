//! What results hold, without what was written.

use bencher_channel_protocol::{IterationOutput, RESERVED_OUTPUT};
use bencher_server_api::{File, Iteration};

/// The summary of results.
pub(crate) fn summarize(results: &[IterationOutput]) -> Vec<Iteration> {
    results.iter().map(iteration).collect()
}

fn iteration(output: &IterationOutput) -> Iteration {
    let length = |text: &str| text.len() as u64;
    let files = output.output.iter().flatten();
    Iteration {
        exit_code: output.exit_code,
        stdout: output.stdout.as_deref().map_or(0, length),
        stderr: output.stderr.as_deref().map_or(0, length),
        files: files
            .filter(|(path, _)| *path != RESERVED_OUTPUT)
            .map(|(path, content)| File {
                path: path.clone(),
                bytes: length(content),
            })
            .collect(),
        metrics: output
            .output
            .as_ref()
            .and_then(|files| files.get(RESERVED_OUTPUT))
            .and_then(|text| serde_json::from_str(text).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_metrics() {
        let output = IterationOutput {
            exit_code: 3,
            stdout: Some("äb".to_owned()),
            stderr: None,
            output: Some(
                [
                    ("/a/../b".to_owned(), "four".to_owned()),
                    (RESERVED_OUTPUT.to_owned(), r#"{"a": 1}"#.to_owned()),
                ]
                .into(),
            ),
        };
        let summary = summarize(&[output, IterationOutput::default()]);
        assert_eq!(
            serde_json::to_value(&summary).expect("JSON"),
            serde_json::json!([
                {
                    "exit_code": 3, "stdout": 3, "stderr": 0,
                    "files": [{"path": "/a/../b", "bytes": 4}],
                    "metrics": {"a": 1},
                },
                {"exit_code": 0, "stdout": 0, "stderr": 0, "files": []},
            ])
        );
    }
}
