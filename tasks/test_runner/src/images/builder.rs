//! Building an image from a Dockerfile, with whatever real builder this machine has.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::layout;
use crate::prerequisites;
use crate::process::{capture, command};

/// What executes Dockerfiles here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builder {
    /// Docker's buildx, of an engine that runs.
    Docker,
    /// Buildah, which needs root to do without an engine.
    Buildah,
}

/// How many layers come of a Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layers {
    /// All instructions together make one, where the builder can do that.
    One,
    /// Each instruction that changes files makes one.
    Each,
}

/// Where the copy of itself that Buildah's `RUN` executes can not be sealed because something of it
/// is still being written: it happens under load, and the next attempt goes through.
const BUSY: &str = "sealing memfd copy: Device or resource busy";
const ATTEMPTS: u32 = 4;

/// Where an image is that is an archive instead of a layout.
const ARCHIVE: &str = "image.tar";

/// This machine's builder, or why it has none.
///
/// # Errors
///
/// The reason, when no engine runs and Buildah can not be used.
pub(crate) fn builder() -> Result<Builder, &'static str> {
    static FOUND: OnceLock<Result<Builder, &'static str>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let engine = prerequisites::find("docker").is_some()
            && command("docker")
                .args(["buildx", "version"])
                .output()
                .is_ok_and(|output| output.status.success())
            && command("docker")
                .arg("info")
                .output()
                .is_ok_and(|output| output.status.success());
        if engine {
            return Ok(Builder::Docker);
        }
        match (
            prerequisites::find(prerequisites::BUILDAH.program),
            prerequisites::is_root(),
        ) {
            (Some(_), true) => Ok(Builder::Buildah),
            (Some(_), false) => Err("no Docker engine runs, and Buildah needs root"),
            (None, _) => Err("no Docker engine runs, and there is no Buildah"),
        }
    })
}

/// The path that the runner takes of what was built into `folder`.
pub(crate) fn reference(folder: &Path) -> PathBuf {
    let archive = folder.join(ARCHIVE);
    if archive.exists() {
        archive
    } else {
        folder.to_owned()
    }
}

impl Builder {
    /// Builds the Dockerfile in `context` into the empty folder `target`; `work` is a folder for
    /// what the builder needs meanwhile.
    ///
    /// # Errors
    ///
    /// When an instruction fails.
    pub(crate) fn build(self, context: &Path, target: &Path, work: &Path) -> anyhow::Result<()> {
        match self {
            Self::Docker => docker(context, target),
            Self::Buildah => buildah(context, target, work, Layers::Each),
        }
    }

    /// The program's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker buildx",
            Self::Buildah => "buildah",
        }
    }
}

/// Builds with Buildah into an OCI layout: without an engine, without a daemon and without the
/// kernel's overlays, so that it works inside of containers too.
///
/// # Errors
///
/// When an instruction fails.
pub(crate) fn buildah(
    context: &Path,
    layout: &Path,
    work: &Path,
    layers: Layers,
) -> anyhow::Result<()> {
    const NAME: &str = "image";
    let buildah = || {
        let mut buildah = command("buildah");
        buildah
            .args(["--storage-driver", "vfs", "--root"])
            .arg(work.join("storage"))
            .arg("--runroot")
            .arg(work.join("run"));
        buildah
    };
    let attempt = || {
        let mut build = buildah();
        build.args(["build", "--isolation", "chroot", "--tag", NAME]);
        if layers == Layers::Each {
            build.arg("--layers");
        }
        capture(build.arg(context))
    };
    let built = (1..ATTEMPTS).find_map(|_| match attempt() {
        Err(error) if format!("{error:#}").contains(BUSY) => None,
        done => Some(done),
    });
    built.unwrap_or_else(attempt)?;
    let mut target = OsString::from("oci:");
    target.push(layout);
    target.push(format!(":{}", layout::TAG));
    capture(buildah().args(["push", NAME]).arg(target))?;
    Ok(())
}

/// Builds with Docker into an archive of `docker save`: an engine's default builder writes no
/// layouts.
fn docker(context: &Path, target: &Path) -> anyhow::Result<()> {
    // The folder's name holds the key, so builds at the same time do not get in each other's way.
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let tag = format!("bencher-{}", name.trim_end_matches(".partial"));
    capture(
        command("docker")
            .args(["buildx", "build", "--load", "--network", "none"])
            .args(["--provenance", "false", "--tag", &tag])
            .arg(context),
    )?;
    let saved = capture(
        command("docker")
            .args(["save", "--output"])
            .arg(target.join(ARCHIVE))
            .arg(&tag),
    );
    capture(command("docker").args(["image", "rm", &tag]))?;
    saved.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_taken_where_there_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(reference(folder.path()), folder.path());
        let archive = folder.path().join(ARCHIVE);
        std::fs::write(&archive, "").expect("it can be written");
        assert_eq!(reference(folder.path()), archive);
    }
}
