//! The program that stands for "the guest is up": it ends the machine at once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cpio::Archive;
use crate::process::{capture, command};

/// Without a C library: loading one would count.
const SOURCE: &str = include_str!("ending.c");

/// The program's path in the initramfs, without the slash in front.
pub(crate) const NAME: &str = "ending";

/// How the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// It powers off: what QEMU's machines understand.
    PowerOff,
    /// It restarts: what ends Firecracker.
    Restart,
}

impl Program {
    /// Compiles the program in `folder`.
    ///
    /// # Errors
    ///
    /// When there is no C compiler.
    pub(crate) fn compile(self, folder: &Path) -> anyhow::Result<PathBuf> {
        let source = folder.join("ending.c");
        fs::write(&source, SOURCE).with_context(|| format!("cannot write {}", source.display()))?;
        let program = folder.join(NAME);
        let mut cc = command("cc");
        if self == Self::Restart {
            cc.arg("-DRESTART");
        }
        cc.args(["-Os", "-static", "-nostdlib", "-ffreestanding"])
            .args(["-fno-stack-protector", "-o"])
            .arg(&program)
            .arg(&source);
        capture(&mut cc).context("a C compiler is needed (Debian: apt-get install gcc)")?;
        Ok(program)
    }

    /// Compiles the program in `folder` and adds it to the initramfs.
    ///
    /// # Errors
    ///
    /// As [`Program::compile`], and when the initramfs can not be written.
    pub(crate) fn append(self, folder: &Path, initramfs: &Path) -> anyhow::Result<()> {
        append(&self.compile(folder)?, initramfs)
    }
}

/// Adds the compiled `program` to the initramfs: the kernel takes several archives in a row.
///
/// # Errors
///
/// When one of them can not be read, or the initramfs not be written.
pub(crate) fn append(program: &Path, initramfs: &Path) -> anyhow::Result<()> {
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let mut archive = Archive::default();
    archive.executable(NAME, &read(program)?);
    let mut whole = read(initramfs)?;
    // Archives begin at multiples of four bytes.
    whole.resize(whole.len().next_multiple_of(4), 0);
    whole.extend(archive.finish());
    fs::write(initramfs, whole).with_context(|| format!("cannot write {}", initramfs.display()))
}
