//! The x86 boot protocol's image: a setup part, then a decompressor around the kernel proper.
//!
//! Source: the kernel's Documentation/arch/x86/boot.rst, fields `setup_sects`, `header`,
//! `payload_offset`, `payload_length` and `kernel_version`.
//!
//! Booting the payload directly spares the guest its own decompression, and Firecracker accepts
//! nothing else.

use std::io::Read;
use std::path::Path;

use super::KernelError;

/// The most bytes that a payload may unpack to.
const MAX_UNPACKED: u64 = 1 << 30;

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// `.note.*` name and type of the entry point that PVH boots at
/// (Xen's `XEN_ELFNOTE_PHYS32_ENTRY`; include/xen/interface/elfnote.h).
const XEN_NOTE_NAME: &[u8] = b"Xen";
const PHYS32_ENTRY: object::elf::NoteType = object::elf::NoteType(18);

/// A parsed bzImage.
#[derive(Debug)]
pub(crate) struct BzImage<'a> {
    payload: &'a [u8],
    release: Option<String>,
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
    /// `None` when `image` is not a bzImage of boot protocol 2.08 or later.
    pub(crate) fn parse(image: &'a [u8]) -> Option<Self> {
        if image.get(0x202..0x206)? != b"HdrS" || u16_at(image, 0x206)? < 0x0208 {
            return None;
        }
        // Zero means four, for the oldest boot loaders' sake.
        let setup_sectors = match *image.get(0x1f1)? {
            0 => 4,
            sectors => usize::from(sectors),
        };
        let protected_mode = (setup_sectors + 1) * 512;
        let start = protected_mode.checked_add(u32_at(image, 0x248)? as usize)?;
        let end = start.checked_add(u32_at(image, 0x24c)? as usize)?;
        let payload = image
            .get(start..end)
            .filter(|payload| !payload.is_empty())?;
        Some(Self {
            payload,
            release: release(image),
        })
    }

    /// What `uname -r` prints.
    pub(crate) fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// Unpacks the kernel proper. `path` is for errors.
    pub(crate) fn unpack(&self, path: &Path) -> Result<Vec<u8>, KernelError> {
        let failed = |reason: String| KernelError::Payload {
            path: path.to_owned(),
            reason,
        };
        let payload = self.payload;
        let elf = match payload {
            [0x02, 0x21, 0x4c, 0x18, blocks @ ..] => unpack_lz4_legacy(blocks).map_err(failed)?,
            [0x1f, 0x8b, ..] => {
                read_bounded(flate2::read::GzDecoder::new(payload)).map_err(failed)?
            }
            [0xfd, b'7', b'z', b'X', b'Z', ..] => {
                read_bounded(liblzma::read::XzDecoder::new(payload)).map_err(failed)?
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                // A frame, then the 4-byte size that the kernel's build appends.
                let decoder = zstd::stream::read::Decoder::new(payload)
                    .map_err(|error| failed(error.to_string()))?;
                read_bounded(decoder.single_frame()).map_err(failed)?
            }
            [a, b, c, d, ..] => {
                return Err(failed(format!(
                    "it begins with {a:02x} {b:02x} {c:02x} {d:02x}, which is none of lz4, gzip, \
                     xz, zstd"
                )));
            }
            _ => return Err(failed("it is shorter than four bytes".to_owned())),
        };
        if elf.starts_with(ELF_MAGIC) {
            Ok(elf)
        } else {
            Err(failed("it does not hold an ELF image".to_owned()))
        }
    }
}

fn release(image: &[u8]) -> Option<String> {
    let start = usize::from(u16_at(image, 0x20e)?) + 0x200;
    let text = image.get(start..)?.split(|&byte| byte == 0).next()?;
    let text = std::str::from_utf8(text.get(..text.len().min(256))?).ok()?;
    text.split(' ').next().map(str::to_owned)
}

fn read_bounded(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    reader
        .take(MAX_UNPACKED + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| error.to_string())?;
    if unpacked.len() as u64 > MAX_UNPACKED {
        return Err(format!("it unpacks to more than {MAX_UNPACKED} bytes"));
    }
    Ok(unpacked)
}

/// LZ4's legacy frame: blocks of at most 8 MiB unpacked, each after its packed size. The kernel's
/// build appends the unpacked size, which looks like one more, truncated block.
fn unpack_lz4_legacy(mut blocks: &[u8]) -> Result<Vec<u8>, String> {
    const BLOCK: usize = 8 << 20;
    let mut unpacked = Vec::new();
    let mut block_buffer = vec![0; BLOCK];
    while let Some((size, rest)) = blocks.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        if rest.is_empty() {
            break;
        }
        let Some((block, rest)) = rest.split_at_checked(size) else {
            return Err("its last lz4 block is truncated".to_owned());
        };
        let length = lz4_flex::block::decompress_into(block, &mut block_buffer)
            .map_err(|error| format!("lz4: {error}"))?;
        if (unpacked.len() + length) as u64 > MAX_UNPACKED {
            return Err(format!("it unpacks to more than {MAX_UNPACKED} bytes"));
        }
        unpacked.extend_from_slice(&block_buffer[..length]);
        blocks = rest;
    }
    Ok(unpacked)
}

/// Whether `image` is an ELF file.
pub(crate) fn is_elf(image: &[u8]) -> bool {
    image.starts_with(ELF_MAGIC)
}

/// Whether an ELF kernel has the PVH entry point, without which QEMU can not boot it.
pub(crate) fn has_pvh_entry(elf: &[u8]) -> bool {
    use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
    let Ok(file) = ElfFile64::<object::Endianness>::parse(elf) else {
        return false;
    };
    let endian = file.endian();
    let Ok(headers) = file.elf_header().program_headers(endian, elf) else {
        return false;
    };
    headers
        .iter()
        .filter_map(|header| header.notes(endian, elf).ok().flatten())
        .any(|mut notes| {
            std::iter::from_fn(|| notes.next().ok().flatten())
                .any(|note| note.name() == XEN_NOTE_NAME && note.n_type(endian) == PHYS32_ENTRY)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let parsed = BzImage::parse(&image).unwrap();
            assert_eq!(parsed.release(), Some("6.1.0-99"), "{name}");
            assert!(parsed.unpack(Path::new("k")).unwrap() == elf, "{name}");
        }
    }

    #[test]
    fn damaged_images_are_refused() {
        assert!(BzImage::parse(b"not a kernel").is_none());
        let whole = bzimage(&with_size(lz4_legacy(&elf()), &elf()));
        assert!(BzImage::parse(&whole[..whole.len() - 5]).is_none(), "short");
        let unknown = bzimage(b"????");
        let error = BzImage::parse(&unknown).unwrap().unpack(Path::new("k"));
        assert_eq!(
            error.unwrap_err().to_string(),
            "failed to unpack the payload of the kernel k: it begins with 3f 3f 3f 3f, which is \
             none of lz4, gzip, xz, zstd"
        );
        let not_elf = bzimage(&lz4_legacy(b"no elf in here, only text"));
        let error = BzImage::parse(&not_elf).unwrap().unpack(Path::new("k"));
        assert!(error.unwrap_err().to_string().ends_with("an ELF image"));
    }

    #[test]
    fn an_elf_without_notes_has_no_pvh_entry() {
        assert!(!has_pvh_entry(&elf()));
    }
}
