//! The lab's root filesystem: Debian packages of this machine's release, so that this machine's
//! programs run in it, turned into ext4 by the runner itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use serde_json::json;

use super::kernel::Kernel;
use crate::console;
use crate::images::{self, Distribution, LayerWriter, Recipe};
use crate::process::capture;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// Beyond the essential packages: an init, loading of modules, what the runner uses (QEMU, the
/// network's tools), what a server's scenarios use (a registry, a database), and what one looks around
/// with.
const PACKAGES: &str = "systemd,kmod,iproute2,nftables,e2fsprogs,busybox-static,procps,strace,\
qemu-system-x86,docker-registry,skopeo,postgresql";

/// Scenarios have databases of their own.
const NO_CLUSTER: &str = "mkdir -p \"$1/etc/postgresql-common\" && \
    echo 'create_main_cluster = false' >\"$1/etc/postgresql-common/createcluster.conf\"";

/// What is left out of the packages: what nobody reads there, and what looks for units that the lab
/// does not have, which would take a part of its boot.
const LEFT_OUT: [&str; 5] = [
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/lib/systemd/system-generators/*",
    "/usr/lib/systemd/system-generators/*",
];

/// The size of the filesystem. What nobody writes takes no space.
const SIZE: &str = "8GiB";

/// The files of the lab's own.
const FILES: [(&str, &str); 5] = [
    ("etc/hostname", "lab\n"),
    ("etc/hosts", "127.0.0.1 localhost lab\n"),
    // A machine without one would set up every unit at its first boot.
    ("etc/machine-id", "6c61626c61626c61626c61626c61626c\n"),
    (
        "etc/systemd/system/lab.service",
        include_str!("lab.service"),
    ),
    ("etc/systemd/system/lab.target", include_str!("lab.target")),
];

/// Makes sure that the disk is there and returns its path; it is made once from the same recipe.
///
/// # Errors
///
/// When a step of its recipe fails.
pub(crate) fn ensure(
    workspace: &Workspace,
    runner: &Runner,
    distribution: Distribution,
    kernel: &Kernel,
) -> anyhow::Result<PathBuf> {
    let recipe = Root {
        distribution,
        kernel,
    };
    let folder = workspace.folder("lab")?;
    let name = format!("root-{}", images::recipe_key(&recipe));
    let disk = folder.join(format!("{name}.ext4"));
    if disk.exists() {
        return Ok(disk);
    }
    console::note(&format!("the lab's disk: {}", recipe.summary()));
    let started = Instant::now();
    let layout = folder.join(format!("{name}.layout"));
    let partial = folder.join(format!("{name}.partial"));
    images::remove_if_there(&partial)?;
    images::build(&recipe, &layout)?;
    let mut image = std::ffi::OsString::from("oci:");
    image.push(&layout);
    capture(
        runner
            .command()
            .args(["rootfs", "build", "--disk", SIZE, "--image"])
            .arg(image)
            .arg("--out")
            .arg(&partial),
    )?;
    remove_others(&folder)?;
    fs::rename(&partial, &disk).with_context(|| format!("cannot make {}", disk.display()))?;
    console::note(&format!(
        "the lab's disk: {:.1} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(disk)
}

/// Removes layouts, and disks of other recipes.
fn remove_others(folder: &Path) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let named = |prefix: &str| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        };
        let extension = path.extension().and_then(|extension| extension.to_str());
        if named("root-") && matches!(extension, Some("ext4" | "layout")) {
            images::remove_if_there(&path)?;
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Root<'a> {
    distribution: Distribution,
    kernel: &'a Kernel,
}

impl Root<'_> {
    /// What mmdebstrap is told beyond the packages.
    fn options(&self) -> Vec<String> {
        let mut options: Vec<String> = LEFT_OUT
            .map(|pattern| format!("--dpkgopt=path-exclude={pattern}"))
            .to_vec();
        options.push(format!("--essential-hook={NO_CLUSTER}"));
        let modules = quoted(&self.kernel.modules.display().to_string());
        options.push(format!("--customize-hook=copy-in {modules} /usr/lib"));
        let release = quoted(&self.kernel.release);
        options.push(format!("--customize-hook=chroot \"$1\" depmod {release}"));
        options
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl Recipe for Root<'_> {
    fn ingredients(&self) -> Vec<Vec<u8>> {
        let mut parts = vec![
            format!("lab {} {SIZE}", self.distribution.codename).into_bytes(),
            self.kernel.package.clone().into_bytes(),
            PACKAGES.into(),
            LEFT_OUT.join(" ").into_bytes(),
            NO_CLUSTER.into(),
        ];
        for (path, contents) in FILES {
            parts.push(path.into());
            parts.push(contents.into());
        }
        parts
    }

    fn summary(&self) -> String {
        format!(
            "installing {} into a fresh {} with mmdebstrap",
            PACKAGES.replace(',', ", "),
            self.distribution.codename
        )
    }

    fn build(&self, folder: &Path) -> anyhow::Result<()> {
        let mut packed = [LayerWriter::create(folder, "packages")?];
        images::install_packages(
            &self.distribution,
            PACKAGES,
            &self.options(),
            &folder.with_extension("work"),
            |tar| images::split_tar(tar, &mut packed, |_| 0),
        )?;
        let mut own = LayerWriter::create(folder, "own")?;
        own.folder("lab", 0o755)?;
        for (path, contents) in FILES {
            own.file(path, 0o644, contents.as_bytes())?;
        }
        let mut layers = packed
            .into_iter()
            .map(LayerWriter::finish)
            .collect::<anyhow::Result<Vec<_>>>()?;
        layers.push(own.finish()?);
        images::write_layout(folder, &layers, &json!({}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_hold_anything() {
        let root = Root {
            distribution: Distribution {
                codename: "bookworm".to_owned(),
                sources: Vec::new(),
            },
            kernel: &Kernel {
                package: "linux-image-6.1".to_owned(),
                release: "6.1".to_owned(),
                image: "/it's here/boot/vmlinuz-6.1".into(),
                modules: "/it's here/lib/modules".into(),
            },
        };
        let options = root.options();
        assert!(
            options.contains(
                &r"--customize-hook=copy-in '/it'\''s here/lib/modules' /usr/lib".to_owned()
            ),
            "{options:?}"
        );
        assert_eq!(
            options.last().map(String::as_str),
            Some("--customize-hook=chroot \"$1\" depmod '6.1'")
        );
    }
}
