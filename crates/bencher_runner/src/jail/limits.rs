//! Limits of resources.

use nix::libc::RLIM_INFINITY;
use nix::sys::resource::{Resource, setrlimit};

use super::plan::Limits;
use super::step::StepError;

/// Sets all limits, for good.
pub(super) fn limit(limits: &Limits) -> Result<(), StepError> {
    // A core dump would write the guest's memory to the host's disk.
    set("core dumps", Resource::RLIMIT_CORE, 0)?;
    set(
        "the size of files",
        Resource::RLIMIT_FSIZE,
        limits.file_bytes,
    )?;
    set("open files", Resource::RLIMIT_NOFILE, limits.open_files)?;
    if limits.locks_memory {
        // Locking all that is mapped counts every address in use, far beyond the memory that is.
        set("locked memory", Resource::RLIMIT_MEMLOCK, RLIM_INFINITY)?;
    }
    match limits.threads {
        Some(threads) => set("threads", Resource::RLIMIT_NPROC, threads),
        None => Ok(()),
    }
}

fn set(what: &'static str, resource: Resource, limit: u64) -> Result<(), StepError> {
    setrlimit(resource, limit, limit).map_err(|source| StepError::Limit { what, source })
}
