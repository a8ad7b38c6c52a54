//! The system calls that neither the standard library nor `nix` wraps safely. All of this crate's
//! unsafe code is here, but for the entry point.
#![expect(
    unsafe_code,
    reason = "these system calls have no safe wrapper: this file is that wrapper"
)]

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use nix::unistd::{ForkResult, Pid};

/// Signals are numbered from 1 to this on Linux.
pub(crate) const LAST_SIGNAL: i32 = 64;

/// Splits this process in two.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: init is single-threaded, so no lock can be held by a thread that the child lacks.
    unsafe { nix::unistd::fork() }
}

/// Splits this process in two, of which the child is born in the cgroup whose folder is given.
///
/// A process that moves there itself makes the kernel wait for all of its processors, some
/// milliseconds (`cgroup_threadgroup_rwsem`); one that is born there does not.
pub(crate) fn fork_into(cgroup: BorrowedFd<'_>) -> nix::Result<ForkResult> {
    let number = |value: i32| u64::try_from(value).map_err(|_| Errno::EBADF);
    // SAFETY: `clone_args` is plain data for which all zeroes is a valid value: no stack and no
    // places for ids are given.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = number(libc::SIGCHLD)?;
    arguments.cgroup = number(cgroup.as_raw_fd())?;
    // SAFETY: without CLONE_VM and a stack this is a fork: the child goes on with a copy of all
    // memory. Init is single-threaded, so no lock can be held by a thread that the child lacks.
    let pid = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<libc::clone_args>(),
        )
    })?;
    Ok(match i32::try_from(pid).map_err(|_| Errno::ERANGE)? {
        0 => ForkResult::Child,
        pid => ForkResult::Parent {
            child: Pid::from_raw(pid),
        },
    })
}

/// From `linux/sched.h`; the C library's headers give it a type that is too small for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Takes over a descriptor that this process was started with.
pub(crate) fn inherited_fd(fd: RawFd) -> nix::Result<OwnedFd> {
    // SAFETY: F_GETFD touches no memory; it only tells whether the descriptor is open.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    // SAFETY: the descriptor is open, and as it was inherited nothing in this program owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes descriptors 0, 1 and 2 open: those that are not lead to `/dev/null`.
///
/// A kernel without a console starts PID 1 with none of them, and the next files to be opened
/// would silently become its standard output.
pub(crate) fn open_standard_fds() -> nix::Result<()> {
    for fd in 0..=2 {
        // SAFETY: F_GETFD touches no memory.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            // SAFETY: the path is a NUL-terminated constant. The lowest free number is `fd`, as
            // all below it are open by now.
            Errno::result(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) })?;
        }
    }
    Ok(())
}

/// Closes every descriptor from 3 on but those in `keep`.
///
/// Nothing may use a descriptor that is closed by this: callers are processes that were just
/// started or forked and that never return to the owners of the others.
pub(crate) fn close_all_but(keep: &[RawFd]) {
    let mut keep: Vec<u32> = keep
        .iter()
        .filter_map(|&fd| u32::try_from(fd).ok())
        .collect();
    keep.sort_unstable();
    let mut first: u32 = 3;
    for kept in keep.into_iter().chain([u32::MAX]) {
        if let Some(last) = kept.checked_sub(1)
            && last >= first
        {
            // SAFETY: close_range touches no memory. Before Linux 5.9 it does nothing, which only
            // leaves descriptors open that are all marked close-on-exec.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) };
        }
        first = first.max(kept.saturating_add(1));
    }
}

/// Marks every descriptor from 3 on to be closed by `execve`.
pub(crate) fn close_all_on_exec() {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    // SAFETY: close_range touches no memory. Before Linux 5.11 it does nothing; the reaper closes
    // them in any case.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, CLOSE_RANGE_CLOEXEC) };
}

/// Gives every signal its default action: ignored ones would stay ignored across `execve`.
pub(crate) fn reset_signal_actions() {
    // The kernel's `struct sigaction`: SIG_DFL, no flags and an empty mask are all zeroes. It has
    // at most four words.
    const DEFAULT: [u64; 4] = [0; 4];
    const MASK_BYTES: usize = 8;
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the kernel only reads the structure, and SIG_DFL installs no handler. The call
        // fails for KILL and STOP, which never have another action. The C library's own function
        // refuses the two signals that it keeps to itself, which may have been inherited ignored.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                DEFAULT.as_ptr(),
                std::ptr::null_mut::<c_void>(),
                MASK_BYTES,
            )
        };
    }
}

/// Makes writing to a closed stream an error instead of a signal.
pub(crate) fn ignore_broken_pipes() {
    // SAFETY: SIG_IGN installs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

static GAVE_WAY: AtomicBool = AtomicBool::new(false);

/// Makes this process one that does not interrupt others when it is woken (`SCHED_BATCH`): on a
/// single processor each small write of the command would else be followed by init's reading of
/// it, and the command's time would be full of init's.
pub(crate) fn give_way() {
    // SAFETY: this touches no memory.
    let is_usual = unsafe { libc::sched_getscheduler(0) } == libc::SCHED_OTHER;
    GAVE_WAY.store(is_usual && schedule(libc::SCHED_BATCH), Ordering::Relaxed);
}

/// Takes back [`give_way`], in a process that inherited it.
pub(crate) fn stop_giving_way() {
    if GAVE_WAY.load(Ordering::Relaxed) {
        schedule(libc::SCHED_OTHER);
    }
}

/// Changes this process's scheduling policy to one without priorities, if that is possible: if
/// not, everything works, only less quietly.
fn schedule(policy: i32) -> bool {
    // SAFETY: `sched_param` is plain data for which all zeroes is a valid value, and the one that
    // these policies ask for.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the parameters are valid and only read.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) == 0 }
}

/// A handle of the process `pid`, which must be a child that was not waited for yet.
pub(crate) fn pidfd_open(pid: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: pidfd_open touches no memory.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0_u32) })?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the call returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends `signal` (1 to 64) to the process behind a handle.
pub(crate) fn pidfd_send_signal(process: BorrowedFd<'_>, signal: i32) -> nix::Result<()> {
    // SAFETY: a null pointer instead of signal details asks for those of kill(2).
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            std::ptr::null::<c_void>(),
            0_u32,
        )
    })
    .map(drop)
}

/// Takes over a descriptor that a received message carried.
pub(crate) fn received_fd(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel made this descriptor for this process when it delivered the message, and
    // the caller takes it out of the message once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With this exit code.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

/// Waits for any child, or for the one given, and reaps it.
///
/// `nix`'s own wrapper reaps a child that died of a real-time signal and then fails.
pub(crate) fn wait(child: Option<Pid>) -> nix::Result<(Pid, Ending)> {
    loop {
        let mut status = 0;
        let wanted = child.map_or(-1, Pid::as_raw);
        // SAFETY: `status` is a valid place for the status.
        match Errno::result(unsafe { libc::waitpid(wanted, &raw mut status, 0) }) {
            Ok(pid) => {
                let low = |value: i32| u8::try_from(value & 0xff).unwrap_or(u8::MAX);
                let ending = if libc::WIFSIGNALED(status) {
                    Ending::Signal(low(libc::WTERMSIG(status)))
                } else {
                    Ending::Code(low(libc::WEXITSTATUS(status)))
                };
                return Ok((Pid::from_raw(pid), ending));
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Ends this process at once: nothing is flushed, nothing is dropped.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit does not return and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Takes `capability` away from whatever this process will execute.
pub(crate) fn drop_from_bounding_set(capability: u32) -> nix::Result<()> {
    // SAFETY: PR_CAPBSET_DROP touches no memory.
    Errno::result(unsafe {
        libc::prctl(
            libc::PR_CAPBSET_DROP,
            libc::c_ulong::from(capability),
            0_u64,
            0_u64,
            0_u64,
        )
    })
    .map(drop)
}

/// Brings the network interface `name` up.
pub(crate) fn bring_interface_up(socket: BorrowedFd<'_>, name: &str) -> nix::Result<()> {
    // SAFETY: `ifreq` is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    for (to, &from) in request.ifr_name.iter_mut().zip(name.as_bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    // SAFETY: the request is a valid `ifreq` with a NUL-terminated name; the kernel fills in the
    // flags.
    Errno::result(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request)
    })?;
    let up = libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
    // SAFETY: after SIOCGIFFLAGS the flags are the initialised member of the union.
    unsafe { request.ifr_ifru.ifru_flags |= up };
    // SAFETY: as above; the kernel only reads the request.
    Errno::result(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)
    })
    .map(drop)
}

/// A number that this process and those forked from it from now on share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedNumber(&'static AtomicU64);

impl SharedNumber {
    /// A new number, 0. Its page is never unmapped.
    pub(crate) fn new() -> nix::Result<Self> {
        let length = NonZeroUsize::new(size_of::<AtomicU64>()).ok_or(Errno::EINVAL)?;
        // SAFETY: a new anonymous mapping replaces nothing.
        let page = unsafe {
            mmap_anonymous(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
            )
        }?;
        // SAFETY: the mapping is page-aligned, zeroed, large enough for an `AtomicU64`, and lives
        // as long as the process.
        Ok(Self(unsafe { page.cast::<AtomicU64>().as_ref() }))
    }

    pub(crate) fn set(self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }

    pub(crate) fn get(self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Memory that the kernel has given pages to. Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Populated {
    start: NonNull<c_void>,
    length: usize,
}

impl Populated {
    /// As many bytes, each page of them written to.
    ///
    /// `MAP_POPULATE` would do it too, and not say when it could not.
    pub(crate) fn new(length: usize) -> nix::Result<Self> {
        let bytes = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        // SAFETY: a new anonymous mapping replaces nothing.
        let start = unsafe {
            mmap_anonymous(
                None,
                bytes,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_PRIVATE,
            )
        }?;
        // From here on it is given back if anything fails.
        let populated = Self { start, length };
        // SAFETY: this changes no content of the mapping, which is all of it and new.
        unsafe { madvise(start, length, MmapAdvise::MADV_POPULATE_WRITE) }?;
        Ok(populated)
    }
}

impl Drop for Populated {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that was made, whole, and nothing refers to it.
        let _gone_anyway = unsafe { munmap(self.start, self.length) };
    }
}
