//! What results hold, without what was written.

use bencher_channel_protocol::{IterationOutput, MAX_ITERATIONS, RESERVED_OUTPUT};
use bencher_server_api::{File, Iteration};

/// Files that a summary lists, of all iterations together: the others are in the results only.
const MAX_FILES: usize = 65_535;

/// The summary of results. It is kept in the database and goes along with its job, so that it is bounded, whatever a
/// runner sent: by [`MAX_ITERATIONS`] and [`MAX_FILES`].
pub(crate) fn summarize(results: &[IterationOutput]) -> Vec<Iteration> {
    let most = usize::try_from(MAX_ITERATIONS).unwrap_or(usize::MAX);
    let mut room = MAX_FILES;
    let iterations = results.iter().take(most);
    iterations.map(|one| iteration(one, &mut room)).collect()
}

fn iteration(output: &IterationOutput, room: &mut usize) -> Iteration {
    let length = |text: &str| text.len() as u64;
    let files = output.output.iter().flatten();
    let files: Vec<_> = files
        .filter(|(path, _)| *path != RESERVED_OUTPUT)
        .take(*room)
        .map(|(path, content)| File {
            path: path.clone(),
            bytes: length(content),
        })
        .collect();
    *room -= files.len();
    Iteration {
        exit_code: output.exit_code,
        stdout: output.stdout.as_deref().map_or(0, length),
        stderr: output.stderr.as_deref().map_or(0, length),
        files,
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

    #[test]
    fn it_is_bounded_whatever_a_runner_sent() {
        let files = |count: usize| {
            let files = (0..count).map(|number| (number.to_string(), String::new()));
            IterationOutput {
                output: Some(files.collect()),
                ..IterationOutput::default()
            }
        };
        let many = [files(2), files(MAX_FILES), files(1)];
        let listed: Vec<_> = summarize(&many).iter().map(|one| one.files.len()).collect();
        assert_eq!(listed, [2, MAX_FILES - 2, 0]);
        let summary = summarize(&vec![IterationOutput::default(); 70_000]);
        assert_eq!(u32::try_from(summary.len()), Ok(MAX_ITERATIONS));
    }
}
