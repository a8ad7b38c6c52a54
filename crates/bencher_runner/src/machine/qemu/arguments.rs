//! QEMU's command line, as a pure function.

use std::path::Path;

use super::{Accelerator, PORT, RootDevice, deterministic};
use crate::machine::PREFAULT;
use crate::machine::{Clock, huge_pages};
use crate::network::{GUEST_MAC, TAP};
use crate::units::ByteSize;

/// The descriptor of the stream in the child.
pub(crate) const STREAM_FD: u8 = 3;

/// Everything that the command line depends on.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is a choice of its own"
)]
pub(crate) struct Plan<'a> {
    pub(crate) accelerator: Accelerator,
    pub(crate) root_device: RootDevice,
    pub(crate) vcpus: u8,
    pub(crate) memory: ByteSize,
    pub(crate) has_huge_pages: bool,
    /// Whether init touches all of it.
    pub(crate) prefault: bool,
    /// Whether all of the VMM's memory stays in the host's.
    pub(crate) lock_memory: bool,
    pub(crate) disk: &'a Path,
    pub(crate) disk_bytes: u64,
    /// Whether the disk is to be mapped privately, and can only be read.
    pub(crate) disk_is_shared: bool,
    pub(crate) kernel: &'a Path,
    pub(crate) initramfs: &'a Path,
    /// `None` where the guest finds its TSC's rate by itself.
    pub(crate) tsc_kilohertz: Option<u64>,
    pub(crate) has_network: bool,
    pub(crate) clock: Clock,
}

pub(crate) fn arguments(plan: &Plan<'_>) -> Vec<String> {
    let mut arguments = Arguments::default();
    // Nothing but what is asked for below, from no file of the host.
    arguments.flags(&["-nodefaults", "-no-user-config", "-no-reboot"]);
    // The threads of vCPUs are told apart by their names.
    arguments.option("-name", "bencher,debug-threads=on");
    arguments.option("-display", "none");
    // The VMM needs no new privileges, no other processes and no old system calls.
    arguments.option(
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
    let memory = plan.memory.mebibytes();
    let kind = if plan.has_huge_pages {
        let size = huge_pages::SIZE.bytes();
        Some(format!("memfd,hugetlb=on,hugetlbsize={size}"))
    } else {
        // An emulator's first touch of a page is the least of its noise.
        (plan.accelerator == Accelerator::Kvm).then(|| "ram".to_owned())
    };
    let backend = if let Some(kind) = kind {
        // All of it at once: the first touch of a page is not the benchmark's to pay for, and an
        // empty pool of huge pages ends the start, not the guest in the middle.
        arguments.option(
            "-object",
            format!("memory-backend-{kind},id=memory,size={memory}M,prealloc=on"),
        );
        ",memory-backend=memory"
    } else {
        ""
    };
    if plan.lock_memory {
        arguments.option("-overcommit", "mem-lock=on");
    }
    match plan.root_device {
        RootDevice::VirtioBlk => {
            arguments.option("-M", format!("microvm,acpi=on{backend}"));
            arguments.option("-m", format!("{memory}M"));
        }
        RootDevice::Nvdimm => {
            let most = memory + ByteSize::from_bytes(plan.disk_bytes).mebibytes();
            let machine = match plan.clock {
                Clock::Wall => "q35,nvdimm=on,usb=off,smbus=off,sata=off".to_owned(),
                Clock::Virtual(_) => deterministic::machine(),
            };
            arguments.option("-M", format!("{machine}{backend}"));
            arguments.option("-m", format!("{memory}M,slots=1,maxmem={most}M"));
        }
    }
    let (accelerator, cpu) = match (plan.accelerator, plan.clock) {
        (Accelerator::Kvm, _) => ("kvm", "host"),
        (_, Clock::Wall) => ("tcg", "max"),
        (_, Clock::Virtual(_)) => ("tcg", deterministic::cpu()),
    };
    arguments.option("-accel", accelerator);
    arguments.option("-cpu", cpu);
    arguments.option("-smp", plan.vcpus.to_string());
    if let Clock::Virtual(rate) = plan.clock {
        for (name, value) in deterministic::options(rate) {
            arguments.option(name, value);
        }
    }
    arguments.option("-kernel", plan.kernel.to_string_lossy());
    arguments.option("-initrd", plan.initramfs.to_string_lossy());
    arguments.option("-append", kernel_parameters(plan));
    arguments.option("-chardev", "stdio,id=console,signal=off");
    arguments.option("-serial", "chardev:console");
    root(&mut arguments, plan);
    let bus = match plan.root_device {
        RootDevice::VirtioBlk => "device",
        RootDevice::Nvdimm => "pci",
    };
    if plan.has_network {
        network(&mut arguments, plan);
    }
    let answers = match plan.clock {
        Clock::Wall => "",
        Clock::Virtual(_) => deterministic::ANSWERS,
    };
    arguments.option(
        "-device",
        format!("virtio-serial-{bus},max_ports=2{answers}"),
    );
    arguments.option("-chardev", format!("socket,id=stream,fd={STREAM_FD}"));
    arguments.option(
        "-device",
        format!("virtserialport,chardev=stream,name={PORT}"),
    );
    arguments.0
}

fn root(arguments: &mut Arguments, plan: &Plan<'_>) {
    // A comma would begin another option.
    let image = plan.disk.to_string_lossy().replace(',', ",,");
    match plan.root_device {
        RootDevice::VirtioBlk => {
            // The disk is thrown away with the machine: a flush has nothing to protect, and the
            // host's disk is noise.
            arguments.option(
                "-blockdev",
                format!(
                    "driver=raw,node-name=root,cache.no-flush=on,discard=unmap,\
                     file.driver=file,file.filename={image},file.aio=threads,file.locking=off"
                ),
            );
            arguments.option("-device", "virtio-blk-device,drive=root");
        }
        RootDevice::Nvdimm => {
            arguments.option(
                "-object",
                format!(
                    "memory-backend-file,id=root,share=off{},mem-path={image},size={}",
                    if plan.disk_is_shared {
                        ",readonly=on,rom=off"
                    } else {
                        ""
                    },
                    plan.disk_bytes
                ),
            );
            arguments.option("-device", "nvdimm,id=nvdimm0,memdev=root");
        }
    }
}

fn network(arguments: &mut Arguments, plan: &Plan<'_>) {
    // The device is there and belongs to the VMM's user: there is nothing to be set up by scripts.
    arguments.option(
        "-netdev",
        format!("tap,id=network,ifname={TAP},script=no,downscript=no"),
    );
    let device = match plan.root_device {
        RootDevice::VirtioBlk => "virtio-net-device",
        // It boots from no network, and needs no code for that.
        RootDevice::Nvdimm => "virtio-net-pci,romfile=",
    };
    arguments.option(
        "-device",
        format!("{device},netdev=network,mac={GUEST_MAC}"),
    );
}

fn kernel_parameters(plan: &Plan<'_>) -> String {
    let mut parameters = vec![
        "console=ttyS0".to_owned(),
        "quiet".to_owned(),
        // A panic ends the machine at once (with -no-reboot), its message on the console.
        "panic=-1".to_owned(),
        "reboot=t".to_owned(),
        // A guest with more memory slots than it uses would set 64 MiB aside for bounce buffers.
        "swiotlb=noforce".to_owned(),
        "rdinit=/init".to_owned(),
        format!("bencher.stream=virtio-serial:{PORT}"),
    ];
    if plan.accelerator == Accelerator::Kvm && plan.root_device == RootDevice::VirtioBlk {
        // A microvm has no RTC under KVM, whose own clock has the date; a kernel would poll for one for a second.
        parameters.push("initcall_blacklist=cmos_init".to_owned());
    }
    if plan.prefault {
        parameters.push(PREFAULT.to_owned());
    }
    let rate = plan.tsc_kilohertz;
    parameters.extend(rate.map(|rate| format!("tsc_early_khz={rate}")));
    if let Clock::Virtual(_) = plan.clock {
        parameters.push(deterministic::KERNEL_PARAMETERS.to_owned());
    }
    parameters.join(" ")
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn flags(&mut self, flags: &[&str]) {
        self.0.extend(flags.iter().map(|&flag| flag.to_owned()));
    }

    fn option(&mut self, name: &str, value: impl Into<String>) {
        self.0.push(name.to_owned());
        self.0.push(value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ClockRate;

    fn plan(root_device: RootDevice, accelerator: Accelerator) -> Plan<'static> {
        Plan {
            accelerator,
            root_device,
            vcpus: 2,
            memory: ByteSize::from_mebibytes(512),
            has_huge_pages: false,
            prefault: false,
            lock_memory: false,
            disk: Path::new("/disk"),
            disk_bytes: 1 << 30,
            disk_is_shared: root_device == RootDevice::Nvdimm,
            kernel: Path::new("/cache/vmlinux"),
            initramfs: Path::new("/cache/initramfs.cpio"),
            tsc_kilohertz: (accelerator == Accelerator::Tcg).then_some(2_596_130),
            has_network: false,
            clock: Clock::Wall,
        }
    }

    fn lines(plan: &Plan<'_>) -> String {
        arguments(plan).join("\n").replace("\n-", "\n\n-")
    }

    #[test]
    fn microvm_under_tcg() {
        insta::assert_snapshot!(lines(&plan(RootDevice::VirtioBlk, Accelerator::Tcg)));
    }

    #[test]
    fn microvm_under_kvm() {
        insta::assert_snapshot!(lines(&plan(RootDevice::VirtioBlk, Accelerator::Kvm)));
    }

    #[test]
    fn huge_pages() {
        let plan = Plan {
            has_huge_pages: true,
            ..plan(RootDevice::VirtioBlk, Accelerator::Kvm)
        };
        let lines = lines(&plan);
        assert!(lines.contains(",memory-backend=memory\n"), "{lines}");
        let pages = "memfd,hugetlb=on,hugetlbsize=2097152,id=memory,size=512M,prealloc=on";
        assert!(lines.contains(pages), "{lines}");
    }

    #[test]
    fn init_is_told_to_touch_all_memory() {
        let plan = Plan {
            prefault: true,
            ..plan(RootDevice::VirtioBlk, Accelerator::Tcg)
        };
        assert!(kernel_parameters(&plan).contains(" bencher.prefault"));
    }

    #[test]
    fn locked_memory() {
        let plan = Plan {
            lock_memory: true,
            ..plan(RootDevice::VirtioBlk, Accelerator::Kvm)
        };
        let lines = lines(&plan);
        assert!(lines.contains("-overcommit\nmem-lock=on\n"), "{lines}");
    }

    #[test]
    fn a_network_is_a_tap_device_on_the_machines_bus() {
        for (root_device, device) in [
            (RootDevice::VirtioBlk, "virtio-net-device,netdev=network,"),
            (
                RootDevice::Nvdimm,
                "virtio-net-pci,romfile=,netdev=network,",
            ),
        ] {
            let plan = Plan {
                has_network: true,
                ..plan(root_device, Accelerator::Tcg)
            };
            let lines = lines(&plan);
            let tap = "-netdev\ntap,id=network,ifname=guest,script=no,downscript=no\n";
            assert!(lines.contains(tap), "{lines}");
            assert!(lines.contains(device), "{lines}");
        }
    }

    #[test]
    fn a_comma_in_a_path_is_no_option() {
        let plan = Plan {
            disk: Path::new("/a,readonly=on/1"),
            ..plan(RootDevice::VirtioBlk, Accelerator::Tcg)
        };
        assert!(lines(&plan).contains("filename=/a,,readonly=on/1,file.aio"));
    }

    #[test]
    fn virtual_clock() {
        let plan = Plan {
            vcpus: 1,
            clock: Clock::Virtual(ClockRate::default()),
            tsc_kilohertz: Some(deterministic::TSC_KILOHERTZ),
            ..plan(RootDevice::Nvdimm, Accelerator::Tcg)
        };
        insta::assert_snapshot!(lines(&plan));
    }

    #[test]
    fn nvdimm_under_kvm() {
        insta::assert_snapshot!(lines(&plan(RootDevice::Nvdimm, Accelerator::Kvm)));
    }
}
