//! A kernel module's file, without what a guest would look at in vain.
//!
//! Two parts of it cost a guest time and are of no use to it:
//!
//! * The **signature** would be checked, which under an emulator takes longer than loading. Whoever
//!   could change the module could change the kernel beside it.
//! * The **types** (BTF, for programs that trace the module) make the kernel read its own first, all
//!   5 MB of them, when the first module loads: a tenth of a boot under an emulator. The kernel's
//!   own types stay where they are and are read when somebody asks for them.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use object::elf::{FileHeader64, SectionHeader64};
use object::read::elf::FileHeader as _;
use object::{Endianness, pod};

/// The largest module that is accepted, in bytes once decompressed.
const MAX_MODULE: u64 = 64 << 20;

/// The module in the file `path`, decompressed where the file's name says so.
///
/// # Errors
///
/// When the file can not be read or decompressed, or is too large.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let reader: Box<dyn Read> = match path.extension().and_then(|text| text.to_str()) {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new(file)),
        Some("gz") => Box::new(flate2::read::GzDecoder::new(file)),
        Some("zst") => Box::new(zstd::stream::read::Decoder::new(file)?),
        _ => Box::new(file),
    };
    let mut bytes = Vec::new();
    reader.take(MAX_MODULE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_MODULE {
        return Err(io::Error::other(format!(
            "it is larger than {MAX_MODULE} bytes"
        )));
    }
    bytes.truncate(unsigned_length(&bytes));
    empty_types(&mut bytes);
    Ok(bytes)
}

/// What a signed module ends with (`include/linux/module_signature.h`).
const SIGNATURE_MARK: &[u8] = b"~Module signature appended~\n";

/// `struct module_signature`, in front of the mark: its last four bytes are the big-endian length
/// of the signature before it.
const SIGNATURE_HEAD: usize = 12;

/// How many bytes of `module` are not its signature.
fn unsigned_length(module: &[u8]) -> usize {
    let without_signature = || {
        let rest = module.strip_suffix(SIGNATURE_MARK)?;
        let signature = u32::from_be_bytes(*rest.last_chunk::<4>()?);
        rest.len()
            .checked_sub(SIGNATURE_HEAD)?
            .checked_sub(usize::try_from(signature).ok()?)
    };
    without_signature().unwrap_or(module.len())
}

/// The section of the types (`kernel/module/main.c`).
const TYPES: &[u8] = b".BTF";

/// Makes the section of the types an empty one, with which a kernel has nothing to do. A file that
/// is no ELF, or has no such section, stays as it is.
fn empty_types(module: &mut [u8]) {
    let Some((endian, at)) = types_header(module) else {
        return;
    };
    if let Some(header) = module.get_mut(at..)
        && let Ok((header, _)) = pod::from_bytes_mut::<SectionHeader64<Endianness>>(header)
    {
        header.sh_size.set(endian, 0);
    }
}

/// Where the header of the types' section is.
fn types_header(module: &[u8]) -> Option<(Endianness, usize)> {
    let file = FileHeader64::<Endianness>::parse(module).ok()?;
    let endian = file.endian().ok()?;
    let sections = file.sections(endian, module).ok()?;
    let index = sections
        .iter()
        .position(|section| sections.section_name(endian, section) == Ok(TYPES))?;
    let start = usize::try_from(file.e_shoff(endian)).ok()?;
    let at = start.checked_add(index * size_of::<SectionHeader64<Endianness>>())?;
    Some((endian, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Object as _, ObjectSection as _};

    #[test]
    fn signatures_are_left_out() {
        let signed = |length: u32| {
            let mut module = b"ELF and more".to_vec();
            module.extend_from_slice(b"signature");
            module.extend_from_slice(&[0, 0, 2, 0, 0, 0, 0, 0]);
            module.extend_from_slice(&length.to_be_bytes());
            module.extend_from_slice(SIGNATURE_MARK);
            module
        };
        let whole = signed(9);
        assert_eq!(&whole[..unsigned_length(&whole)], b"ELF and more");
        let lying = signed(u32::MAX);
        assert_eq!(unsigned_length(&lying), lying.len());
        assert_eq!(unsigned_length(b"not signed"), 10);
    }

    fn module(sections: &[&str], endianness: Endianness) -> Vec<u8> {
        let architecture = match endianness {
            Endianness::Little => object::Architecture::X86_64,
            Endianness::Big => object::Architecture::S390x,
        };
        let mut object =
            object::write::Object::new(object::BinaryFormat::Elf, architecture, endianness);
        for name in sections {
            let kind = object::SectionKind::Debug;
            let section = object.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
            object.append_section_data(section, name.as_bytes(), 1);
        }
        object.write().unwrap()
    }

    #[test]
    fn types_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.ko");
        let all = [".modinfo", ".BTF", ".BTF_ids", ".text.x"];
        for endianness in [Endianness::Little, Endianness::Big] {
            fs::write(&path, module(&all, endianness)).unwrap();
            let read = read(&path).unwrap();
            let file = object::File::parse(read.as_slice()).unwrap();
            for name in all {
                let section = file.section_by_name(name).unwrap();
                let expected = if name == ".BTF" { "" } else { name };
                assert_eq!(
                    section.data().unwrap(),
                    expected.as_bytes(),
                    "{endianness:?}"
                );
            }
        }
    }

    #[test]
    fn what_has_no_types_stays_as_it_is() {
        for bytes in [
            module(&[".modinfo"], Endianness::Little),
            b"no ELF".to_vec(),
            Vec::new(),
        ] {
            let mut same = bytes.clone();
            empty_types(&mut same);
            assert_eq!(same, bytes);
        }
    }
}
