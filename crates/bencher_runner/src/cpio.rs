//! A newc cpio archive, the form of an initramfs.
//!
//! Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Every field
//! that could differ between two hosts (inode, time, owner) is fixed, so that the same files give
//! the same bytes.

use std::io::{self, Write};

/// Writes entries one after the other, then the trailer.
#[derive(Debug)]
pub(crate) struct CpioWriter<W> {
    writer: W,
    inode: u32,
}

const FOLDER: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const FILE: u32 = 0o100_644;

impl<W: Write> CpioWriter<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { writer, inode: 0 }
    }

    pub(crate) fn folder(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, FOLDER, &[])
    }

    pub(crate) fn executable(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.entry(name, EXECUTABLE, content)
    }

    pub(crate) fn file(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.entry(name, FILE, content)
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[])?;
        Ok(self.writer)
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let size = u32::try_from(content.len()).map_err(|_| {
            io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} exceeds 4 GiB"))
        })?;
        let name_size = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
        self.inode += 1;
        let links = if mode == FOLDER { 2 } else { 1 };
        // inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name, check.
        let fields = [
            self.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0,
        ];
        self.writer.write_all(b"070701")?;
        for field in fields {
            write!(self.writer, "{field:08X}")?;
        }
        self.writer.write_all(name.as_bytes())?;
        self.writer.write_all(&[0])?;
        self.pad(110 + name.len() + 1)?;
        self.writer.write_all(content)?;
        self.pad(content.len())
    }

    /// Names and contents each end on a multiple of four bytes.
    fn pad(&mut self, length: usize) -> io::Result<()> {
        self.writer.write_all(&[0; 3][..length.wrapping_neg() % 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gnu_cpio_reads_it() {
        let mut cpio = CpioWriter::new(Vec::new());
        cpio.folder("dev").unwrap();
        cpio.executable("init", b"#!/bin/sh\n").unwrap();
        cpio.file("modules.list", b"a\nb\nc").unwrap();
        let archive = cpio.finish().unwrap();
        assert_eq!(archive.len() % 4, 0);
        let Some(program) = crate::paths::find_program("cpio") else {
            eprintln!("skipped: no cpio program on this host");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new(program)
            .args(["-i", "--quiet"])
            .current_dir(folder.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(child.wait().unwrap().success());
        assert!(folder.path().join("dev").is_dir());
        let list = std::fs::read(folder.path().join("modules.list")).unwrap();
        assert_eq!(list, b"a\nb\nc");
        let init = folder.path().join("init");
        assert_eq!(std::fs::read(&init).unwrap(), b"#!/bin/sh\n");
        let mode = std::os::unix::fs::PermissionsExt::mode(&init.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o755);
    }
}
