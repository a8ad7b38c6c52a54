//! A file as a block device of the host, for as long as somebody has it open.
//!
//! Source: loop(4), `LOOP_CONFIGURE` (Linux 5.8).

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// An attached loop device. The kernel detaches it when its last user has gone: nothing is left
/// behind, however the runner ends.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    pub(crate) path: PathBuf,
    /// Keeps the device attached until somebody else has mounted it.
    open: File,
}

/// How often a device that was free is found taken by someone else before that is an error.
const ATTEMPTS: usize = 16;

const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_info64` of include/uapi/linux/loop.h.
#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of include/uapi/linux/loop.h.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

mod ioctl {
    use super::LoopConfig;

    nix::ioctl_none_bad!(
        /// `LOOP_CTL_GET_FREE`
        get_free,
        0x4C82
    );
    nix::ioctl_write_ptr_bad!(
        /// `LOOP_CONFIGURE`
        configure,
        0x4C0A,
        LoopConfig
    );
}

impl LoopDevice {
    /// The open device: it stays attached for as long as this, or a mount, is there.
    pub(crate) fn into_descriptor(self) -> OwnedFd {
        OwnedFd::from(self.open)
    }

    /// Attaches `image`, writable.
    pub(crate) fn attach(image: BorrowedFd<'_>) -> std::io::Result<Self> {
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/loop-control")?;
        let mut attempt = 0;
        loop {
            match Self::attach_free(&control, image) {
                // Between the question and the configuration another process took the device.
                Err(error)
                    if error.kind() == std::io::ErrorKind::ResourceBusy && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    #[expect(unsafe_code, reason = "loop devices are set up by ioctl")]
    fn attach_free(control: &File, image: BorrowedFd<'_>) -> std::io::Result<Self> {
        // SAFETY: the request takes no argument and the descriptor is open.
        let number = unsafe { ioctl::get_free(control.as_raw_fd()) }?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(nix::libc::O_CLOEXEC)
            .open(&path)?;
        let config = LoopConfig {
            fd: image.as_raw_fd().unsigned_abs(),
            block_size: 0,
            info: LoopInfo64 {
                device: 0,
                inode: 0,
                rdevice: 0,
                offset: 0,
                size_limit: 0,
                number: 0,
                encrypt_type: 0,
                encrypt_key_size: 0,
                flags: LO_FLAGS_AUTOCLEAR,
                file_name: [0; 64],
                crypt_name: [0; 64],
                encrypt_key: [0; 32],
                init: [0; 2],
            },
            reserved: [0; 8],
        };
        // SAFETY: the argument is a `struct loop_config` that lives until the call returns.
        unsafe { ioctl::configure(device.as_raw_fd(), &raw const config) }?;
        Ok(Self { path, open: device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_the_kernels() {
        assert_eq!(size_of::<LoopInfo64>(), 232);
        assert_eq!(size_of::<LoopConfig>(), 304);
    }
}
