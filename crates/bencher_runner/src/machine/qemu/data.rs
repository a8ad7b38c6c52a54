//! The files that a QEMU opens beside its program and libraries.

use std::path::{Path, PathBuf};

/// Firmware of the machines that are used here: `microvm` and `q35`, booting a kernel directly. What
/// a version does not have it does not need.
const FIRMWARE: [&str; 10] = [
    "bios-256k.bin",
    "bios-microvm.bin",
    "bios.bin",
    "efi-virtio.rom",
    "kvmvapic.bin",
    "linuxboot.bin",
    "linuxboot_dma.bin",
    "multiboot.bin",
    "multiboot_dma.bin",
    "pvh.bin",
];

/// Parts of QEMU that some distributions build as modules.
const MODULES: [&str; 1] = ["accel-tcg-x86_64.so"];

/// Those that are there for the QEMU `program`, in the places that it looks into: relative to
/// itself, and where distributions keep firmware that other packages build.
pub(super) fn files(program: &Path) -> Vec<PathBuf> {
    let Some(prefix) = program.parent().and_then(Path::parent) else {
        return Vec::new();
    };
    let multiarch = format!("lib/{}-linux-gnu/qemu", std::env::consts::ARCH);
    let firmware = ["share/qemu", "share/seabios", "lib/ipxe/qemu"];
    let modules = [multiarch.as_str(), "lib64/qemu", "lib/qemu"];
    let in_folders = |folders: [&str; 3], names: &[&str]| -> Vec<PathBuf> {
        let all = folders.iter().flat_map(|folder| {
            let folder = prefix.join(folder);
            names.iter().map(move |name| folder.join(name))
        });
        all.filter(|path| path.is_file()).collect()
    };
    let mut files = in_folders(firmware, &FIRMWARE);
    files.extend(in_folders(modules, &MODULES));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_and_needed_is_taken() {
        let prefix = tempfile::tempdir().unwrap();
        let at = |path: &str| prefix.path().join(path);
        for folder in ["bin", "share/qemu", "share/seabios", "lib/qemu"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        for file in [
            "share/qemu/pvh.bin",
            "share/qemu/slof.bin",
            "share/seabios/bios.bin",
            "lib/qemu/accel-tcg-x86_64.so",
            "lib/qemu/ui-curses.so",
        ] {
            std::fs::write(at(file), "").unwrap();
        }
        std::os::unix::fs::symlink("pvh.bin", at("share/qemu/bios-microvm.bin")).unwrap();
        let expected = [
            "share/qemu/bios-microvm.bin",
            "share/qemu/pvh.bin",
            "share/seabios/bios.bin",
            "lib/qemu/accel-tcg-x86_64.so",
        ];
        assert_eq!(files(&at("bin/qemu")), expected.map(at));
    }
}
