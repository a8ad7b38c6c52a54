//! Writes tar archives byte by byte, good and bad ones.

/// The fields of a header block. What is not set is what a plain ustar writer would put there.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) mode: u64,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) size: u64,
    pub(crate) mtime: i64,
    pub(crate) entry_type: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) magic: [u8; 8],
    pub(crate) device: (u64, u64),
    pub(crate) prefix: Vec<u8>,
}

impl Header {
    pub(crate) fn new(entry_type: u8, name: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            mode: if entry_type == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            size: 0,
            mtime: 1_700_000_000,
            entry_type,
            link: Vec::new(),
            magic: *b"ustar\x0000",
            device: (0, 0),
            prefix: Vec::new(),
        }
    }

    pub(crate) fn file(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'0', name)
    }

    pub(crate) fn directory(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'5', name)
    }

    pub(crate) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(b'2', name).link(target)
    }

    pub(crate) fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(b'1', name).link(target)
    }

    pub(crate) fn link(mut self, target: impl AsRef<[u8]>) -> Self {
        self.link = target.as_ref().to_vec();
        self
    }

    pub(crate) fn mode(mut self, mode: u64) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.uid = uid;
        self.gid = gid;
        self
    }

    pub(crate) fn mtime(mut self, mtime: i64) -> Self {
        self.mtime = mtime;
        self
    }

    pub(crate) fn size(mut self, size: u64) -> Self {
        self.size = size;
        self
    }

    pub(crate) fn device(mut self, major: u64, minor: u64) -> Self {
        self.device = (major, minor);
        self
    }

    pub(crate) fn gnu(mut self) -> Self {
        self.magic = *b"ustar  \0";
        self
    }

    pub(crate) fn v7(mut self) -> Self {
        self.magic = [0; 8];
        self
    }

    /// The block, its checksum being that of unsigned bytes.
    pub(crate) fn block(&self) -> [u8; 512] {
        let mut block = [0; 512];
        put(&mut block, 0, &self.name);
        number(&mut block[100..108], i64::try_from(self.mode).unwrap());
        number(&mut block[108..116], i64::try_from(self.uid).unwrap());
        number(&mut block[116..124], i64::try_from(self.gid).unwrap());
        number(&mut block[124..136], i64::try_from(self.size).unwrap());
        number(&mut block[136..148], self.mtime);
        block[156] = self.entry_type;
        put(&mut block, 157, &self.link);
        put(&mut block, 257, &self.magic);
        if matches!(self.entry_type, b'3' | b'4') {
            number(&mut block[329..337], i64::try_from(self.device.0).unwrap());
            number(&mut block[337..345], i64::try_from(self.device.1).unwrap());
        }
        put(&mut block, 345, &self.prefix);
        seal(&mut block);
        block
    }
}

fn put(block: &mut [u8; 512], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Octal where it fits, else base-256.
fn number(field: &mut [u8], value: i64) {
    let digits = field.len() - 1;
    let octal = format!("{value:0digits$o}");
    if value >= 0 && octal.len() == digits {
        field[..digits].copy_from_slice(octal.as_bytes());
        return;
    }
    let bytes = value.to_be_bytes();
    field.fill(if value < 0 { 0xff } else { 0 });
    let tail = field.len() - 8;
    field[tail..].copy_from_slice(&bytes);
    field[0] |= 0x80;
}

/// Records the sum of the block.
pub(crate) fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// An archive under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An entry without contents.
    pub(crate) fn add(mut self, header: &Header) -> Self {
        self.bytes.extend_from_slice(&header.block());
        self
    }

    /// An entry with contents, whose length goes into the header.
    pub(crate) fn add_with(self, header: &Header, contents: &[u8]) -> Self {
        let header = header.clone().size(contents.len() as u64);
        self.add(&header).raw(contents).padded()
    }

    pub(crate) fn file(self, name: impl AsRef<[u8]>, contents: impl AsRef<[u8]>) -> Self {
        self.add_with(&Header::file(name), contents.as_ref())
    }

    pub(crate) fn directory(self, name: impl AsRef<[u8]>) -> Self {
        self.add(&Header::directory(name))
    }

    pub(crate) fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.add(&Header::symlink(name, target))
    }

    pub(crate) fn hard_link(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.add(&Header::hard_link(name, target))
    }

    /// A PAX header for the next entry.
    pub(crate) fn pax<K: AsRef<[u8]>, V: AsRef<[u8]>>(self, records: &[(K, V)]) -> Self {
        self.extended(b'x', "PaxHeaders/entry", &pax_records(records))
    }

    /// A PAX header for all following entries.
    pub(crate) fn pax_global<K: AsRef<[u8]>, V: AsRef<[u8]>>(self, records: &[(K, V)]) -> Self {
        self.extended(b'g', "pax_global_header", &pax_records(records))
    }

    /// A GNU long name (`L`) or long link (`K`).
    pub(crate) fn gnu_long(self, entry_type: u8, name: &[u8]) -> Self {
        let mut name = name.to_vec();
        name.push(0);
        self.extended(entry_type, "././@LongLink", &name)
    }

    pub(crate) fn extended(self, entry_type: u8, name: &str, payload: &[u8]) -> Self {
        self.add_with(&Header::new(entry_type, name), payload)
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn padded(mut self) -> Self {
        let length = self.bytes.len().next_multiple_of(512);
        self.bytes.resize(length, 0);
        self
    }

    /// Adds the end-of-archive marker.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }

    pub(crate) fn unterminated(self) -> Vec<u8> {
        self.bytes
    }
}

pub(crate) fn pax_records<K: AsRef<[u8]>, V: AsRef<[u8]>>(records: &[(K, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let (key, value) = (key.as_ref(), value.as_ref());
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        bytes.extend_from_slice(length.to_string().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(key);
        bytes.push(b'=');
        bytes.extend_from_slice(value);
        bytes.push(b'\n');
    }
    bytes
}
