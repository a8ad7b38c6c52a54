//! A comparison of a run with one that was to be the same once more.

use bencher_runner::result::{Host, Setup};

use super::differences::GUEST_KERNEL;
use super::{CompareError, Comparison, Difference, differences};
use crate::text::one_line;

/// A run, recorded or about to begin.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// What people call it.
    pub label: &'a str,
    /// What ran, and in which machine.
    pub setup: &'a Setup,
    /// The host around it.
    pub host: &'a Host,
}

/// Refuses what [`compare`](super::compare) would refuse once both have run.
///
/// # Errors
///
/// When they are of different machines or clocks.
pub fn check_machines(baseline: Run<'_>, candidate: Run<'_>) -> Result<(), CompareError> {
    refused(baseline, candidate, found(baseline, candidate))
}

/// Refuses another image and another guest's kernel as well.
///
/// # Errors
///
/// When the candidate is not the same once more.
pub fn check_same(baseline: Run<'_>, candidate: Run<'_>) -> Result<(), CompareError> {
    let found = found(baseline, candidate);
    let found = strict(baseline.setup, candidate.setup, found);
    refused(baseline, candidate, found)
}

fn found(baseline: Run<'_>, candidate: Run<'_>) -> Vec<Difference> {
    let [baseline, candidate] = [baseline, candidate].map(|run| (run.setup, run.host));
    differences(baseline, candidate)
}

fn refused(
    baseline: Run<'_>,
    candidate: Run<'_>,
    mut found: Vec<Difference>,
) -> Result<(), CompareError> {
    found.retain(|difference| difference.matters);
    if found.is_empty() {
        return Ok(());
    }
    Err(CompareError::Different {
        baseline: baseline.label.to_owned(),
        candidate: candidate.label.to_owned(),
        differences: found,
    })
}

/// What an image is called where it is to be the same.
const IMAGE: &str = "image";

/// `found` with the image, and with the guest's kernel as something that matters.
fn strict(baseline: &Setup, candidate: &Setup, mut found: Vec<Difference>) -> Vec<Difference> {
    let kernel = found.iter_mut().find(|one| one.what == GUEST_KERNEL);
    if let Some(kernel) = kernel {
        kernel.matters = true;
    }
    let [was, is] = [baseline, candidate].map(|setup| one_line(&setup.image.config_digest));
    if was != is {
        found.push(Difference {
            what: IMAGE.to_owned(),
            baseline: was,
            candidate: is,
            matters: true,
        });
    }
    found.sort_by_key(|difference| !difference.matters);
    found
}

impl Comparison {
    /// Marks another image and another guest's kernel: both were to be the same.
    pub fn mark_what_is_not_the_same(&mut self) {
        let found = std::mem::take(&mut self.differences);
        self.differences = match (&self.baseline.setup, &self.candidate.setup) {
            (Some(was), Some(is)) => strict(was, is, found),
            _ => found,
        };
        let others: Vec<&str> = self
            .differences
            .iter()
            .map(|one| one.what.as_str())
            .filter(|&what| what == IMAGE || what == GUEST_KERNEL)
            .collect();
        if others.is_empty() {
            return;
        }
        let warning = format!(
            "it is another {}: the ratio is of that as well",
            others.join(" and another ")
        );
        self.forced = true;
        self.warnings.insert(0, warning);
    }
}

#[cfg(test)]
mod tests {
    use bencher_runner::result::KernelIdentity;

    use super::*;
    use crate::compare;
    use crate::comparison::Input;
    use crate::samples::tests::{input, options};

    fn run(input: &Input) -> Run<'_> {
        Run {
            label: &input.label,
            setup: input.result.setup.as_ref().expect("it ran"),
            host: &input.result.host,
        }
    }

    fn change(input: &mut Input, change: impl FnOnce(&mut Setup)) {
        change(input.result.setup.as_mut().expect("it ran"));
    }

    fn kernel(sha256: &str) -> KernelIdentity {
        KernelIdentity {
            release: None,
            sha256: sha256.to_owned(),
            origin: "file:/vmlinux".to_owned(),
            initramfs_id: "1".to_owned(),
        }
    }

    #[test]
    fn another_image_or_kernel_is_not_the_same_and_is_marked_where_it_is_compared() {
        let [mut before, mut now] = ["old", "now"].map(|label| input(label, &[5; 4]));
        check_same(run(&before), run(&now)).expect("it is the same");
        let mut same = compare(&before, &now, &options(4)).expect("it is one");
        same.mark_what_is_not_the_same();
        assert!(!same.forced && same.differences.is_empty());

        change(&mut now, |setup| {
            setup.image.config_digest = "sha256:9".to_owned();
        });
        check_machines(run(&before), run(&now)).expect("the machine is the same");
        let error = check_same(run(&before), run(&now)).expect_err("it is another image");
        assert!(error.to_string().contains(": image (sha256:"), "{error}");

        for (side, sha256) in [(&mut before, "1"), (&mut now, "2")] {
            change(side, |setup| setup.machine.kernel = Some(kernel(sha256)));
        }
        let error = check_same(run(&before), run(&now)).expect_err("it is another kernel");
        let text = "guest kernel (1 and 2), image (sha256:";
        assert!(error.to_string().contains(text), "{error}");

        let mut found = compare(&before, &now, &options(4)).expect("it is one");
        assert!(!found.forced, "they are compared as they are");
        found.mark_what_is_not_the_same();
        assert!(found.forced && found.differences[0].matters);
        let warning = "it is another guest kernel and another image";
        assert!(found.warnings[0].starts_with(warning), "{found:?}");
    }

    #[test]
    fn another_machine_is_refused_before_it_runs() {
        let [before, mut now] = ["old", "now"].map(|label| input(label, &[5; 4]));
        now.result.host.cpu_model = Some("Other\x1b".to_owned());
        let error = check_machines(run(&before), run(&now)).expect_err("they differ");
        let expected =
            "old and now are not of the same machine or clock: processor (AMD EPYC and Other�)";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
