//! A guest that nothing of the host reaches but its image and its orders.
//!
//! QEMU's translator counts instructions and makes the guest's clock of the count (`-icount`,
//! `docs/devel/tcg-icount.rst` of QEMU). That alone is not enough: whatever else comes from the host
//! comes at a moment of the host's, or differs from host to host.
//!
//! | of the host | instead |
//! |---|---|
//! | the processor's model and features | one that every QEMU since 7.2 can emulate in full |
//! | the machine's defaults, which grow with QEMU | a machine type that never changes |
//! | randomness: `RDRAND`, the boot loader's seed | a generator with a fixed seed |
//! | the date | a fixed one, which passes with the clock |
//! | the moment at which a disk has written or read | an NVDIMM: memory, which needs no interrupt |
//! | the moment at which orders arrive | they are in the initramfs |
//! | the moment at which output is taken in | the very instruction that hands it over |
//! | the order in which threads run | one virtual CPU |
//!

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bencher_output_protocol::{HostMessage, Orders};

use crate::cpio::CpioWriter;
use crate::machine::{ClockRate, MachineError, VirtualClock};

/// x86-64-v3 and the instructions for AES and random numbers. Nothing that a newer QEMU learns to
/// emulate appears in it, since all that 7.2 lacks is switched off; `enforce` refuses to do with less.
/// The model is AMD's so that the kernel needs no page table isolation, whose switches are slow to
/// emulate.
const CPU_MODEL: &str = "EPYC-v1,-svm,-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,\
-osvw,-topoext,-xsavec,enforce";

/// The machine as QEMU 7.2 had it.
const MACHINE_TYPE: &str = "pc-q35-7.2";

/// Any number: it only has to be the same.
const SEED: u64 = 1;

/// Later than the files of an image usually are: `make` takes what is from the future for changed.
const EPOCH: &str = "2030-01-01T00:00:00";

/// The TSC counts nanoseconds of the virtual clock, whatever its rate.
pub(super) const TSC_KILOHERTZ: u64 = 1_000_000;

/// No timer but the TSC, of which the rate is known: a kernel that compares two timers adjusts one.
/// No layout in memory that differs from run to run. No mitigations: an emulator does not speculate, so
/// they would only add instructions.
pub(super) const KERNEL_PARAMETERS: &str =
    "tsc=reliable pmtmr=0 random.trust_cpu=on mitigations=off nokaslr norandmaps";

/// A virtio device that does what it is told while the guest waits for the instruction that tells it,
/// not when another thread of QEMU gets round to it.
pub(super) const ANSWERS: &str = ",ioeventfd=off";

/// The name of the host's opening words in the initramfs, where init looks for them.
const WORDS: &str = "host.stream";

/// The machine type and its switches.
pub(super) fn machine() -> String {
    format!("{MACHINE_TYPE},nvdimm=on,usb=off,smbus=off,sata=off,hpet=off,i8042=off")
}

/// The processor.
pub(super) fn cpu() -> &'static str {
    CPU_MODEL
}

/// Options of their own, with their values.
pub(super) fn options(rate: ClockRate) -> [(&'static str, String); 3] {
    [
        ("-icount", format!("shift={},sleep=off", rate.shift())),
        ("-seed", SEED.to_string()),
        ("-rtc", format!("base={EPOCH},clock=vm")),
    ]
}

/// The same for the result.
pub(super) fn description(rate: ClockRate) -> VirtualClock {
    VirtualClock {
        mips: rate.mips(),
        cpu_model: CPU_MODEL.to_owned(),
        machine_type: MACHINE_TYPE.to_owned(),
        seed: SEED,
        epoch: format!("{EPOCH}Z"),
    }
}

/// Writes an initramfs into `folder` that is `initramfs` with `orders` in it. It must be readable
/// for a VMM of another user; the folder is closed to all others.
pub(super) fn with_orders(
    initramfs: &Path,
    orders: &Orders,
    folder: &Path,
) -> Result<PathBuf, MachineError> {
    let mut words = HostMessage::Hello.encode()?;
    words.extend(HostMessage::Orders(Box::new(orders.clone())).encode()?);
    let path = folder.join("initramfs.cpio");
    write(initramfs, &words, &path).map_err(|source| MachineError::Prepare {
        what: "the initramfs",
        source,
    })?;
    Ok(path)
}

/// The kernel unpacks one archive after the other.
fn write(initramfs: &Path, words: &[u8], path: &Path) -> io::Result<()> {
    fs::copy(initramfs, path)?;
    let mut cpio = CpioWriter::new(Vec::new());
    cpio.file(WORDS, words)?;
    let archive = cpio.finish()?;
    File::options().append(true).open(path)?.write_all(&archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_behind_the_initramfs() {
        let folder = tempfile::tempdir().unwrap();
        let initramfs = folder.path().join("cached");
        fs::write(&initramfs, "an archive").unwrap();
        let path = folder.path().join("initramfs.cpio");
        write(&initramfs, b"the words", &path).unwrap();
        let bytes = fs::read(path).unwrap();
        assert!(bytes.starts_with(b"an archive070701"));
        let there = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(there(b"host.stream\0") && there(b"the words"));
    }
}
