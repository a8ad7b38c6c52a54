//! The QEMU that the lab runs in: this machine's own where it is new enough, else a private copy
//! of its release's backports.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, ensure};

use super::backports;
use super::missing::{Missing, missing};
use crate::images::Distribution;
use crate::prerequisites;
use crate::process::{capture, command};
use crate::workspace::Workspace;

/// The oldest major version whose emulated AMD processors do not freeze after some nested guests.
const OLDEST: u32 = 10;

/// The program and the package that brings it.
const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// Where the private copy's libraries and firmware lie, below its root.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
const FIRMWARE: [&str; 2] = ["usr/share/qemu", "usr/share/seabios"];

/// A QEMU that is new enough.
#[derive(Debug, Clone)]
pub(crate) struct Emulator {
    program: PathBuf,
    /// The root of the private copy.
    copy: Option<PathBuf>,
    version: Version,
}

impl Emulator {
    /// Finds the machine's own, or makes the private copy.
    ///
    /// # Errors
    ///
    /// [`Missing`] when neither can be had.
    pub(crate) fn find(workspace: &Workspace) -> anyhow::Result<Self> {
        if !cfg!(target_arch = "x86_64") {
            return Err(Missing(
                "the lab emulates an x86_64 machine with AMD's virtualization, and \
                 its binaries are this machine's, which is no x86_64"
                    .to_owned(),
            )
            .into());
        }
        let installed = prerequisites::find(PROGRAM).map(|program| Self::ask(program, None));
        let why = match installed {
            Some(Ok(emulator)) if emulator.version.major >= OLDEST => return Ok(emulator),
            Some(Ok(emulator)) => format!("the installed QEMU is {}", emulator.version),
            Some(Err(error)) => format!("{error:#}"),
            None => "QEMU is not installed".to_owned(),
        };
        Self::private(workspace).map_err(|error| {
            missing(&error.context(format!(
                "the lab needs QEMU {OLDEST} or newer, because older ones freeze under nested \
                 virtualization, and {why}: install a newer one, or let apt reach the backports \
                 of this release"
            )))
        })
    }

    fn private(workspace: &Workspace) -> anyhow::Result<Self> {
        let root = workspace.folder("lab")?.join("qemu");
        if !root.exists() {
            backports::unpack(&Distribution::here()?, PACKAGE, &root)?;
        }
        let emulator = Self::ask(root.join("usr/bin").join(PROGRAM), Some(root))?;
        ensure!(
            emulator.version.major >= OLDEST,
            "the backports have only QEMU {}",
            emulator.version
        );
        Ok(emulator)
    }

    /// Asks the program for its version.
    ///
    /// # Errors
    ///
    /// When it does not tell.
    pub(crate) fn ask(program: PathBuf, copy: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut emulator = Self {
            program,
            copy,
            version: Version { major: 0, minor: 0 },
        };
        let text = capture(emulator.command().arg("--version"))?;
        emulator.version = Version::parse(&String::from_utf8_lossy(&text))?;
        Ok(emulator)
    }

    /// The program, which finds its libraries and its firmware.
    pub(crate) fn command(&self) -> Command {
        let mut command = command(&self.program);
        let Some(root) = &self.copy else {
            return command;
        };
        let joined = LIBRARIES.map(|path| root.join(path).display().to_string());
        command
            .env("LD_LIBRARY_PATH", joined.join(":"))
            .env("QEMU_MODULE_DIR", root.join(LIBRARIES[0]).join("qemu"));
        // The firmware that the machine has already was not downloaded.
        for base in [root, Path::new("/")] {
            for path in FIRMWARE {
                command.arg("-L").arg(base.join(path));
            }
        }
        command
    }

    /// What it is, for people.
    pub(crate) fn describe(&self) -> String {
        let whose = match self.copy {
            Some(_) => "a private copy",
            None => "installed",
        };
        format!("QEMU {} ({whose})", self.version)
    }
}

/// QEMU's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// Reads `QEMU emulator version 10.0.2 (Debian …)`.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let line = text.lines().next().unwrap_or_default();
        let read = || {
            let (_, version) = line.split_once(" version ")?;
            let mut numbers = version.split(|character: char| !character.is_ascii_digit());
            Some(Self {
                major: numbers.next()?.parse().ok()?,
                minor: numbers.next()?.parse().ok()?,
            })
        };
        match read() {
            Some(version) => Ok(version),
            None => bail!("`{line}` is no version of QEMU"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_first_line() {
        for (text, major, minor) in [
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright",
                7,
                2,
            ),
            (
                "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\n",
                10,
                0,
            ),
            ("QEMU emulator version 11.1\n", 11, 1),
        ] {
            let version = Version::parse(text).expect("it is one");
            assert_eq!(version, Version { major, minor }, "{text}");
        }
        for wrong in ["", "QEMU emulator", "QEMU emulator version x.y"] {
            assert!(Version::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_private_copy_uses_its_own_files_first() {
        let emulator = Emulator {
            program: "/copy/usr/bin/qemu".into(),
            copy: Some("/copy".into()),
            version: Version {
                major: 10,
                minor: 0,
            },
        };
        let command = emulator.command();
        let arguments: Vec<_> = command
            .get_args()
            .filter_map(|word| word.to_str())
            .collect();
        assert_eq!(arguments[..2], ["-L", "/copy/usr/share/qemu"]);
        assert_eq!(arguments.last(), Some(&"/usr/share/seabios"));
        assert_eq!(emulator.describe(), "QEMU 10.0 (a private copy)");
    }
}
