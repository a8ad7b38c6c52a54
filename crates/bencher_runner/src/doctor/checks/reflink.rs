//! Whether a copy of a root filesystem image is free.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use bencher_rootfs::{CopyMethod, NoProgress, copy};

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

pub(super) const CHECK: Check = Check {
    name: "reflink",
    why: "each iteration has a copy of the root filesystem: where files can share blocks it takes no \
          time and no space, and brings nothing into the page cache. QEMU maps the image instead, \
          and needs none",
    examine,
};

fn examine(host: &Host) -> Outcome {
    match probe(&host.cache) {
        Ok(true) => Outcome::pass(format!("possible in {}", host.cache.display())),
        Ok(false) => Outcome::warn(
            format!("not possible in {}", host.cache.display()),
            "keep the cache on XFS or btrfs, and name it with --cache-dir",
        ),
        Err(error) => Outcome::warn(
            format!("failed to try it in {}: {error}", host.cache.display()),
            "make the folder writable, or name another with --cache-dir",
        ),
    }
}

fn probe(folder: &Path) -> io::Result<bool> {
    fs::create_dir_all(folder)?;
    let mut source = tempfile::tempfile_in(folder)?;
    // A whole block: what is shorter may be kept beside the file's own data, and not be shared.
    source.write_all(&[1; 4096])?;
    let target = tempfile::tempfile_in(folder)?;
    let method = copy(&source, &target, &NoProgress).map_err(io::Error::other)?;
    Ok(method == CopyMethod::Reflink)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn a_cache_that_can_not_be_written_is_said() {
        let host = FakeHost::new("0", &[]);
        let first = examine(&host.host);
        assert!(first.found.contains("possible in"), "{}", first.found);
        assert!(fs::read_dir(&host.host.cache).unwrap().next().is_none());
        fs::remove_dir(&host.host.cache).unwrap();
        host.put("cache", "a file");
        let found = examine(&host.host).found;
        assert!(found.starts_with("failed to try it in"), "{found}");
    }
}
