//! The programs of other packages that the harness needs, and how it gets them.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::console;
use crate::images::Image;
use crate::process::{self, command};

/// A program that must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    /// What is looked for in the search path.
    pub(crate) program: &'static str,
    /// The Debian package that brings it.
    package: &'static str,
    /// What it is needed for: "to …".
    purpose: &'static str,
}

/// The emulator of this machine's architecture.
const QEMU: Tool = if cfg!(target_arch = "aarch64") {
    Tool {
        program: "qemu-system-aarch64",
        package: "qemu-system-arm",
        purpose: "to boot microVMs",
    }
} else {
    Tool {
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        purpose: "to boot microVMs",
    }
};
/// Takes the kernel package apart.
const DPKG: Tool = Tool {
    program: "dpkg-deb",
    package: "dpkg",
    purpose: "to unpack the guest kernel's package",
};
pub(crate) const BUILDAH: Tool = Tool {
    program: "buildah",
    package: "buildah",
    purpose: "to build an image from a Dockerfile",
};
const MMDEBSTRAP: Tool = Tool {
    program: "mmdebstrap",
    package: "mmdebstrap",
    purpose: "to make an image of Debian packages",
};
const NEWUIDMAP: Tool = Tool {
    program: "newuidmap",
    package: "uidmap",
    purpose: "to make an image of Debian packages without root",
};
const UMOCI: Tool = Tool {
    program: "umoci",
    package: "umoci",
    purpose: "to compare with",
};
const MKE2FS: Tool = Tool {
    program: "mke2fs",
    package: "e2fsprogs",
    purpose: "to make filesystems",
};
const IGZIP: Tool = Tool {
    program: "igzip",
    package: "isal",
    purpose: "to compare with",
};
const REGISTRY: Tool = Tool {
    program: "docker-registry",
    package: "docker-registry",
    purpose: "to pull from",
};
const SKOPEO: Tool = Tool {
    program: "skopeo",
    package: "skopeo",
    purpose: "to fill a registry, and to compare with",
};
const CMAKE: Tool = Tool {
    program: "cmake",
    package: "cmake",
    purpose: "to build zlib-ng, to compare with",
};

/// What building `images` takes.
pub(crate) fn for_images(images: &[Image]) -> Vec<Tool> {
    let mut tools = Vec::new();
    if images.contains(&Image::Busybox) && is_root() {
        tools.push(BUILDAH);
    }
    if images.iter().any(|&image| image != Image::Busybox) {
        tools.push(MMDEBSTRAP);
        if !is_root() {
            tools.push(NEWUIDMAP);
        }
    }
    tools
}

/// What fetching the guest kernel takes.
pub(crate) fn for_kernel() -> Vec<Tool> {
    vec![DPKG]
}

/// What running images in microVMs takes, beyond the images.
pub(crate) fn for_machines() -> Vec<Tool> {
    vec![QEMU, DPKG]
}

/// What building the lab's disks takes.
pub(crate) fn for_lab() -> Vec<Tool> {
    let mut tools = vec![DPKG, MMDEBSTRAP, MKE2FS];
    if !is_root() {
        tools.push(NEWUIDMAP);
    }
    tools
}

/// The emulator's path.
///
/// # Errors
///
/// When it is not installed.
pub(crate) fn qemu() -> anyhow::Result<PathBuf> {
    find(QEMU.program).with_context(|| format!("{} is not installed", QEMU.program))
}

/// What the benchmarks compare with.
pub(crate) fn for_comparison() -> Vec<Tool> {
    vec![UMOCI, MKE2FS, IGZIP, CMAKE]
}

/// What pulling from a registry takes.
pub(crate) fn for_registries() -> Vec<Tool> {
    vec![REGISTRY, SKOPEO]
}

/// Makes sure that all `tools` are there: installs what is missing as root, else says how to.
///
/// # Errors
///
/// When something is missing and can not be installed from here.
pub(crate) fn ensure(tools: &[Tool]) -> anyhow::Result<()> {
    let missing = missing(tools);
    match plan(&missing, is_root(), find("apt-get").is_some()) {
        Plan::Ready => Ok(()),
        Plan::Tell(text) => bail!(text),
        Plan::Install(packages) => {
            console::note(&format!("installing with apt-get: {}", packages.join(" ")));
            install(&packages)?;
            match self::missing(tools).as_slice() {
                [] => Ok(()),
                [tool, ..] => bail!(
                    "`{}` is not in the search path although the package {} is installed",
                    tool.program,
                    tool.package
                ),
            }
        }
    }
}

/// Makes sure that Dockerfiles can be built: by an engine that runs, or as root by Buildah, which
/// is installed where it is missing.
///
/// # Errors
///
/// When there is neither.
pub(crate) fn ensure_builder() -> anyhow::Result<()> {
    let engine = find("docker").is_some();
    if is_root() && !engine {
        ensure(&[BUILDAH])?;
    }
    crate::images::builder()
        .map(|_| ())
        .map_err(anyhow::Error::msg)
}

/// What is to be done about missing programs.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Ready,
    Install(Vec<&'static str>),
    Tell(String),
}

fn plan(missing: &[Tool], root: bool, apt: bool) -> Plan {
    if missing.is_empty() {
        return Plan::Ready;
    }
    let mut packages: Vec<&'static str> = missing.iter().map(|tool| tool.package).collect();
    packages.sort_unstable();
    packages.dedup();
    if root && apt {
        return Plan::Install(packages);
    }
    let mut text = String::from("these programs are missing:\n");
    for tool in missing {
        let _ = writeln!(text, "  {} ({})", tool.program, tool.purpose);
    }
    if apt {
        text.push_str("install them with\n  sudo apt-get install --no-install-recommends ");
        text.push_str(&packages.join(" "));
    } else {
        text.push_str("install them with this system's package manager (it is not Debian's)");
    }
    Plan::Tell(text)
}

fn missing(tools: &[Tool]) -> Vec<Tool> {
    tools
        .iter()
        .copied()
        .filter(|tool| find(tool.program).is_none())
        .collect()
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    update_package_lists()?;
    process::capture(
        command("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "--yes", "--no-install-recommends", "--"])
            .args(packages),
    )?;
    Ok(())
}

/// Fetches the lists of packages, which a fresh machine does not have.
///
/// # Errors
///
/// When apt-get fails.
pub(crate) fn update_package_lists() -> anyhow::Result<()> {
    process::capture(command("apt-get").args(["update", "--quiet"]))?;
    Ok(())
}

/// Whether this process may install packages and own files of others.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Where `program` is: in the search path or where system programs live, which a user's search
/// path often lacks.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_missing_needs_nothing() {
        assert_eq!(plan(&[], false, false), Plan::Ready);
    }

    #[test]
    fn root_installs_each_package_once() {
        assert_eq!(
            plan(&[UMOCI, BUILDAH, BUILDAH], true, true),
            Plan::Install(vec!["buildah", "umoci"])
        );
    }

    #[test]
    fn others_get_one_command() {
        let Plan::Tell(text) = plan(&[QEMU, MMDEBSTRAP], false, true) else {
            panic!("a user can not install");
        };
        insta::assert_snapshot!(text.replace(QEMU.program, "QEMU").replace(QEMU.package, "qemu"), @r"
        these programs are missing:
          QEMU (to boot microVMs)
          mmdebstrap (to make an image of Debian packages)
        install them with
          sudo apt-get install --no-install-recommends mmdebstrap qemu
        ");
    }

    #[test]
    fn without_apt_no_command_is_invented() {
        for root in [false, true] {
            let Plan::Tell(text) = plan(&[QEMU], root, false) else {
                panic!("there is nothing to install with");
            };
            assert!(!text.contains("apt-get"), "{text}");
            assert!(text.contains(QEMU.program), "{text}");
        }
    }

    #[test]
    fn programs_are_found_by_name() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program"), None);
    }
}
