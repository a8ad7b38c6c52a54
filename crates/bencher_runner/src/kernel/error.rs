use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::download::DownloadError;

/// Why there is no kernel to boot.
#[derive(Debug, Error)]
pub enum KernelError {
    /// The file that `--kernel` names can not be read.
    #[error("failed to read the kernel {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than any kernel.
    #[error("{} is larger than {} MiB: it is no kernel", path.display(), limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// The file is neither a bzImage nor an ELF image.
    #[error(
        "{} is not a Linux kernel: expected an x86 bzImage or an ELF vmlinux", path.display()
    )]
    NotAKernel {
        /// The file.
        path: PathBuf,
    },
    /// The bzImage's payload can not be unpacked.
    #[error("failed to unpack the payload of the kernel {}: {reason}", path.display())]
    Payload {
        /// The kernel.
        path: PathBuf,
        /// What is wrong with the payload.
        reason: String,
    },
    /// A module can not be read or understood.
    #[error("failed to read the kernel module {}: {reason}", path.display())]
    Module {
        /// The module.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A module needs another one that is nowhere.
    #[error("the kernel module {module} needs {missing}, which is not below {}", folder.display())]
    MissingDependency {
        /// The module that needs another.
        module: String,
        /// The module that is not there.
        missing: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The folder that `--kernel-modules` names can not be read.
    #[error("failed to read the kernel modules in {}: {source}", folder.display())]
    ModulesFolder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cache can not be written.
    #[error(
        "failed to write {}: {source}; make it writable or choose another cache with --cache-dir",
        path.display()
    )]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A kernel can not be downloaded.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A tool of the Debian provider failed.
    #[error("failed to fetch Debian's cloud kernel: {command}: {reason}")]
    Debian {
        /// The command that failed.
        command: String,
        /// Why, as the tool said it.
        reason: String,
    },
    /// No kernel in the cache has the digest that was named.
    #[error(
        "no kernel in the cache has the SHA-256 {sha256}: name its file with --kernel FILE (and \
         --kernel-modules DIR), or its download with --kernel URL#sha256:{sha256}"
    )]
    NotKept {
        /// The digest, in hexadecimal.
        sha256: String,
    },
    /// Nothing provides a kernel on this host.
    #[error(
        "no guest kernel: none is in the cache; {debian}; {pinned}; name one with --kernel FILE \
         (and --kernel-modules DIR), or a pinned one with --kernel URL#sha256:HEX"
    )]
    NoProvider {
        /// Why Debian's can not be had, as a clause.
        debian: String,
        /// Why the one that is pinned can not be had, as a clause.
        pinned: String,
    },
}
