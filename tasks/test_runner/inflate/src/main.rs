//! `inflate FILE…` decompresses gzip files on all CPUs, the largest first, and keeps nothing.
//! Prints how many bytes came out. With the feature `verify` it also computes the SHA-256 of each
//! file and of what comes out.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

fn main() -> ExitCode {
    let mut files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    files.sort_by_key(|path| path.metadata().map_or(0, |metadata| metadata.len()));
    let queue = Mutex::new(files);
    let total = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let failed = thread::scope(|scope| {
        let work = || -> io::Result<()> {
            loop {
                // The lock is held while the next file is taken, not while it is decompressed.
                let Some(path) = queue.lock().ok().and_then(|mut queue| queue.pop()) else {
                    return Ok(());
                };
                total.fetch_add(inflate(&path)?, Ordering::Relaxed);
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().any(|worker| match worker.join() {
            Ok(Ok(())) => false,
            Ok(Err(error)) => {
                eprintln!("inflate: {error}");
                true
            }
            Err(_) => true,
        })
    });
    println!("{}", total.into_inner());
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(not(any(feature = "libdeflate", feature = "verify")))]
fn inflate(path: &std::path::Path) -> io::Result<u64> {
    use std::io::Read as _;
    let file = io::BufReader::with_capacity(256 << 10, std::fs::File::open(path)?);
    let mut decoder = flate2::bufread::MultiGzDecoder::new(file);
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        match decoder.read(&mut buffer)? {
            0 => return Ok(total),
            count => total += count as u64,
        }
    }
}

/// Everything that an image's digests ask for.
#[cfg(feature = "verify")]
fn inflate(path: &std::path::Path) -> io::Result<u64> {
    use sha2::{Digest as _, Sha256};
    use std::io::Read as _;

    /// Hashes what is read through it.
    struct Hashed(std::fs::File, Sha256);

    impl io::Read for Hashed {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1.update(&buffer[..count]);
            Ok(count)
        }
    }

    let file = Hashed(std::fs::File::open(path)?, Sha256::new());
    let mut decoder =
        flate2::bufread::MultiGzDecoder::new(io::BufReader::with_capacity(256 << 10, file));
    let mut content = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        match decoder.read(&mut buffer)? {
            0 => break,
            count => {
                content.update(&buffer[..count]);
                total += count as u64;
            }
        }
    }
    let blob = decoder.into_inner().into_inner().1.finalize();
    // Used, so that neither can be left out.
    std::hint::black_box((blob, content.finalize()));
    Ok(total)
}

/// libdeflate takes and gives whole buffers only.
#[cfg(feature = "libdeflate")]
fn inflate(path: &std::path::Path) -> io::Result<u64> {
    let compressed = std::fs::read(path)?;
    // The last four bytes of a gzip file are its length modulo 2^32.
    let length = compressed
        .last_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let mut output = vec![0; length as usize];
    let count = libdeflater::Decompressor::new()
        .gzip_decompress(&compressed, &mut output)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(count as u64)
}
