//! A copy of an image for one run.
//!
//! A reflink where the filesystem has them (btrfs, XFS): it takes milliseconds and no space.
//! Otherwise the data are copied and the holes are kept.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, copy_file_range, ioctl_ficlone, seek};
use rustix::io::Errno;

use crate::error::is_full;
use crate::progress::{Progress, Step};

/// Bytes copied at a time: progress and cancellation in between.
const PIECE: u64 = 16 << 20;

/// Bytes held in memory where the kernel can not copy.
const MEMORY: usize = 1 << 20;

/// How a copy was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CopyMethod {
    /// Both files share their blocks until one of them is written to.
    Reflink,
    /// The data were copied, inside the kernel.
    Sparse,
    /// The data were copied through memory, as the kernel could not copy between these files.
    SparseThroughMemory,
}

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The source could not be read.
    #[error("failed to read the image")]
    Read(#[source] io::Error),
    /// The copy could not be written.
    #[error("failed to write the copy of the image")]
    Write(#[source] io::Error),
    /// The filesystem of the copy is full.
    #[error("the host's disk is full: free some space where the copy of the image is written to")]
    HostDiskFull(#[source] io::Error),
    /// It was asked to stop.
    #[error("copying the image was cancelled")]
    Cancelled,
}

impl CopyError {
    fn write(error: impl Into<io::Error>) -> Self {
        let error = error.into();
        if is_full(&error) {
            Self::HostDiskFull(error)
        } else {
            Self::Write(error)
        }
    }
}

/// Makes `target`, an empty file open for writing, a copy of `source`.
///
/// # Errors
/// [`CopyError`]. What is in `target` then is of no use.
pub fn copy(
    source: &File,
    target: &File,
    progress: &dyn Progress,
) -> Result<CopyMethod, CopyError> {
    // Whatever the reason that this can not be done, copying tells it or has none.
    if ioctl_ficlone(target, source).is_ok() {
        return Ok(CopyMethod::Reflink);
    }
    copy_sparsely(source, target, progress, CopyMethod::Sparse)
}

fn copy_sparsely(
    source: &File,
    target: &File,
    progress: &dyn Progress,
    method: CopyMethod,
) -> Result<CopyMethod, CopyError> {
    let size = source.metadata().map_err(CopyError::Read)?.len();
    progress.step(Step::Copy { bytes: size });
    target.set_len(size).map_err(CopyError::write)?;
    let mut copier = Copier::new(source, method);
    let mut position = 0;
    while let Some(start) = seek_to(source, SeekFrom::Data(position), size)? {
        progress.advance(start - position);
        let end = seek_to(source, SeekFrom::Hole(start), size)?.unwrap_or(size);
        position = start;
        while position < end {
            if progress.is_cancelled() {
                return Err(CopyError::Cancelled);
            }
            let length = (end - position).min(PIECE);
            copier.copy(position, target, position, length)?;
            position += length;
            progress.advance(length);
        }
    }
    progress.advance(size - position);
    Ok(copier.method())
}

/// Where data begin or end at or after a place; nothing if there are no more.
fn seek_to(file: &File, to: SeekFrom, size: u64) -> Result<Option<u64>, CopyError> {
    let (SeekFrom::Data(from) | SeekFrom::Hole(from)) = to else {
        return Ok(None);
    };
    if from >= size {
        return Ok(None);
    }
    match seek(file, to) {
        Ok(place) => Ok(Some(place.min(size)).filter(|&place| place < size)),
        // No data up to the end.
        Err(Errno::NXIO) => Ok(None),
        // A filesystem that does not tell holes has none.
        Err(Errno::INVAL) => Ok(Some(from).filter(|_| matches!(to, SeekFrom::Data(_)))),
        Err(error) => Err(CopyError::Read(error.into())),
    }
}

/// Copies parts of a file, in the kernel as long as that works.
#[derive(Debug)]
pub(crate) struct Copier<'a> {
    source: &'a File,
    method: CopyMethod,
    buffer: Vec<u8>,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(source: &'a File, method: CopyMethod) -> Self {
        Self {
            source,
            method,
            buffer: Vec::new(),
        }
    }

    /// The method that worked last.
    pub(crate) fn method(&self) -> CopyMethod {
        self.method
    }

    /// Copies `length` bytes from one position to another, in another file.
    pub(crate) fn copy(
        &mut self,
        from: u64,
        target: &File,
        to: u64,
        length: u64,
    ) -> Result<(), CopyError> {
        let (mut from, mut to) = (from, to);
        let end = from + length;
        while self.method == CopyMethod::Sparse && from < end {
            let left = usize::try_from(end - from).unwrap_or(usize::MAX);
            // Moves both positions on.
            match copy_file_range(self.source, Some(&mut from), target, Some(&mut to), left) {
                Ok(0) => return Err(CopyError::Read(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                    self.method = CopyMethod::SparseThroughMemory;
                }
                Err(error) => return Err(CopyError::write(error)),
            }
        }
        self.through_memory(from, target, to, end - from)
    }

    fn through_memory(
        &mut self,
        mut from: u64,
        target: &File,
        mut to: u64,
        mut length: u64,
    ) -> Result<(), CopyError> {
        while length > 0 {
            self.buffer.resize(MEMORY, 0);
            let count = usize::try_from(length).unwrap_or(usize::MAX).min(MEMORY);
            let buffer = &mut self.buffer[..count];
            self.source
                .read_exact_at(buffer, from)
                .map_err(CopyError::Read)?;
            target.write_all_at(buffer, to).map_err(CopyError::write)?;
            from += count as u64;
            to += count as u64;
            length -= count as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::progress::NoProgress;

    const MIB: u64 = 1 << 20;

    /// 64 MiB with a little data here and there.
    fn sparse() -> (File, Vec<(u64, Vec<u8>)>) {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 * MIB).unwrap();
        let data = vec![
            (0, vec![1; 5000]),
            (20 * MIB + 3, vec![2; 3_000_000]),
            (64 * MIB - 1, vec![3]),
        ];
        for (position, bytes) in &data {
            file.write_all_at(bytes, *position).unwrap();
        }
        (file, data)
    }

    fn check(copy: &File, data: &[(u64, Vec<u8>)]) {
        let metadata = copy.metadata().unwrap();
        assert_eq!(metadata.len(), 64 * MIB);
        assert!(metadata.blocks() * 512 < 8 * MIB);
        let mut bytes = vec![0; usize::try_from(metadata.len()).unwrap()];
        copy.read_exact_at(&mut bytes, 0).unwrap();
        let mut expected = vec![0; bytes.len()];
        for (position, bytes) in data {
            let position = usize::try_from(*position).unwrap();
            expected[position..position + bytes.len()].copy_from_slice(bytes);
        }
        assert!(bytes == expected);
    }

    #[test]
    fn copies_are_equal_and_as_sparse() {
        let (source, data) = sparse();
        let target = tempfile::tempfile().unwrap();
        copy(&source, &target, &NoProgress).unwrap();
        check(&target, &data);
        for method in [CopyMethod::Sparse, CopyMethod::SparseThroughMemory] {
            let target = tempfile::tempfile().unwrap();
            let made = copy_sparsely(&source, &target, &NoProgress, method).unwrap();
            assert!(made == method || made == CopyMethod::SparseThroughMemory);
            check(&target, &data);
        }
    }

    #[test]
    fn files_without_data_or_without_holes() {
        for size in [0, 1, 4096, 5 * MIB] {
            for filled in [false, true] {
                let source = tempfile::tempfile().unwrap();
                source.set_len(size).unwrap();
                if filled {
                    let bytes = vec![7; usize::try_from(size).unwrap()];
                    source.write_all_at(&bytes, 0).unwrap();
                }
                let target = tempfile::tempfile().unwrap();
                copy_sparsely(&source, &target, &NoProgress, CopyMethod::Sparse).unwrap();
                assert_eq!(target.metadata().unwrap().len(), size);
                let mut bytes = vec![0; usize::try_from(size).unwrap()];
                target.read_exact_at(&mut bytes, 0).unwrap();
                assert!(bytes.iter().all(|&byte| byte == if filled { 7 } else { 0 }));
            }
        }
    }

    #[test]
    fn the_copy_is_independent() {
        let (source, data) = sparse();
        let target = tempfile::tempfile().unwrap();
        copy(&source, &target, &NoProgress).unwrap();
        source.write_all_at(b"changed", 0).unwrap();
        check(&target, &data);
    }

    #[test]
    fn progress_adds_up_and_can_cancel() {
        use std::sync::atomic::{AtomicU64, Ordering};
        struct Count(AtomicU64, u64);
        impl Progress for Count {
            fn advance(&self, bytes: u64) {
                self.0.fetch_add(bytes, Ordering::Relaxed);
            }
            fn is_cancelled(&self) -> bool {
                self.0.load(Ordering::Relaxed) >= self.1
            }
        }
        let (source, _) = sparse();
        let target = tempfile::tempfile().unwrap();
        let count = Count(AtomicU64::new(0), u64::MAX);
        copy_sparsely(&source, &target, &count, CopyMethod::Sparse).unwrap();
        assert_eq!(count.0.into_inner(), 64 * MIB);
        let count = Count(AtomicU64::new(0), MIB);
        let error = copy_sparsely(&source, &target, &count, CopyMethod::Sparse).unwrap_err();
        assert!(matches!(error, CopyError::Cancelled), "{error}");
    }

    #[test]
    fn errors_say_which_side() {
        let (source, _) = sparse();
        let read_only = File::open("/dev/null").unwrap();
        let error = copy(&source, &read_only, &NoProgress).unwrap_err();
        assert!(matches!(error, CopyError::Write(_)), "{error}");
    }
}
