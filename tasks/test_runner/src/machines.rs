//! `test`: a real benchmark of each image in a microVM.

use crate::check::Counts;
use crate::images::Image;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// Runs `images`, which are built, and prints what was measured.
///
/// # Errors
///
/// When the runner can not be started.
pub(crate) fn run(
    workspace: &Workspace,
    runner: &Runner,
    images: &[Image],
) -> anyhow::Result<Counts> {
    let _ = (workspace, runner, images);
    anyhow::bail!("not yet")
}
