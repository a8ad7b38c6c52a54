//! The lab's own kernel: Debian's cloud kernel with all its modules, unpacked and not installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::images;
use crate::process::{capture, command};
use crate::workspace::Workspace;

/// The package that depends on the newest kernel of its kind.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// An unpacked kernel package.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// The package's name, which tells the release.
    pub(crate) package: String,
    /// What `uname -r` prints.
    pub(crate) release: String,
    /// The file to boot.
    pub(crate) image: PathBuf,
    /// The folder `lib/modules`, which holds one folder of the release's name.
    pub(crate) modules: PathBuf,
}

impl Kernel {
    /// Fetches the newest one that the machine's package lists know, once.
    ///
    /// # Errors
    ///
    /// When apt does not know it or can not fetch it.
    pub(crate) fn fetch(workspace: &Workspace) -> anyhow::Result<Self> {
        let depends = || {
            capture(command("apt-cache").args(["depends", "--important", META_PACKAGE]))
                .ok()
                .and_then(|text| package_of(&String::from_utf8_lossy(&text)))
        };
        let mut package = depends();
        if package.is_none() {
            images::refresh_packages()?;
            package = depends();
        }
        let package = package.with_context(|| format!("apt knows no package {META_PACKAGE}"))?;
        Self::unpacked(&images::unpack_package(workspace, &package)?, package)
    }

    fn unpacked(root: &Path, package: String) -> anyhow::Result<Self> {
        let release = package.trim_start_matches("linux-image-").to_owned();
        let image = root.join("boot").join(format!("vmlinuz-{release}"));
        let modules = ["lib/modules", "usr/lib/modules"]
            .iter()
            .map(|path| root.join(path))
            .find(|path| path.join(&release).is_dir());
        match modules {
            Some(modules) if image.is_file() => Ok(Self {
                package,
                release,
                image,
                modules,
            }),
            _ => bail!("the package {package} holds no kernel {release} with modules"),
        }
    }

    /// The file of the module `name`, or `None` where it is built in.
    ///
    /// # Errors
    ///
    /// When the modules can not be listed.
    pub(crate) fn module(&self, name: &str) -> anyhow::Result<Option<PathBuf>> {
        let folder = self.modules.join(&self.release).join("kernel");
        find(&folder, name).with_context(|| format!("cannot list {}", folder.display()))
    }
}

/// Looks for `NAME.ko`, compressed or not, in `folder` and below.
fn find(folder: &Path, name: &str) -> std::io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if let Some((stem, rest)) = entry.file_name().to_str().and_then(split_module)
            && stem.replace('-', "_") == name
            && matches!(rest, "" | ".xz" | ".gz" | ".zst")
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn split_module(name: &str) -> Option<(&str, &str)> {
    name.split_once(".ko")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meta_package_names_the_kernel() {
        let depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(
            package_of(depends).as_deref(),
            Some("linux-image-6.1.0-56-cloud-amd64")
        );
        assert_eq!(package_of("linux-image-cloud-amd64\n"), None);
    }

    #[test]
    fn modules_are_found_by_name_whatever_packs_them() {
        let root = tempfile::tempdir().expect("a folder");
        let package = "linux-image-6.1.0-1-cloud-amd64".to_owned();
        assert!(Kernel::unpacked(root.path(), package.clone()).is_err());
        let drivers = root
            .path()
            .join("lib/modules/6.1.0-1-cloud-amd64/kernel/drivers");
        let boot = root.path().join("boot");
        for folder in [&drivers, &boot] {
            fs::create_dir_all(folder).expect("it can be made");
        }
        for file in ["virtio_blk.ko.xz", "virtio.ko", "kvm-amd.ko"] {
            fs::write(drivers.join(file), "").expect("it can be written");
        }
        fs::write(boot.join("vmlinuz-6.1.0-1-cloud-amd64"), "").expect("it can be written");
        let kernel = Kernel::unpacked(root.path(), package).expect("it is whole");
        assert_eq!(kernel.release, "6.1.0-1-cloud-amd64");
        for (name, file) in [
            ("virtio_blk", Some("virtio_blk.ko.xz")),
            ("virtio", Some("virtio.ko")),
            ("kvm_amd", Some("kvm-amd.ko")),
            ("vir", None),
        ] {
            let found = kernel.module(name).expect("it can be listed");
            assert_eq!(found, file.map(|file| drivers.join(file)), "{name}");
        }
    }
}
