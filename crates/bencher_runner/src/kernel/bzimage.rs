//! The x86 boot protocol's image: a setup part, then a decompressor around the kernel proper.
//!
//! Source: the kernel's Documentation/arch/x86/boot.rst, fields `setup_sects`, `header`,
//! `payload_offset`, `payload_length` and `kernel_version`.
//!
//! Booting the payload directly spares the guest its own decompression, and Firecracker accepts
//! nothing else. Nothing here holds a whole kernel in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom, Take, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use object::read::ReadCache;
use object::read::elf::{FileHeader as _, ProgramHeader as _};

/// The most bytes that a payload may unpack to.
const MAX_UNPACKED: u64 = 1 << 30;

/// Where the setup part's fields and the version string are: its length in sectors is a byte, and
/// the string's offset 16 bits.
const HEAD: usize = 256 * 512;

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// `.note.*` name and type of the entry point that PVH boots at
/// (Xen's `XEN_ELFNOTE_PHYS32_ENTRY`; include/xen/interface/elfnote.h).
const XEN_NOTE_NAME: &[u8] = b"Xen";
const PHYS32_ENTRY: object::elf::NoteType = object::elf::NoteType(18);

/// A parsed bzImage.
#[derive(Debug)]
pub(crate) struct BzImage<'a> {
    file: &'a File,
    payload: Range<u64>,
    release: Option<String>,
}

/// Why a payload can not be unpacked.
#[derive(Debug)]
pub(crate) enum UnpackError {
    /// It is damaged, or nothing that is known; as a clause.
    Payload(String),
    /// What it unpacks to can not be written.
    Write(io::Error),
}

fn u32_at(image: &[u8], offset: usize) -> Option<u32> {
    let bytes = image.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

fn u16_at(image: &[u8], offset: usize) -> Option<u16> {
    let bytes = image.get(offset..)?.first_chunk::<2>()?;
    Some(u16::from_le_bytes(*bytes))
}

impl<'a> BzImage<'a> {
    /// `None` when `file` is not a bzImage of boot protocol 2.08 or later.
    pub(crate) fn parse(file: &'a File) -> io::Result<Option<Self>> {
        let mut head = vec![0; HEAD];
        let mut length = 0;
        while length < HEAD {
            match file.read_at(&mut head[length..], length as u64)? {
                0 => break,
                count => length += count,
            }
        }
        let size = file.metadata()?.len();
        let found = layout(&head[..length], size);
        Ok(found.map(|(payload, release)| Self {
            file,
            payload,
            release,
        }))
    }

    /// What `uname -r` prints.
    pub(crate) fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// Unpacks the kernel proper into `out`.
    pub(crate) fn unpack(&self, out: &mut impl Write) -> Result<(), UnpackError> {
        let mut payload = self.payload().map_err(damaged)?;
        let beginning = payload.fill_buf().map_err(damaged)?;
        let beginning = beginning[..beginning.len().min(6)].to_vec();
        let mut out = ElfWriter {
            out,
            beginning: Vec::new(),
            written: 0,
        };
        match beginning.as_slice() {
            [0x02, 0x21, 0x4c, 0x18, ..] => unpack_lz4_legacy(payload, &mut out)?,
            [0x1f, 0x8b, ..] => out.copy(flate2::bufread::GzDecoder::new(payload))?,
            [0xfd, b'7', b'z', b'X', b'Z', ..] => {
                out.copy(liblzma::bufread::XzDecoder::new(payload))?;
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                // A frame, then the 4-byte size that the kernel's build appends.
                let decoder = zstd::stream::read::Decoder::with_buffer(payload).map_err(damaged)?;
                out.copy(decoder.single_frame())?;
            }
            [a, b, c, d, ..] => {
                return Err(UnpackError::Payload(format!(
                    "it begins with {a:02x} {b:02x} {c:02x} {d:02x}, which is none of lz4, gzip, \
                     xz, zstd"
                )));
            }
            _ => {
                return Err(UnpackError::Payload(
                    "it is shorter than four bytes".to_owned(),
                ));
            }
        }
        if out.beginning == ELF_MAGIC {
            Ok(())
        } else {
            Err(UnpackError::Payload(
                "it does not hold an ELF image".to_owned(),
            ))
        }
    }

    fn payload(&self) -> io::Result<BufReader<Take<File>>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(self.payload.start))?;
        let length = self.payload.end - self.payload.start;
        Ok(BufReader::with_capacity(128 * 1024, file.take(length)))
    }
}

/// Where the payload is in an image of `size` bytes that begins with `head`, and its release.
fn layout(head: &[u8], size: u64) -> Option<(Range<u64>, Option<String>)> {
    if head.get(0x202..0x206)? != b"HdrS" || u16_at(head, 0x206)? < 0x0208 {
        return None;
    }
    // Zero means four, for the oldest boot loaders' sake.
    let setup_sectors = match *head.get(0x1f1)? {
        0 => 4,
        sectors => u64::from(sectors),
    };
    let protected_mode = (setup_sectors + 1) * 512;
    let start = protected_mode + u64::from(u32_at(head, 0x248)?);
    let end = start + u64::from(u32_at(head, 0x24c)?);
    (start < end && end <= size).then(|| (start..end, release(head)))
}

fn release(head: &[u8]) -> Option<String> {
    let start = usize::from(u16_at(head, 0x20e)?) + 0x200;
    let text = head.get(start..)?.split(|&byte| byte == 0).next()?;
    let text = std::str::from_utf8(text.get(..text.len().min(256))?).ok()?;
    text.split(' ').next().map(str::to_owned)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn damaged(error: impl ToString) -> UnpackError {
    UnpackError::Payload(error.to_string())
}

/// Takes what a payload unpacks to, up to [`MAX_UNPACKED`] bytes.
struct ElfWriter<'a, W> {
    out: &'a mut W,
    /// As many bytes as [`ELF_MAGIC`] has.
    beginning: Vec<u8>,
    written: u64,
}

impl<W: Write> ElfWriter<'_, W> {
    fn copy(&mut self, mut reader: impl Read) -> Result<(), UnpackError> {
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match reader.read(&mut buffer).map_err(damaged)? {
                0 => return Ok(()),
                count => self.write(&buffer[..count])?,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        self.written += bytes.len() as u64;
        if self.written > MAX_UNPACKED {
            return Err(damaged(format!(
                "it unpacks to more than {MAX_UNPACKED} bytes"
            )));
        }
        let missing = ELF_MAGIC.len() - self.beginning.len();
        self.beginning
            .extend_from_slice(&bytes[..bytes.len().min(missing)]);
        self.out.write_all(bytes).map_err(UnpackError::Write)
    }
}

/// LZ4's legacy frame: blocks of at most 8 MiB unpacked, each after its packed size. The kernel's
/// build appends the unpacked size, which looks like one more, truncated block.
fn unpack_lz4_legacy(
    mut frame: impl BufRead,
    out: &mut ElfWriter<'_, impl Write>,
) -> Result<(), UnpackError> {
    const BLOCK: usize = 8 << 20;
    /// What a block may be packed to when nothing in it repeats (LZ4's `LZ4_COMPRESSBOUND`).
    const PACKED: usize = BLOCK + BLOCK / 255 + 16;
    let mut magic = [0; 4];
    frame.read_exact(&mut magic).map_err(damaged)?;
    let mut unpacked = vec![0; BLOCK];
    let mut packed = Vec::new();
    loop {
        let mut size = [0; 4];
        if frame.read_exact(&mut size).is_err() || frame.fill_buf().map_err(damaged)?.is_empty() {
            return Ok(());
        }
        let size = u32::from_le_bytes(size) as usize;
        if size > PACKED {
            return Err(damaged("an lz4 block is larger than any can be"));
        }
        packed.resize(size, 0);
        frame
            .read_exact(&mut packed)
            .map_err(|_| damaged("its last lz4 block is truncated"))?;
        let length = lz4_flex::block::decompress_into(&packed, &mut unpacked)
            .map_err(|error| damaged(format!("lz4: {error}")))?;
        out.write(&unpacked[..length])?;
    }
}

/// Whether `file` is an ELF file.
pub(crate) fn is_elf(file: &File) -> io::Result<bool> {
    let mut beginning = [0; ELF_MAGIC.len()];
    match file.read_exact_at(&mut beginning, 0) {
        Ok(()) => Ok(beginning == ELF_MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an ELF kernel has the PVH entry point, without which QEMU can not boot it.
pub(crate) fn has_pvh_entry(elf: &File) -> bool {
    type Header = object::elf::FileHeader64<object::Endianness>;
    let Ok(file) = elf.try_clone() else {
        return false;
    };
    let cache = ReadCache::new(file);
    let notes = || -> object::Result<bool> {
        let header = Header::parse(&cache)?;
        let endian = header.endian()?;
        for segment in header.program_headers(endian, &cache)? {
            let Some(mut notes) = segment.notes(endian, &cache)? else {
                continue;
            };
            while let Some(note) = notes.next()? {
                if note.name() == XEN_NOTE_NAME && note.n_type(endian) == PHYS32_ENTRY {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    };
    notes().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// What the payload of an image unpacks to, or why it does not.
    fn unpack(image: &[u8]) -> Result<Vec<u8>, String> {
        let file = file(image);
        let image = BzImage::parse(&file).unwrap().ok_or("no bzImage")?;
        let mut out = Vec::new();
        match image.unpack(&mut out) {
            Ok(()) => Ok(out),
            Err(UnpackError::Payload(reason)) => Err(reason),
            Err(UnpackError::Write(error)) => panic!("memory takes everything: {error}"),
        }
    }

    /// A bzImage with one setup sector, a version string and `payload` after 8 bytes of code.
    fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
        image[0x20e..0x210].copy_from_slice(&0x0180_u16.to_le_bytes());
        image[0x380..0x390].copy_from_slice(b"6.1.0-99 (build)");
        image[0x248..0x24c].copy_from_slice(&8_u32.to_le_bytes());
        let length = u32::try_from(payload.len()).unwrap();
        image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
        image.extend_from_slice(&[0x90; 8]);
        image.extend_from_slice(payload);
        image
    }

    fn elf() -> Vec<u8> {
        let mut elf = ELF_MAGIC.to_vec();
        elf.extend((0..100_000_u32).flat_map(|word| (word / 7).to_le_bytes()));
        elf
    }

    fn with_size(mut packed: Vec<u8>, elf: &[u8]) -> Vec<u8> {
        packed.extend_from_slice(&u32::try_from(elf.len()).unwrap().to_le_bytes());
        packed
    }

    fn lz4_legacy(elf: &[u8]) -> Vec<u8> {
        let mut packed = vec![0x02, 0x21, 0x4c, 0x18];
        for block in elf.chunks(8 << 20) {
            let block = lz4_flex::block::compress(block);
            packed.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
            packed.extend_from_slice(&block);
        }
        packed
    }

    #[test]
    fn every_compression_unpacks() {
        let elf = elf();
        let mut xz = liblzma::read::XzEncoder::new(elf.as_slice(), 1);
        let mut xz_packed = Vec::new();
        xz.read_to_end(&mut xz_packed).unwrap();
        let mut gzip = flate2::read::GzEncoder::new(elf.as_slice(), flate2::Compression::fast());
        let mut gzip_packed = Vec::new();
        gzip.read_to_end(&mut gzip_packed).unwrap();
        for (name, packed) in [
            ("lz4", with_size(lz4_legacy(&elf), &elf)),
            ("gzip", with_size(gzip_packed, &elf)),
            ("xz", with_size(xz_packed, &elf)),
            (
                "zstd",
                with_size(zstd::encode_all(elf.as_slice(), 1).unwrap(), &elf),
            ),
        ] {
            let image = bzimage(&packed);
            assert!(unpack(&image).unwrap() == elf, "{name}");
            let file = file(&image);
            let parsed = BzImage::parse(&file).unwrap().unwrap();
            assert_eq!(parsed.release(), Some("6.1.0-99"), "{name}");
        }
    }

    #[test]
    fn damaged_images_are_refused() {
        let whole = bzimage(&with_size(lz4_legacy(&elf()), &elf()));
        let mut huge_block = lz4_legacy(&elf());
        huge_block[4..8].copy_from_slice(&[0xff; 4]);
        for (image, reason) in [
            (b"not a kernel".to_vec(), "no bzImage"),
            (whole[..whole.len() - 5].to_vec(), "no bzImage"),
            (
                bzimage(b"????"),
                "it begins with 3f 3f 3f 3f, which is none of lz4, gzip, xz, zstd",
            ),
            (bzimage(b"??"), "it is shorter than four bytes"),
            (
                bzimage(&lz4_legacy(b"no elf in here, only text")),
                "it does not hold an ELF image",
            ),
            (
                bzimage(&lz4_legacy(&elf())[..1000]),
                "its last lz4 block is truncated",
            ),
            (
                bzimage(&huge_block),
                "an lz4 block is larger than any can be",
            ),
        ] {
            assert_eq!(unpack(&image), Err(reason.to_owned()));
        }
    }

    #[test]
    fn a_full_disk_is_not_the_payloads_fault() {
        let image = file(&bzimage(&lz4_legacy(&elf())));
        let image = BzImage::parse(&image).unwrap().unwrap();
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        assert!(matches!(
            image.unpack(&mut full),
            Err(UnpackError::Write(_))
        ));
    }

    #[test]
    fn an_elf_without_notes_has_no_pvh_entry() {
        assert!(!has_pvh_entry(&file(&elf())));
        assert!(is_elf(&file(&elf())).unwrap());
        assert!(!is_elf(&file(b"\x7fE")).unwrap());
    }
}
