//! Cargo subcommands that the checks use and that few machines have.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::console;
use crate::prerequisites::find;
use crate::process::{capture, cargo};
use crate::workspace::Workspace;

/// A program from crates.io.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CargoTool {
    name: &'static str,
    /// The release to install where there is none.
    version: &'static str,
}

/// Checks licences and sources of dependencies.
pub(crate) const CARGO_DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};

/// Builds and runs fuzz targets.
pub(crate) const CARGO_FUZZ: CargoTool = CargoTool {
    name: "cargo-fuzz",
    version: "0.13.2",
};

impl CargoTool {
    /// Where the program is: in the search path, or installed below the artifacts.
    ///
    /// # Errors
    ///
    /// When it can not be installed.
    pub(crate) fn ensure(self, workspace: &Workspace) -> anyhow::Result<PathBuf> {
        if let Some(path) = find(self.name) {
            return Ok(path);
        }
        let root = workspace.folder("tools")?;
        let program = root.join("bin").join(self.name);
        if program.exists() {
            return Ok(program);
        }
        console::note(&format!(
            "{} is missing: building release {} in {}",
            self.name,
            self.version,
            root.display()
        ));
        // Unoptimised: it takes a fraction of the time to build and is fast enough.
        capture(
            cargo()
                .args(["install", self.name, "--version", self.version])
                .args(["--locked", "--debug", "--no-track", "--root"])
                .arg(&root)
                .env("CARGO_PROFILE_DEV_DEBUG", "0")
                .env("CARGO_TARGET_DIR", root.join("build")),
        )
        .with_context(|| format!("{} can not be installed", self.name))?;
        Ok(program)
    }
}
