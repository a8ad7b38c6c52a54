//! Debian's cloud kernel, by way of the host's own `apt-get`: signed by the distribution, fetched
//! from the host's own mirror, and never installed. None of it needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Kernel, KernelError, KernelStore};
use crate::Reporter;
use crate::process::forget_environment;

/// How the origin of a kernel from here begins.
pub(crate) const ORIGIN: &str = "debian:";

/// Debian's name of the host's architecture.
pub(crate) const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// What the tools need to know of the environment: where their own configuration is, how the mirror is reached,
/// and where there is room.
const KEPT: &[&str] = &[
    "APT_CONFIG",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// Whether this host has the tools.
pub(crate) fn is_available() -> bool {
    ["apt-get", "apt-cache", "dpkg-deb"]
        .iter()
        .all(|tool| crate::paths::find_program(tool).is_some())
}

/// Fetches the newest cloud kernel that the host's package lists know and keeps it in `store`.
pub(crate) fn fetch(store: &KernelStore, reporter: &dyn Reporter) -> Result<Kernel, KernelError> {
    let folder = store.scratch(reporter)?;
    let mut apt = Apt {
        folder: folder.path().to_owned(),
        private_lists: false,
    };
    reporter.info(&format!(
        "fetching a guest kernel: Debian's linux-image-cloud-{ARCHITECTURE}, once"
    ));
    let package = if let Some(package) = apt.newest_package()? {
        package
    } else {
        reporter.info("this host has no package lists: fetching them into a private folder");
        apt.update_private_lists()?;
        apt.newest_package()?.ok_or_else(|| KernelError::Debian {
            command: format!("apt-cache depends linux-image-cloud-{ARCHITECTURE}"),
            reason: "the package lists hold no such package".to_owned(),
        })?
    };
    let archive = apt.download(&package)?;
    let tree = folder.path().join("tree");
    let mut unpack = Command::new("dpkg-deb");
    forget_environment(&mut unpack, KEPT);
    run(unpack.arg("-x").arg(&archive).arg(&tree))?;
    let image = find_image(&tree)?;
    // Merged or not, the modules are in one of the two.
    let modules = ["usr/lib/modules", "lib/modules"]
        .map(|path| tree.join(path))
        .into_iter()
        .find(|path| path.is_dir());
    let version = archive.file_stem().unwrap_or_default().to_string_lossy();
    store.add(
        &image,
        modules.as_deref(),
        &format!("{ORIGIN}{version}"),
        reporter,
    )
}

struct Apt {
    folder: PathBuf,
    /// Whether lists of our own stand in for the host's.
    private_lists: bool,
}

impl Apt {
    fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        forget_environment(&mut command, KEPT);
        command
            .current_dir(&self.folder)
            .env("LC_ALL", "C")
            // As root apt would switch to a user who may not write here, and warn about it.
            .args(["-o", "APT::Sandbox::User=root", "-q"]);
        if self.private_lists {
            for (option, folder) in [("Dir::State::lists", "lists"), ("Dir::Cache", "cache")] {
                let path = self.folder.join(folder);
                command
                    .arg("-o")
                    .arg(format!("{option}={}", path.display()));
            }
        }
        command
    }

    fn update_private_lists(&mut self) -> Result<(), KernelError> {
        self.private_lists = true;
        for folder in ["lists/partial", "cache/archives/partial"] {
            let path = self.folder.join(folder);
            fs::create_dir_all(&path).map_err(|source| KernelError::Cache { path, source })?;
        }
        run(self.command("apt-get").arg("update")).map(drop)
    }

    /// The package that the architecture's meta package stands for today.
    fn newest_package(&self) -> Result<Option<String>, KernelError> {
        let meta = format!("linux-image-cloud-{ARCHITECTURE}");
        let output = self
            .command("apt-cache")
            .args(["depends", "--important", &meta])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| KernelError::Debian {
                command: "apt-cache".to_owned(),
                reason: error.to_string(),
            })?;
        Ok(package_of(&String::from_utf8_lossy(&output.stdout)))
    }

    fn download(&self, package: &str) -> Result<PathBuf, KernelError> {
        run(self.command("apt-get").args(["download", package]))?;
        files(&self.folder)?
            .into_iter()
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .ok_or_else(|| KernelError::Debian {
                command: format!("apt-get download {package}"),
                reason: "it left no package behind".to_owned(),
            })
    }
}

/// The first `Depends: linux-image-…` of `apt-cache depends`.
fn package_of(depends: &str) -> Option<String> {
    depends.lines().find_map(|line| {
        let package = line.trim().strip_prefix("Depends: ")?;
        package
            .starts_with("linux-image-")
            .then(|| package.to_owned())
    })
}

fn find_image(tree: &Path) -> Result<PathBuf, KernelError> {
    let boot = tree.join("boot");
    files(&boot)?
        .into_iter()
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("vmlinuz-")
        })
        .ok_or_else(|| KernelError::Debian {
            command: "dpkg-deb -x".to_owned(),
            reason: "the package holds no boot/vmlinuz-*".to_owned(),
        })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, KernelError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    };
    read().map_err(|source| KernelError::Cache {
        path: folder.to_owned(),
        source,
    })
}

/// Runs a command to its end. An error carries the last line that it printed.
fn run(command: &mut Command) -> Result<(), KernelError> {
    let failed = |command: &Command, reason: String| {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        KernelError::Debian {
            command: words
                .map(|word| word.to_string_lossy())
                .collect::<Vec<_>>()
                .join(" "),
            reason,
        }
    };
    crate::process::die_with_this_thread(command);
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return Err(failed(command, error.to_string())),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().rfind(|line| line.starts_with("E:"));
    let reason = reason
        .or_else(|| said.lines().last())
        .unwrap_or("it failed");
    Err(failed(command, reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::package_of;

    #[test]
    fn the_meta_package_names_the_kernel() {
        let depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(
            package_of(depends).as_deref(),
            Some("linux-image-6.1.0-56-cloud-amd64")
        );
        assert_eq!(package_of("N: Unable to locate package\n"), None);
    }
}
