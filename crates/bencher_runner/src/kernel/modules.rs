//! Kernel modules: which a guest needs, where they are, and in which order they load.
//!
//! The order comes from the `depends=` field that each module carries in its `.modinfo` section,
//! not from `modules.dep`: a distribution's package has no such file before `depmod` has run.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use object::{Object as _, ObjectSection as _};
use serde::{Deserialize, Serialize};

use super::KernelError;

/// The drivers of every device that a guest of any VMM is given, and so what is kept of a kernel. A
/// name that is not among a kernel's modules is taken to be built in. They load in this order: what
/// the stream needs comes before the disk, whose driver reads from it while the host answers the
/// stream's.
const KEPT: [&str; 9] = [
    "virtio_mmio",
    "virtio_pci",
    "virtio_console",
    "vmw_vsock_virtio_transport",
    "virtio_blk",
    "nfit",
    "nd_pmem",
    "virtio_rng",
    "virtio_net",
];

/// The largest module that is accepted, in bytes once decompressed.
const MAX_MODULE: u64 = 64 << 20;

/// One kernel module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its name with underscores, as `lsmod` prints it.
    pub name: String,
    /// The file, possibly compressed.
    pub path: PathBuf,
    /// The names of the modules that it needs itself.
    pub needs: Vec<String>,
}

/// Those of `modules` (which are in load order) that the drivers `wanted` consist of, in load
/// order.
pub(crate) fn closure<'a>(modules: &'a [Module], wanted: &[&str]) -> Vec<&'a Module> {
    let mut names: Vec<&str> = wanted.to_vec();
    let mut chosen: Vec<_> = modules
        .iter()
        .rev()
        .filter(|module| {
            let is_wanted = names.contains(&module.name.as_str());
            if is_wanted {
                // What a module needs is before it, so it is still to be looked at.
                names.extend(module.needs.iter().map(String::as_str));
            }
            is_wanted
        })
        .collect();
    chosen.reverse();
    chosen
}

impl Module {
    /// The module's ELF bytes, decompressed where its file name says so, and without its
    /// signature: a guest would check it, which under an emulator takes longer than loading, and
    /// whoever could change the module could change the kernel beside it.
    ///
    /// # Errors
    ///
    /// [`KernelError::Module`] when the file can not be read or decompressed.
    pub fn read(&self) -> Result<Vec<u8>, KernelError> {
        let failed = |reason: String| KernelError::Module {
            path: self.path.clone(),
            reason,
        };
        let file = fs::File::open(&self.path).map_err(|error| failed(error.to_string()))?;
        let reader: Box<dyn Read> = match self.path.extension().and_then(|text| text.to_str()) {
            Some("xz") => Box::new(liblzma::read::XzDecoder::new(file)),
            Some("gz") => Box::new(flate2::read::GzDecoder::new(file)),
            Some("zst") => Box::new(
                zstd::stream::read::Decoder::new(file)
                    .map_err(|error| failed(error.to_string()))?,
            ),
            _ => Box::new(file),
        };
        let mut bytes = Vec::new();
        reader
            .take(MAX_MODULE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(error.to_string()))?;
        if bytes.len() as u64 > MAX_MODULE {
            return Err(failed(format!("it is larger than {MAX_MODULE} bytes")));
        }
        bytes.truncate(unsigned_length(&bytes));
        Ok(bytes)
    }
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

/// The modules below `folder` that [`KEPT`] names, and those that they need, in load order.
pub(crate) fn resolve(folder: &Path) -> Result<Vec<Module>, KernelError> {
    let available = index(folder)?;
    let mut order = Order {
        folder,
        available: &available,
        sorted: Vec::new(),
    };
    for name in KEPT {
        if available.contains_key(name) {
            order.visit(name, &mut Vec::new())?;
        }
    }
    Ok(order.sorted)
}

/// Depth first: what a module needs comes before it.
struct Order<'a> {
    folder: &'a Path,
    available: &'a HashMap<String, PathBuf>,
    sorted: Vec<Module>,
}

impl Order<'_> {
    fn visit(&mut self, name: &str, above: &mut Vec<String>) -> Result<(), KernelError> {
        if self.sorted.iter().any(|module| module.name == name) {
            return Ok(());
        }
        let missing = |missing: &str| KernelError::MissingDependency {
            module: above.last().cloned().unwrap_or_default(),
            missing: missing.to_owned(),
            folder: self.folder.to_owned(),
        };
        let path = self.available.get(name).ok_or_else(|| missing(name))?;
        let mut module = Module {
            name: name.to_owned(),
            path: path.clone(),
            needs: Vec::new(),
        };
        if above.iter().any(|parent| parent == name) {
            return Err(KernelError::Module {
                path: module.path,
                reason: format!("it needs itself, by way of {}", above.join(", ")),
            });
        }
        above.push(name.to_owned());
        module.needs = dependencies(&module)?;
        for dependency in &module.needs {
            self.visit(dependency, above)?;
        }
        above.pop();
        self.sorted.push(module);
        Ok(())
    }
}

/// The names in the module's `depends=` field.
fn dependencies(module: &Module) -> Result<Vec<String>, KernelError> {
    let failed = |reason: String| KernelError::Module {
        path: module.path.clone(),
        reason,
    };
    let bytes = module.read()?;
    let file = object::File::parse(bytes.as_slice()).map_err(|error| failed(error.to_string()))?;
    let section = file
        .section_by_name(".modinfo")
        .ok_or_else(|| failed("it has no .modinfo section".to_owned()))?;
    let info = section.data().map_err(|error| failed(error.to_string()))?;
    Ok(depends(info))
}

fn depends(modinfo: &[u8]) -> Vec<String> {
    modinfo
        .split(|&byte| byte == 0)
        .filter_map(|field| field.strip_prefix(b"depends="))
        .flat_map(|names| names.split(|&byte| byte == b','))
        .filter(|name| !name.is_empty())
        .map(|name| normal(&String::from_utf8_lossy(name)))
        .collect()
}

/// File names may have dashes where the kernel's names have underscores.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// Every module below `folder` by name.
fn index(folder: &Path) -> Result<HashMap<String, PathBuf>, KernelError> {
    let mut found = HashMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        let failed = |source| KernelError::ModulesFolder {
            folder: next.clone(),
            source,
        };
        for entry in fs::read_dir(&next).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Not followed: a distribution's `build` link leads to a whole source tree.
            let kind = entry.file_type().map_err(failed)?;
            let path = entry.path();
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_file()
                && let Some(name) = entry.file_name().to_str().and_then(module_name)
            {
                found.insert(name, path);
            }
        }
    }
    Ok(found)
}

fn module_name(file_name: &str) -> Option<String> {
    let (stem, compression) = file_name.split_once(".ko")?;
    matches!(compression, "" | ".xz" | ".gz" | ".zst").then(|| normal(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_file_names() {
        for (file, name) in [
            ("virtio_blk.ko", Some("virtio_blk")),
            ("virtio-rng.ko.xz", Some("virtio_rng")),
            ("nfit.ko.zst", Some("nfit")),
            ("modules.dep", None),
            ("virtio.ko.sig", None),
        ] {
            assert_eq!(module_name(file).as_deref(), name, "{file}");
        }
    }

    #[test]
    fn depends_is_a_list_of_names() {
        let info = b"license=GPL\0depends=virtio,virtio-ring\0vermagic=6.1\0";
        assert_eq!(depends(info), ["virtio", "virtio_ring"]);
        assert!(depends(b"depends=\0name=x\0").is_empty());
    }

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

    /// Modules with nothing in them but a `.modinfo` section.
    fn module(folder: &Path, name: &str, needs: &str) {
        let mut object = object::write::Object::new(
            object::BinaryFormat::Elf,
            object::Architecture::X86_64,
            object::Endianness::Little,
        );
        let section = object.add_section(
            Vec::new(),
            b".modinfo".to_vec(),
            object::SectionKind::ReadOnlyData,
        );
        object.append_section_data(section, format!("depends={needs}\0").as_bytes(), 1);
        fs::write(folder.join(format!("{name}.ko")), object.write().unwrap()).unwrap();
    }

    #[test]
    fn what_a_module_needs_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        module(folder.path(), "virtio_blk", "virtio,virtio_ring");
        module(folder.path(), "virtio", "virtio_ring");
        module(folder.path(), "virtio_ring", "");
        module(folder.path(), "unrelated", "");
        let names: Vec<_> = resolve(folder.path())
            .unwrap()
            .into_iter()
            .map(|module| module.name)
            .collect();
        assert_eq!(names, ["virtio_ring", "virtio", "virtio_blk"]);
        let all = resolve(folder.path()).unwrap();
        let chosen = closure(&all, &["virtio", "built_in"]);
        let names: Vec<_> = chosen.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["virtio_ring", "virtio"]);
    }

    #[test]
    fn a_missing_dependency_and_a_cycle_are_named() {
        let folder = tempfile::tempdir().unwrap();
        module(folder.path(), "nfit", "libnvdimm");
        let error = resolve(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("the kernel module nfit needs libnvdimm"));
        module(folder.path(), "libnvdimm", "nfit");
        let error = resolve(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("it needs itself, by way of nfit, libnvdimm"));
    }
}
