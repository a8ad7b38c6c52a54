//! The images of the scenarios, and how they come to be: from real Dockerfiles, by a real builder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::hand_made::{ESCAPING_LINKS, ESCAPING_PATHS, HandMade};
use crate::images::{self, Builder, Recipe, remove_if_there, static_busybox, unpack_package};
use crate::workspace::Workspace;

/// Where the Dockerfiles are, in the workspace.
const DOCKERFILES: &str = "tasks/test_runner/scenarios";

/// An image of the scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Image {
    /// A shell and no command.
    Shell,
    /// Variables, a working directory and a user of its own.
    Configured,
    /// An entrypoint and a command.
    Entrypoint,
    /// An entrypoint alone.
    EntrypointOnly,
    /// A command in shell form.
    ShellCmd,
    /// An entrypoint in shell form.
    ShellEntrypoint,
    /// A shell as the entrypoint, a script as the command.
    EntrypointShell,
    /// Files that come and go from layer to layer.
    Layers,
    /// Symbolic and hard links.
    Links,
    /// Modes, owners, times and attributes.
    Metadata,
    /// A dynamically linked program without a shell.
    Distroless,
    /// One statically linked program.
    Static,
    /// A program that uses an I/O port.
    PortIo,
    /// A program that attacks the host through the machine's devices.
    HostileGuest,
    /// A layer with paths that lead out of it.
    HostilePaths,
    /// A layer with links that lead out of it.
    HostileLinks,
}

/// What a context holds beside the files of its folder.
#[derive(Debug, Clone, Copy)]
enum Ingredient {
    /// A static BusyBox as `busybox`.
    Busybox,
    /// Files of a Debian package, by name, below `root` at the places where they are installed.
    Package(&'static str, &'static [&'static str]),
}

const LOADER: &str = if cfg!(target_arch = "aarch64") {
    "ld-linux-aarch64.so.1"
} else {
    "ld-linux-x86-64.so.2"
};

impl Image {
    /// The name: that of its folder among the Dockerfiles and of its link in the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Configured => "configured",
            Self::Entrypoint => "entrypoint",
            Self::EntrypointOnly => "entrypoint-only",
            Self::ShellCmd => "shell-cmd",
            Self::ShellEntrypoint => "shell-entrypoint",
            Self::EntrypointShell => "entrypoint-shell",
            Self::Layers => "layers",
            Self::Links => "links",
            Self::Metadata => "metadata",
            Self::Distroless => "distroless",
            Self::Static => "static",
            Self::PortIo => "port-io",
            Self::HostileGuest => "hostile-guest",
            Self::HostilePaths => "hostile-paths",
            Self::HostileLinks => "hostile-links",
        }
    }

    fn ingredients(self) -> &'static [Ingredient] {
        const LIBC: Ingredient = Ingredient::Package("libc6", &[LOADER, "libc.so.6"]);
        match self {
            Self::Metadata => &[
                Ingredient::Busybox,
                LIBC,
                Ingredient::Package("libattr1", &["libattr.so.1"]),
                Ingredient::Package("attr", &["getfattr", "setfattr"]),
            ],
            Self::Distroless => &[LIBC, Ingredient::Package("hello", &["hello"])],
            Self::HostileGuest => &[
                Ingredient::Busybox,
                Ingredient::Package("libc6", &[LOADER, "libc.so.6", "libm.so.6"]),
                Ingredient::Package("libcrypt1", &["libcrypt.so.1"]),
                Ingredient::Package("perl-base", &["perl"]),
            ],
            _ => &[Ingredient::Busybox],
        }
    }

    /// Makes sure that the image is in the folder `store`, and returns what the runner takes.
    ///
    /// # Errors
    ///
    /// When it can not be built.
    pub(crate) fn build(self, workspace: &Workspace, store: &Path) -> anyhow::Result<PathBuf> {
        let recipe: Box<dyn Recipe> = match self {
            Self::HostilePaths => Box::new(HandMade::new(workspace, ESCAPING_PATHS)?),
            Self::HostileLinks => Box::new(HandMade::new(workspace, ESCAPING_LINKS)?),
            _ => Box::new(FromDockerfile::new(self, workspace)?),
        };
        let folder = images::keep(store, self.name(), &*recipe)?;
        Ok(images::reference(&folder))
    }

    /// The image in the folder `store`, where it was built before.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub(crate) fn find(self, store: &Path) -> anyhow::Result<PathBuf> {
        let folder = store.join(self.name());
        if !folder.exists() {
            bail!("there is no image {} in {}", self.name(), store.display());
        }
        Ok(images::reference(&folder))
    }

    /// Whether building it takes a builder.
    pub(crate) fn needs_builder(self) -> bool {
        !matches!(self, Self::HostilePaths | Self::HostileLinks)
    }
}

/// A file of a build context.
#[derive(Debug)]
struct ContextFile {
    path: String,
    executable: bool,
    contents: Vec<u8>,
}

/// A Dockerfile with everything that it copies.
#[derive(Debug)]
struct FromDockerfile {
    builder: Builder,
    context: Vec<ContextFile>,
}

impl FromDockerfile {
    fn new(image: Image, workspace: &Workspace) -> anyhow::Result<Self> {
        let builder = images::builder().map_err(anyhow::Error::msg)?;
        let folder = workspace.root().join(DOCKERFILES).join(image.name());
        let mut context = Vec::new();
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let path = entry?.path();
            let name = path.file_name().context("an entry has a name")?;
            context.push(ContextFile::read(&path, name.to_string_lossy())?);
        }
        for ingredient in image.ingredients() {
            match *ingredient {
                Ingredient::Busybox => {
                    context.push(ContextFile::read(&static_busybox(workspace)?, "busybox")?);
                }
                Ingredient::Package(package, names) => {
                    let root = unpack_package(workspace, package)?;
                    for name in names {
                        let path = find(&root, name)?.with_context(|| {
                            format!("the package {package} holds no file {name}")
                        })?;
                        context.push(ContextFile::read(&path, installed(&root, &path))?);
                    }
                }
            }
        }
        context.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { builder, context })
    }
}

impl ContextFile {
    fn read(file: &Path, path: impl Into<String>) -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let read = || format!("cannot read {}", file.display());
        let mode = file.metadata().with_context(read)?.permissions().mode();
        Ok(Self {
            path: path.into(),
            executable: mode & 0o111 != 0,
            contents: fs::read(file).with_context(read)?,
        })
    }

    fn write(&self, context: &Path) -> anyhow::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = context.join(&self.path);
        let mode = if self.executable { 0o755 } else { 0o644 };
        let parent = path.parent().unwrap_or(context);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, &self.contents))
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The file `name` below `root`, links followed.
fn find(root: &Path, name: &str) -> anyhow::Result<Option<PathBuf>> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == name && entry.path().is_file() {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}

/// Where a file of a package goes in the context. Newer packages have everything below `usr` and
/// rely on links in the root, which these images do not have.
fn installed(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let relative = relative.strip_prefix("usr").unwrap_or(relative);
    let relative = relative.to_string_lossy();
    // The loader is named by its link in /lib64 in every x86-64 program.
    if relative.ends_with(LOADER) && cfg!(target_arch = "x86_64") {
        return format!("root/lib64/{LOADER}");
    }
    format!("root/{relative}")
}

impl Recipe for FromDockerfile {
    fn ingredients(&self) -> Vec<Vec<u8>> {
        let mut parts = vec![self.builder.name().into()];
        for file in &self.context {
            parts.push(format!("{} {}", file.path, file.executable).into_bytes());
            parts.push(file.contents.clone());
        }
        parts
    }

    fn summary(&self) -> String {
        format!("building its Dockerfile with {}", self.builder.name())
    }

    fn build(&self, layout: &Path) -> anyhow::Result<()> {
        let work = layout.with_extension("work");
        remove_if_there(&work)?;
        let context = work.join("context");
        let written = self
            .context
            .iter()
            .try_for_each(|file| file.write(&context));
        let built = written.and_then(|()| self.builder.build(&context, layout, &work));
        remove_if_there(&work)?;
        built
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_packages_go_where_programs_look_for_them() {
        let at = |path: &str| installed(Path::new("/p"), Path::new(path));
        assert_eq!(at("/p/usr/bin/hello"), "root/bin/hello");
        assert_eq!(at("/p/lib/x/libc.so.6"), "root/lib/x/libc.so.6");
        assert_eq!(at("/p/usr/lib/x/libc.so.6"), "root/lib/x/libc.so.6");
    }

    #[test]
    fn files_are_found_at_any_depth() {
        let root = tempfile::tempdir().expect("a folder");
        let deep = root.path().join("a/b");
        fs::create_dir_all(&deep).expect("it can be made");
        fs::write(deep.join("wanted"), "").expect("it can be written");
        let found = find(root.path(), "wanted").expect("it can be searched");
        assert_eq!(found, Some(deep.join("wanted")));
        assert_eq!(find(root.path(), "b").expect("it can be searched"), None);
    }

    #[test]
    fn an_image_that_was_not_built_is_named() {
        let store = tempfile::tempdir().expect("a folder");
        let error = Image::Shell
            .find(store.path())
            .expect_err("it is not there");
        assert!(error.to_string().starts_with("there is no image shell in"));
    }
}
