//! How a command ends that waited for a job.

use bencher_channel_protocol::IterationOutput;
use bencher_server_api::Job;

use crate::FAILED;

/// A time-out's exit code.
const TIMED_OUT: u8 = 124;
/// The exit code of what was stopped.
const STOPPED: u8 = 130;

/// The exit code that `runner run` would have ended with: that of the first iteration that failed,
/// unless failures are allowed.
pub(super) fn exit_code(job: &Job, results: &[IterationOutput]) -> u8 {
    let may_fail = job.config["allow_failure"] == true;
    let failed = results
        .iter()
        .map(|output| output.exit_code)
        .find(|code| *code != 0)
        .filter(|_| !may_fail)
        // What is no exit code of a process is a failure all the same.
        .map(|code| u8::try_from(code).unwrap_or(FAILED));
    let is_late = results
        .last()
        .is_some_and(|last| last.exit_code == i32::from(TIMED_OUT));
    match (job.state.as_str(), job.reason.as_deref()) {
        ("completed" | "processed", _) => failed.unwrap_or(0),
        ("canceled", _) => STOPPED,
        (_, Some("job_timeout_exceeded")) => TIMED_OUT,
        // The runner says that a job failed when its command did. Where that may fail it was something else,
        // and whatever ended the last iteration for its time ended the job.
        (_, Some("job_failed")) => failed.unwrap_or(if is_late { TIMED_OUT } else { FAILED }),
        _ => FAILED,
    }
}

/// Whether nothing is to come of a job in this state.
pub(crate) fn is_over(state: &str) -> bool {
    !matches!(state, "pending" | "claimed" | "running")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn codes() {
        for (state, reason, codes, may_fail, code) in [
            ("processed", None, &[0, 0][..], false, 0),
            ("completed", None, &[0, 3, 4], false, 3),
            ("processed", None, &[0, 3], true, 0),
            ("processed", None, &[-1], false, 125),
            ("processed", None, &[300], false, 125),
            ("failed", Some("job_failed"), &[0, 7], false, 7),
            ("failed", Some("job_failed"), &[], false, 125),
            ("failed", Some("job_failed"), &[7], true, 125),
            ("failed", Some("job_failed"), &[0, 0, 124], false, 124),
            ("failed", Some("job_failed"), &[3, 124], true, 124),
            ("failed", Some("job_failed"), &[0, 125], false, 125),
            ("failed", Some("job_timeout_exceeded"), &[], false, 124),
            ("failed", Some("heartbeat_timeout"), &[], false, 125),
            ("canceled", Some("job_canceled"), &[0], false, 130),
        ] {
            let job: Job = serde_json::from_value(json!({
                "id": "", "project": "", "spec": "", "state": state, "reason": reason,
                "priority": 0, "timeout": 1, "config": {"allow_failure": may_fail}, "created": "",
            }))
            .expect("a job");
            let results: Vec<_> = codes
                .iter()
                .map(|&exit_code| IterationOutput {
                    exit_code,
                    ..IterationOutput::default()
                })
                .collect();
            assert_eq!(
                exit_code(&job, &results),
                code,
                "{state} {reason:?} {codes:?}"
            );
        }
    }

    #[test]
    fn ends() {
        for state in ["pending", "claimed", "running"] {
            assert!(!is_over(state), "{state}");
        }
        for state in ["completed", "processed", "failed", "canceled"] {
            assert!(is_over(state), "{state}");
        }
    }
}
