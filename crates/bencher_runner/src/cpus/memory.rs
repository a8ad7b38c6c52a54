//! Which NUMA node memory comes from, by `set_mempolicy(2)`.

use std::io;

use nix::libc;

/// Nodes that the mask below has room for.
const NODES: usize = 1024;

/// `MPOL_BIND` of `linux/mempolicy.h`: from these nodes, or not at all.
const BIND: libc::c_long = 2;

/// Lets the memory of the calling thread, and of what it starts or becomes, come from `node` alone.
///
/// # Errors
///
/// When the kernel or a filter of system calls does not allow it.
#[expect(unsafe_code, reason = "the system call has no safe wrapper")]
pub(crate) fn bind_this_thread(node: u32) -> io::Result<()> {
    let bits = usize::try_from(libc::c_ulong::BITS).unwrap_or(1);
    let mut mask = vec![0; NODES / bits];
    let node = usize::try_from(node).unwrap_or(NODES);
    let word = mask.get_mut(node / bits);
    let word = word.ok_or(io::ErrorKind::InvalidInput)?;
    *word |= (1 as libc::c_ulong) << (node % bits);
    // SAFETY: the mask has as many bits as the kernel is told, and is only read.
    let done = unsafe { libc::syscall(libc::SYS_set_mempolicy, BIND, mask.as_ptr(), NODES) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Why memory can not be bound to `node` here, if it can not.
pub(crate) fn obstacle(node: u32) -> Option<String> {
    // A thread of its own, since it stays bound.
    let tried = std::thread::spawn(move || bind_this_thread(node)).join();
    match tried {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("a thread of the runner failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threads_memory_is_bound_and_nobody_elses() {
        if let Some(reason) = obstacle(0) {
            println!("skipped: {reason}");
            return;
        }
        let policy = |thread: &str| {
            let maps = std::fs::read_to_string(format!("/proc/{thread}/numa_maps"));
            maps.is_ok_and(|maps| maps.contains("bind:0"))
        };
        let bound = std::thread::spawn(move || {
            bind_this_thread(0).unwrap();
            policy("thread-self")
        });
        let has_maps = std::path::Path::new("/proc/thread-self/numa_maps").exists();
        assert_eq!(bound.join().unwrap(), has_maps);
        assert!(!policy("thread-self"));
    }

    #[test]
    fn a_node_that_is_not_there_is_an_error() {
        assert!(bind_this_thread(1023).is_err());
        assert!(bind_this_thread(70_000).is_err());
        assert!(obstacle(1023).is_some());
    }
}
