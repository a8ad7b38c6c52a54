//! What of a run's disk is in the host's memory before the machine boots.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, SeekFrom, fadvise, seek};
use rustix::io::Errno;

use super::RunError;

/// What of a run's disk is in the host's page cache when its machine boots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PageCache {
    /// What making it left there: all of a copy that was written, nothing of one that shares its
    /// blocks with the cached image (a reflink).
    #[default]
    AsItIs,
    /// All of it.
    Warm,
    /// Nothing of it.
    Cold,
}

/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;

/// Brings the disk image `path` into the state that is wanted. Gives up when `cancel` becomes
/// true.
pub(crate) fn prepare(path: &Path, wanted: PageCache, cancel: &AtomicBool) -> Result<(), RunError> {
    let prepared = match wanted {
        PageCache::AsItIs => Ok(()),
        PageCache::Warm => File::open(path).and_then(|file| warm(&file, cancel)),
        PageCache::Cold => File::open(path).and_then(|file| cool(&file)),
    };
    prepared.map_err(|source| RunError::State {
        path: path.to_owned(),
        source,
    })
}

/// Reads everything but holes, which the page cache would be filled with for nothing.
fn warm(file: &File, cancel: &AtomicBool) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        let begin = match seek(file, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            Err(Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let end = seek(file, SeekFrom::Hole(begin))?;
        at = begin;
        while at < end {
            if cancel.load(Ordering::Relaxed) {
                return Ok(());
            }
            let most = usize::try_from(end - at).map_or(PIECE, |left| left.min(PIECE));
            match file.read_at(&mut piece[..most], at)? {
                0 => return Ok(()),
                count => at += u64::try_from(count).unwrap_or(0),
            }
        }
    }
}

/// Only what is on the disk already can be dropped, so that is seen to first.
fn cool(file: &File) -> io::Result<()> {
    file.sync_data()?;
    Ok(fadvise(file, 0, None, Advice::DontNeed)?)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

    use super::*;

    const SIZE: usize = 8 << 20;

    /// How many of the file's pages are in memory.
    #[expect(unsafe_code, reason = "there is no other way to ask")]
    fn pages_in_memory(file: &File) -> usize {
        let length = NonZeroUsize::new(SIZE).unwrap();
        let mut pages = vec![0_u8; SIZE / 4096];
        // SAFETY: the mapping is looked at by the kernel alone, and `pages` has a byte for each of
        // its pages.
        unsafe {
            let (read, flags) = (ProtFlags::PROT_READ, MapFlags::MAP_SHARED);
            let mapped = mmap(None, length, read, flags, file, 0).unwrap();
            let asked = nix::libc::mincore(mapped.as_ptr(), SIZE, pages.as_mut_ptr());
            assert_eq!(asked, 0);
            munmap(mapped, SIZE).unwrap();
        }
        pages.iter().filter(|&&page| page & 1 == 1).count()
    }

    #[test]
    fn a_disk_is_warm_or_cold_as_wanted() {
        // Not in /tmp, which may be of memory alone.
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.as_file().set_len(SIZE as u64).unwrap();
        let (data, at) = (vec![7; SIZE / 4], (SIZE / 2) as u64);
        file.as_file().write_all_at(&data, at).unwrap();
        let go_on = AtomicBool::new(false);
        let make = |wanted| prepare(file.path(), wanted, &go_on).unwrap();
        make(PageCache::Cold);
        assert_eq!(pages_in_memory(file.as_file()), 0);
        make(PageCache::AsItIs);
        assert_eq!(pages_in_memory(file.as_file()), 0);
        make(PageCache::Warm);
        let warm = pages_in_memory(file.as_file());
        assert!(warm >= SIZE / 4 / 4096, "all data: {warm}");
        assert!(warm < SIZE / 4096, "not the holes: {warm}");
        make(PageCache::Cold);
        assert_eq!(pages_in_memory(file.as_file()), 0);
        prepare(file.path(), PageCache::Warm, &AtomicBool::new(true)).unwrap();
        assert_eq!(pages_in_memory(file.as_file()), 0, "it was cancelled");
    }

    #[test]
    fn a_missing_disk_is_named() {
        let path = Path::new("/no/such/disk");
        let error = prepare(path, PageCache::Cold, &AtomicBool::new(false));
        assert!(error.unwrap_err().to_string().contains("/no/such/disk"));
        prepare(path, PageCache::AsItIs, &AtomicBool::new(false)).unwrap();
    }
}
