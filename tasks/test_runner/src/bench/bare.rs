//! The least that any runner must do: QEMU booting the same kernel and initramfs to a program that
//! powers off at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use super::Arena;
use super::ending::{self, Program};
use crate::process::{capture, command};

/// What the kernel says at any log level when it powers off.
const POWERED_OFF: &str = "reboot: Power down";

/// Options of QEMU that make the machine; devices, which this guest does not use, are left out.
const KEPT: [&str; 7] = ["-M", "-m", "-accel", "-cpu", "-smp", "-kernel", "-display"];
const FLAGS: [&str; 3] = ["-nodefaults", "-no-user-config", "-no-reboot"];

/// A machine like the runner's.
#[derive(Debug)]
pub(crate) struct Bare {
    qemu: PathBuf,
    arguments: Vec<String>,
}

impl Bare {
    /// Lets `run`, a `runner run` command, start QEMU through a script that notes the arguments.
    ///
    /// # Errors
    ///
    /// When the run fails or no C compiler is there.
    pub(crate) fn like(arena: &Arena<'_>, qemu: &Path, mut run: Command) -> anyhow::Result<Self> {
        let folder = arena.folder.join("bare");
        fs::create_dir_all(&folder)?;
        let noted = folder.join("arguments");
        let initramfs = folder.join("initramfs");
        let script = folder.join("qemu");
        fs::write(&script, noting_script(qemu, &noted, &initramfs))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        // The script uses more of the host than a jail holds.
        capture(run.arg("--no-jail").arg("--qemu").arg(&script))?;
        let noted = fs::read_to_string(&noted).context("the runner did not start QEMU")?;
        let noted: Vec<&str> = noted.split_terminator('\0').collect();
        Program::PowerOff.append(&folder, &initramfs)?;
        Ok(Self {
            qemu: qemu.to_owned(),
            arguments: arguments(&noted, &initramfs)?,
        })
    }

    /// Boots it and waits for its end.
    ///
    /// # Errors
    ///
    /// When it ends otherwise than by powering off.
    pub(crate) fn boot(&self) -> anyhow::Result<()> {
        let console = capture(command(&self.qemu).args(&self.arguments))?;
        let console = String::from_utf8_lossy(&console);
        // A kernel that can not start the program panics, which ends the machine as well.
        ensure!(
            console.contains(POWERED_OFF),
            "the bare machine did not power off:\n{console}"
        );
        Ok(())
    }
}

/// A QEMU that notes its arguments, and the initramfs among them, before it becomes the real one.
fn noting_script(qemu: &Path, noted: &Path, initramfs: &Path) -> String {
    let quote = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    format!(
        "#!/bin/sh\n\
         previous=\n\
         for argument in \"$@\"; do\n\
         \tif [ \"$previous\" = -initrd ]; then\n\
         \t\tcp \"$argument\" {initramfs}\n\
         \t\tprintf '%s\\0' \"$@\" >{noted}\n\
         \tfi\n\
         \tprevious=$argument\n\
         done\n\
         exec {qemu} \"$@\"\n",
        initramfs = quote(initramfs),
        noted = quote(noted),
        qemu = quote(qemu),
    )
}

/// The arguments of the bare machine.
fn arguments(noted: &[&str], initramfs: &Path) -> anyhow::Result<Vec<String>> {
    let mut kept: Vec<String> = FLAGS.map(str::to_owned).to_vec();
    let mut parameters = None;
    for pair in noted.windows(2) {
        let [option, value] = pair else { continue };
        if KEPT.contains(option) {
            kept.extend([option.to_string(), value.to_string()]);
        }
        if *option == "-append" {
            parameters = Some(value);
        }
    }
    let Some(parameters) = parameters else {
        bail!("the runner gave QEMU no kernel parameters");
    };
    let initramfs = initramfs.display().to_string();
    kept.extend(["-initrd".to_owned(), initramfs]);
    kept.extend([
        "-append".to_owned(),
        format!("{parameters} rdinit=/{}", ending::NAME),
    ]);
    kept.extend(["-serial", "stdio", "-monitor", "none"].map(str::to_owned));
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_stays_and_the_devices_go() {
        let noted = [
            "-nodefaults",
            "-display",
            "none",
            "-M",
            "microvm",
            "-m",
            "512M",
            "-kernel",
            "/k",
            "-initrd",
            "/old",
            "-append",
            "quiet",
            "-device",
            "virtio-serial-device",
            "-sandbox",
            "on",
        ];
        let kept = arguments(&noted, Path::new("/new")).expect("complete");
        assert_eq!(
            kept.join(" "),
            "-nodefaults -no-user-config -no-reboot -display none -M microvm -m 512M -kernel /k \
             -initrd /new -append quiet rdinit=/ending -serial stdio -monitor none"
        );
        assert!(arguments(&noted[..4], Path::new("/new")).is_err());
    }

    #[test]
    fn the_noting_script_starts_the_real_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("initrd"), "contents").expect("it can be written");
        let script = noting_script(Path::new("/bin/echo"), &at("noted"), &at("copy"));
        fs::write(at("script"), script).expect("it can be written");
        let printed = capture(
            command("sh")
                .arg(at("script"))
                .args(["-append", "a b", "-initrd"])
                .arg(at("initrd")),
        )
        .expect("it runs");
        assert!(printed.starts_with(b"-append a b -initrd "));
        assert_eq!(
            fs::read_to_string(at("copy")).expect("it is there"),
            "contents"
        );
        let noted = fs::read_to_string(at("noted")).expect("it is there");
        assert!(noted.starts_with("-append\0a b\0-initrd\0"), "{noted:?}");
    }
}
