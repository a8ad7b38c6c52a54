//! The smallest useful image: BusyBox and a shell script, from a Dockerfile.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::layer::LayerWriter;
use super::layout;
use super::recipe::Recipe;
use super::{apt, remove_if_there};
use crate::prerequisites;
use crate::process::{capture, command};
use crate::workspace::Workspace;

const DOCKERFILE: &str = include_str!("../../images/busybox/Dockerfile");
const BENCHMARK: &str = include_str!("../../images/busybox/benchmark");

/// The recipe: a static BusyBox of this machine or of its package, and the way to pack it.
#[derive(Debug)]
pub(crate) struct Busybox {
    binary: PathBuf,
    contents: Vec<u8>,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A real image builder executes the Dockerfile.
    Buildah,
    /// This harness writes what the Dockerfile says.
    Direct,
}

impl Busybox {
    /// Finds a static BusyBox, or downloads its package without installing it.
    ///
    /// # Errors
    ///
    /// When there is none and the package can not be downloaded.
    pub(crate) fn find(workspace: &Workspace) -> anyhow::Result<Self> {
        let binary = static_binary(workspace)?;
        let buildah = prerequisites::is_root()
            && prerequisites::find(prerequisites::BUILDAH.program).is_some();
        Ok(Self {
            contents: read(&binary)?,
            binary,
            way: if buildah { Way::Buildah } else { Way::Direct },
        })
    }

    fn build_with_buildah(&self, layout: &Path) -> anyhow::Result<()> {
        let work = layout.with_extension("work");
        remove_if_there(&work)?;
        let context = work.join("context");
        fs::create_dir_all(&context)?;
        fs::write(context.join("Dockerfile"), DOCKERFILE)?;
        place(&context.join("benchmark"), BENCHMARK.as_bytes())?;
        place(&context.join("busybox"), &self.contents)?;
        let buildah = || {
            let mut buildah = command("buildah");
            buildah
                .args(["--storage-driver", "vfs", "--root"])
                .arg(work.join("storage"))
                .arg("--runroot")
                .arg(work.join("run"));
            buildah
        };
        let built = capture(
            buildah()
                .args(["build", "--isolation", "chroot", "--tag", "busybox"])
                .arg(&context),
        )
        .and_then(|_| {
            let mut target = std::ffi::OsString::from("oci:");
            target.push(layout);
            target.push(format!(":{}", layout::TAG));
            capture(buildah().args(["push", "busybox"]).arg(target))
        });
        remove_if_there(&work)?;
        built.map(|_| ())
    }

    fn build_directly(&self, layout: &Path) -> anyhow::Result<()> {
        let applets = capture(command(&self.binary).arg("--list"))?;
        let applets = String::from_utf8(applets).context("BusyBox lists unreadable names")?;
        let mut layer = LayerWriter::create(layout, "busybox")?;
        layer.folder("bin", 0o755)?;
        layer.file("bin/busybox", 0o755, &self.contents)?;
        for applet in applets.lines().filter(|&applet| applet != "busybox") {
            layer.symlink(&format!("bin/{applet}"), "/bin/busybox")?;
        }
        layer.file("bin/benchmark", 0o755, BENCHMARK.as_bytes())?;
        let layer = layer.finish()?;
        layout::write(
            layout,
            &[layer],
            &json!({"Env": ["PATH=/bin"], "Cmd": ["benchmark"]}),
        )
    }
}

impl Recipe for Busybox {
    fn ingredients(&self) -> Vec<Vec<u8>> {
        vec![
            format!("busybox {:?}", self.way).into_bytes(),
            DOCKERFILE.into(),
            BENCHMARK.into(),
            self.contents.clone(),
        ]
    }

    fn summary(&self) -> String {
        let binary = self.binary.display();
        match self.way {
            Way::Buildah => format!("building a Dockerfile around {binary} with buildah"),
            Way::Direct => format!(
                "packing {binary} without an image builder (buildah needs root and its package)"
            ),
        }
    }

    fn build(&self, layout: &Path) -> anyhow::Result<()> {
        match self.way {
            Way::Buildah => self.build_with_buildah(layout),
            Way::Direct => self.build_directly(layout),
        }
    }
}

/// A statically linked BusyBox: this machine's own, or that of its package.
///
/// # Errors
///
/// When there is none and the package can not be downloaded.
pub(crate) fn static_binary(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    match prerequisites::find("busybox").filter(|path| is_static(path)) {
        Some(path) => Ok(path),
        None => downloaded(workspace),
    }
}

/// The binary of the package `busybox-static`, which is unpacked but not installed: installing it
/// would replace the machine's own BusyBox.
fn downloaded(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let root = apt::unpack(workspace, "busybox-static")?;
    ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|path| root.join(path))
        .find(|path| is_static(path))
        .context("the package busybox-static holds no static busybox")
}

fn place(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, contents)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let contents = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if contents.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(contents)
}

/// Whether `path` is a 64-bit ELF executable that asks for no dynamic loader.
fn is_static(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(4096).read_to_end(&mut start));
    read.is_ok() && has_no_interpreter(&start).unwrap_or(false)
}

/// Looks through the program headers (ELF-64, little endian) for `PT_INTERP`.
fn has_no_interpreter(elf: &[u8]) -> Option<bool> {
    const INTERPRETER: u32 = 3;
    let half = |at: usize| {
        let bytes = elf.get(at..at + 2)?.try_into().ok()?;
        Some(usize::from(u16::from_le_bytes(bytes)))
    };
    if elf.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = usize::try_from(u64::from_le_bytes(elf.get(32..40)?.try_into().ok()?)).ok()?;
    let (size, count) = (half(54)?, half(56)?);
    for index in 0..count {
        let at = table.checked_add(index * size)?;
        let kind = elf.get(at..at.checked_add(4)?)?;
        if u32::from_le_bytes(kind.try_into().ok()?) == INTERPRETER {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_loader_is_not_static() {
        // Every test binary of this machine is dynamically linked.
        let this = std::env::current_exe().expect("this test is a program");
        assert!(!is_static(&this));
        assert!(!is_static(Path::new("/etc/passwd")));
        assert!(!is_static(Path::new("/no/such/file")));
    }

    #[test]
    fn program_headers_decide() {
        let mut elf = vec![0; 64 + 2 * 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 2;
        elf[64] = 1;
        assert_eq!(has_no_interpreter(&elf), Some(true));
        elf[64 + 56] = 3;
        assert_eq!(has_no_interpreter(&elf), Some(false));
        elf.truncate(100);
        assert_eq!(has_no_interpreter(&elf), None);
    }
}
