//! A newc cpio archive, the form of an initramfs
//! (<https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>).

/// Collects entries; the same entries give the same bytes.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: usize,
}

const FOLDER: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const FILE: u32 = 0o100_644;

impl Archive {
    /// Adds a folder.
    pub(crate) fn folder(&mut self, name: &str) {
        self.entry(name, FOLDER, &[]);
    }

    /// Adds a program.
    pub(crate) fn executable(&mut self, name: &str, contents: &[u8]) {
        self.entry(name, EXECUTABLE, contents);
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, name: &str, contents: &[u8]) {
        self.entry(name, FILE, contents);
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.entries += 1;
        let zero = 0;
        let inode = self.entries;
        let links = 1;
        let size = contents.len();
        let name_size = name.len() + 1;
        // inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name, check.
        self.bytes.extend(
            format!(
                "070701{inode:08x}{mode:08x}{zero:08x}{zero:08x}{links:08x}{zero:08x}{size:08x}\
                 {zero:08x}{zero:08x}{zero:08x}{zero:08x}{name_size:08x}{zero:08x}{name}\0"
            )
            .bytes(),
        );
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    /// Names and contents each end on a multiple of four bytes.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_contents_lie_where_the_format_says() {
        let mut archive = Archive::default();
        archive.folder("d");
        archive.executable("d/power-off", b"program");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let header = 110;
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[header..header + 2], b"d\0");
        let second = 112;
        assert_eq!(&bytes[second..second + 14], b"07070100000002");
        let name = second + header;
        assert_eq!(&bytes[name..name + 12], b"d/power-off\0");
        let contents = (name + 12).next_multiple_of(4);
        assert_eq!(&bytes[contents..contents + 8], b"program\0");
        assert!(bytes.windows(11).any(|window| window == b"TRAILER!!!\0"));
    }
}
