//! What a program needs of the host besides itself: its loader and its libraries.
//!
//! The program's own loader tells (`ld.so --list`). Since a VMM changes rarely and asking takes
//! longer than starting it, the answer is kept, by what identifies the program's file
//! and the loader's own list of libraries.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::Endianness;
use object::read::ReadCache;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use sha2::{Digest as _, Sha256};

use super::JailError;

/// The first line of a kept answer: another one is not understood.
const FORMAT: &str = "libraries 1";

/// What the loader looks into where the libraries are in places of the host's own choice.
const LOADER_CACHE: &str = "/etc/ld.so.cache";

/// The files that `program` needs, as absolute paths: none if it is linked statically.
pub(super) fn needed_by(program: &Path, cache: &Path) -> Result<Vec<PathBuf>, JailError> {
    let failed = |reason: String| JailError::Libraries {
        path: program.to_owned(),
        reason,
    };
    let identity = identity(program).map_err(|error| failed(error.to_string()))?;
    let kept = cache.join(identity);
    if let Some(libraries) = read(&kept) {
        return Ok(libraries);
    }
    let libraries = match interpreter(program).map_err(failed)? {
        Some(loader) => {
            let mut libraries = list(&loader, program).map_err(failed)?;
            libraries.push(loader);
            let loader_cache = PathBuf::from(LOADER_CACHE);
            if loader_cache.exists() {
                libraries.push(loader_cache);
            }
            libraries
        }
        None => Vec::new(),
    };
    // It only saves time: without it the next run asks again.
    let _not_kept = keep(&kept, &libraries);
    Ok(libraries)
}

fn identity(program: &Path) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    hasher.update(program.as_os_str().as_bytes());
    // Libraries that come and go are entered into the loader's cache.
    for file in [Ok(fs::metadata(program)?), fs::metadata(LOADER_CACHE)]
        .into_iter()
        .flatten()
    {
        for number in [
            file.dev(),
            file.ino(),
            file.len(),
            file.mtime().unsigned_abs(),
            file.mtime_nsec().unsigned_abs(),
        ] {
            hasher.update(number.to_le_bytes());
        }
    }
    Ok(hex::encode(hasher.finalize()))
}

/// A kept answer, unless a file of it is gone.
fn read(kept: &Path) -> Option<Vec<PathBuf>> {
    let text = fs::read_to_string(kept).ok()?;
    let mut lines = text.lines();
    if lines.next()? != FORMAT {
        return None;
    }
    let libraries: Vec<PathBuf> = lines.map(PathBuf::from).collect();
    libraries
        .iter()
        .all(|library| library.is_file())
        .then_some(libraries)
}

fn keep(kept: &Path, libraries: &[PathBuf]) -> std::io::Result<()> {
    let folder = kept.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{FORMAT}")?;
    for library in libraries {
        writeln!(file, "{}", library.display())?;
    }
    file.persist(kept)?;
    Ok(())
}

/// The loader that an ELF program names; nothing for one that is linked statically.
fn interpreter(program: &Path) -> Result<Option<PathBuf>, String> {
    type Header = object::elf::FileHeader64<Endianness>;
    let file = fs::File::open(program).map_err(|error| error.to_string())?;
    let cache = ReadCache::new(file);
    let find = || -> object::Result<Option<PathBuf>> {
        let header = Header::parse(&cache)?;
        let endian = header.endian()?;
        for segment in header.program_headers(endian, &cache)? {
            if let Some(path) = segment.interpreter(endian, &cache)? {
                return Ok(Some(PathBuf::from(std::ffi::OsStr::from_bytes(path))));
            }
        }
        Ok(None)
    };
    find().map_err(|error| {
        format!("it is no program of this machine ({error}); a script can not be jailed")
    })
}

fn list(loader: &Path, program: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new(loader)
        .arg("--list")
        .arg(program)
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("failed to start {}: {error}", loader.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("its loader fails").to_owned());
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// The paths in what a loader lists.
fn parse(listed: &str) -> Result<Vec<PathBuf>, String> {
    let mut libraries = Vec::new();
    for line in listed.lines() {
        let (name, place) = line.split_once("=>").unwrap_or(("", line));
        let place = place.split(" (0x").next().unwrap_or_default().trim();
        if place == "not found" {
            return Err(format!("the library {} is missing", name.trim()));
        }
        // What has no path is the kernel's.
        if place.starts_with('/') {
            libraries.push(PathBuf::from(place));
        }
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_loader_lists_is_understood() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffb229c1000)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007ffb2241e000)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007ffb229c3000)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(parse(listed).unwrap(), expected.map(PathBuf::from));
        let missing = parse("\tlibnone.so.1 => not found\n").unwrap_err();
        assert_eq!(missing, "the library libnone.so.1 is missing");
    }

    #[test]
    fn the_libraries_of_a_real_program_are_found_and_kept() {
        let cache = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let libraries = needed_by(&program, cache.path()).unwrap();
        assert!(
            libraries
                .iter()
                .any(|library| library.to_string_lossy().contains("libc.so")),
            "{libraries:?}"
        );
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
        assert_eq!(needed_by(&program, cache.path()).unwrap(), libraries);
    }

    #[test]
    fn scripts_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("vmm");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        let error = needed_by(&script, folder.path()).unwrap_err();
        assert!(error.to_string().contains("a script"), "{error}");
    }
}
