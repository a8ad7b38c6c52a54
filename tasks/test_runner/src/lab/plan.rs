//! The lab's virtual machine, as QEMU's command line: a pure function.

use std::path::PathBuf;

use super::protocol::PORT;

/// The descriptor of the agent's port in QEMU.
pub(crate) const PORT_FD: i32 = 3;

/// Everything that the command line depends on.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) kernel: PathBuf,
    pub(crate) initramfs: PathBuf,
    /// The root filesystem and what goes in; the machine changes neither file.
    pub(crate) root: PathBuf,
    pub(crate) input: PathBuf,
    /// Where the kernel's console goes.
    pub(crate) console: PathBuf,
    pub(crate) virtual_cpus: u32,
    pub(crate) memory_mebibytes: u32,
    pub(crate) tsc_kilohertz: u64,
}

impl Plan {
    /// The arguments.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["-nodefaults", "-no-user-config", "-no-reboot"]
            .map(str::to_owned)
            .to_vec();
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("-name", "lab,debug-threads=on".to_owned());
        option("-display", "none".to_owned());
        option("-M", "microvm,acpi=on".to_owned());
        option("-accel", "tcg,thread=multi".to_owned());
        // An AMD processor with SVM: nested virtualization, emulated.
        option("-cpu", "max".to_owned());
        option("-smp", self.virtual_cpus.to_string());
        option("-m", format!("{}M", self.memory_mebibytes));
        option("-kernel", self.kernel.display().to_string());
        option("-initrd", self.initramfs.display().to_string());
        option("-append", self.parameters());
        option("-serial", format!("file:{}", escaped(&self.console)));
        for (name, file) in [("root", &self.root), ("input", &self.input)] {
            option(
                "-drive",
                format!(
                    "id={name},if=none,format=raw,snapshot=on,cache=unsafe,file={}",
                    escaped(file)
                ),
            );
            option(
                "-device",
                format!("virtio-blk-device,drive={name},serial={name}"),
            );
        }
        option("-device", "virtio-serial-device,max_ports=2".to_owned());
        option("-chardev", format!("socket,id=agent,fd={PORT_FD}"));
        option(
            "-device",
            format!("virtserialport,chardev=agent,name={PORT}"),
        );
        arguments
    }

    fn parameters(&self) -> String {
        [
            "console=ttyS0",
            "quiet",
            // A panic ends the machine at once (with -no-reboot), its message on the console.
            "panic=-1",
            "reboot=t",
            // There is nobody to defend against, and it would cost a third of the boot.
            "mitigations=off",
            "random.trust_cpu=on",
            // The virtual processors share the host's counter, which the kernel can not know; without
            // it the clock would move in steps of 4 ms.
            "tsc=reliable",
            "rdinit=/init",
            "systemd.unit=lab.target",
            "systemd.show_status=no",
            &format!("tsc_early_khz={}", self.tsc_kilohertz),
        ]
        .join(" ")
    }
}

/// A comma in a value of QEMU's is written twice.
fn escaped(path: &std::path::Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line() {
        let plan = Plan {
            kernel: "/k/vmlinuz".into(),
            initramfs: "/k/initramfs".into(),
            root: "/d,1/root.ext4".into(),
            input: "/d/input.ext4".into(),
            console: "/d/console".into(),
            virtual_cpus: 2,
            memory_mebibytes: 3072,
            tsc_kilohertz: 2_596_130,
        };
        insta::assert_snapshot!(plan.arguments().join("\n").replace("\n-", "\n\n-"));
    }
}
