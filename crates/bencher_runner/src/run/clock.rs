//! What a virtual clock demands of the rest of a run.

use std::time::Duration;

use super::{RunError, RunSpec, SandboxChoice};
use crate::machine::{Accelerator, Clock, RootDevice};

/// Refuses choices that a virtual clock can not be combined with.
pub(crate) fn check(spec: &RunSpec) -> Result<(), RunError> {
    if spec.clock == Clock::Wall {
        return Ok(());
    }
    let conflicts = [
        (
            spec.sandbox == SandboxChoice::Firecracker,
            "--sandbox firecracker",
            "only QEMU's emulator counts instructions",
        ),
        (
            spec.sandbox == SandboxChoice::None,
            "--sandbox none",
            "only QEMU's emulator counts instructions",
        ),
        (
            !spec.firecracker.is_default(),
            "--cpu-template and --serial-console",
            "only QEMU's emulator counts instructions",
        ),
        (
            spec.qemu.accelerator == Some(Accelerator::Kvm),
            "--accelerator kvm",
            "only QEMU's emulator counts instructions",
        ),
        (
            spec.vcpus.get() > 1,
            "--vcpus",
            "the order in which several CPUs run would be the host's",
        ),
        (
            spec.qemu.root_device == Some(RootDevice::VirtioBlk),
            "--root-device virtio-blk",
            "a disk's answers come at moments of the host's clock",
        ),
        (
            spec.network.is_some(),
            "--network",
            "packets come at moments of the host's clock",
        ),
    ];
    match conflicts.into_iter().find(|(is_there, ..)| *is_there) {
        Some((_, option, reason)) => Err(RunError::VirtualClock { option, reason }),
        None => Ok(()),
    }
}

/// How long after the grace period a guest may still be silent. The grace period passes in the
/// guest, whose seconds take several of the host's where they are counted in instructions.
pub(crate) fn margin(clock: Clock) -> Duration {
    Duration::from_secs(match clock {
        Clock::Wall => 10,
        Clock::Virtual(_) => 90,
    })
}
