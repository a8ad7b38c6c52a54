//! Whether the host is a virtual machine itself.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

pub(super) const CHECK: Check = Check {
    name: "virtualization",
    why: "a hypervisor below this host gives its CPUs, caches and memory to others as well, and \
          hides frequencies and sensors",
    examine,
};

fn examine(host: &Host) -> Outcome {
    if !is_virtual(host) {
        return Outcome::pass("hardware, as far as the processor tells");
    }
    let of = |name: &str| host.files.value(format!("/sys/class/dmi/id/{name}"));
    let product = [of("sys_vendor"), of("product_name")];
    let product: Vec<_> = product.into_iter().flatten().collect();
    let name = if product.is_empty() {
        String::new()
    } else {
        format!(" ({})", product.join(" "))
    };
    Outcome::warn(
        format!("a virtual machine{name}"),
        "measure on a machine of its own, which clouds call bare metal",
    )
}

/// CPUID leaf 1 says so in the bit that Linux calls `hypervisor`; arm64 hosts say it elsewhere.
fn is_virtual(host: &Host) -> bool {
    let cpuinfo = host.files.value("/proc/cpuinfo").unwrap_or_default();
    let has_bit = |line: &str| {
        let (name, flags) = line.split_once(':').unwrap_or_default();
        name.trim() == "flags" && flags.split_whitespace().any(|flag| flag == "hypervisor")
    };
    cpuinfo.lines().any(has_bit)
        || host.files.exists("/proc/device-tree/hypervisor")
        || host.files.exists("/sys/hypervisor/type")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn a_processor_tells_of_its_hypervisor() {
        let flags = |flags: &str| format!("processor : 0\nflags\t\t: fpu {flags} sse\nbugs : x\n");
        let hardware = FakeHost::new("0", &[("proc/cpuinfo", &flags("hypervisors"))]);
        assert_eq!(examine(&hardware.host).status, crate::doctor::Status::Pass);
        let guest = FakeHost::new(
            "0",
            &[
                ("proc/cpuinfo", &flags("hypervisor")),
                ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
                ("sys/class/dmi/id/product_name", "Standard PC\n"),
            ],
        );
        let found = examine(&guest.host).found;
        assert_eq!(found, "a virtual machine (QEMU Standard PC)");
        let arm = FakeHost::new("0", &[("proc/device-tree/hypervisor/compatible", "kvm")]);
        assert_eq!(examine(&arm.host).found, "a virtual machine");
    }
}
