//! A root filesystem of this machine's own packages, as a tar.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{ChildStdout, Stdio};

use anyhow::{Context as _, bail};

use super::apt::Distribution;
use super::layer::TIMESTAMP;
use super::remove_if_there;
use crate::prerequisites::is_root;
use crate::process::{command, describe};

/// What mmdebstrap's own messages leave out.
const WITHOUT_ROOT: &str = "\nwithout root, this user needs subordinate ids:\n  \
    sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\"";

/// Installs `packages`, separated by commas, on top of the essential ones with mmdebstrap and the
/// additional `options`, and lets `take` read the tar while it is made. `work` is a folder for the
/// time of the work.
///
/// # Errors
///
/// When mmdebstrap or `take` fails.
pub(crate) fn install(
    distribution: &Distribution,
    packages: &str,
    options: &[String],
    work: &Path,
    take: impl FnOnce(&mut ChildStdout) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    remove_if_there(work)?;
    fs::create_dir_all(work).with_context(|| format!("cannot make {}", work.display()))?;
    let installed = run(distribution, packages, options, work, take);
    remove_if_there(work)?;
    installed
}

fn run(
    distribution: &Distribution,
    packages: &str,
    options: &[String],
    work: &Path,
    take: impl FnOnce(&mut ChildStdout) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let log = work.join("log");
    let mut mmdebstrap = command("mmdebstrap");
    mmdebstrap
        .args(["--variant=minbase", "--format=tar"])
        .arg(format!("--include={packages}"))
        .args(options)
        .env("SOURCE_DATE_EPOCH", TIMESTAMP.to_string())
        .arg(&distribution.codename)
        .arg("-");
    for (number, source) in distribution.sources.iter().enumerate() {
        let path = work.join(format!("{number}.{}", source.extension()));
        fs::write(&path, source.text())?;
        mmdebstrap.arg(path);
    }
    let mut child = mmdebstrap
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log)?)
        .spawn()
        .context("cannot start mmdebstrap")?;
    let mut output = child.stdout.take().context("its output is not a pipe")?;
    // A tar ends before its file does: who does not read the rest as well breaks the pipe.
    let taken = take(&mut output).and_then(|()| Ok(io::copy(&mut output, &mut io::sink())?));
    drop(output);
    let status = child.wait()?;
    // Who stops reading ends it, and knows why.
    taken?;
    if status.success() {
        return Ok(());
    }
    let log = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let tail = lines[lines.len().saturating_sub(20)..].join("\n  ");
    let hint = if is_root() { "" } else { WITHOUT_ROOT };
    bail!(
        "`{}` ended with {status}:\n  {tail}{hint}",
        describe(&mmdebstrap)
    )
}
