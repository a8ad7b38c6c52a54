//! Small OCI layouts, made of the host's static busybox.

use std::fs;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::read::elf::{ElfFile64, ProgramHeader as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempDir};

/// An image in a folder of its own.
pub(crate) struct Image {
    folder: TempDir,
}

/// The host's busybox, if it is linked statically.
pub(crate) fn busybox() -> Option<PathBuf> {
    let path = bencher_runner::paths::find_program("busybox")?;
    let program = fs::read(&path).ok()?;
    let elf = ElfFile64::<Endianness>::parse(program.as_slice()).ok()?;
    let asks_for_interpreter = elf
        .elf_program_headers()
        .iter()
        .any(|header| header.p_type(elf.endian()) == object::elf::PT_INTERP);
    (!asks_for_interpreter).then_some(path)
}

const APPLETS: [&str; 24] = [
    "sh",
    "echo",
    "cat",
    "ls",
    "sleep",
    "id",
    "ps",
    "dd",
    "head",
    "yes",
    "true",
    "false",
    "kill",
    "mkdir",
    "pwd",
    "env",
    "printf",
    "nproc",
    "mount",
    "touch",
    "sha256sum",
    "uname",
    "hostname",
    "free",
];

impl Image {
    /// An image of busybox with `config` as its configuration's `config`.
    pub(crate) fn new(config: &Value) -> Self {
        Self::with_files(config, &[])
    }

    /// The same, with more files: path, mode, content.
    pub(crate) fn with_files(config: &Value, files: &[(&str, u32, &[u8])]) -> Self {
        let layer = layer(files);
        let diff_id = digest(&layer);
        let document = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        });
        Self::of(&document, &[layer])
    }

    /// An image of a configuration and uncompressed layers, whatever they are.
    pub(crate) fn of(config: &Value, layers: &[Vec<u8>]) -> Self {
        let image = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(image.path().join("blobs/sha256")).unwrap();
        let config = image.blob(
            "application/vnd.oci.image.config.v1+json",
            &serde_json::to_vec(config).unwrap(),
        );
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| image.blob("application/vnd.oci.image.layer.v1.tar", layer))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": layers,
        });
        let manifest = image.blob(
            "application/vnd.oci.image.manifest.v1+json",
            &serde_json::to_vec(&manifest).unwrap(),
        );
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        fs::write(image.path().join("index.json"), index.to_string()).unwrap();
        fs::write(
            image.path().join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .unwrap();
        image
    }

    /// An index of this image, for amd64, and of `other`, for `architecture`.
    pub(crate) fn beside(self, architecture: &str, other: &Self) -> Self {
        let read = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
        let mut manifests = Vec::new();
        for (image, architecture) in [(&self, "amd64"), (other, architecture)] {
            let mut manifest = read(&image.path().join("index.json"))["manifests"][0].take();
            manifest["platform"] = json!({"os": "linux", "architecture": architecture});
            manifests.push(manifest);
        }
        for blob in fs::read_dir(other.path().join("blobs/sha256")).unwrap() {
            let blob = blob.unwrap();
            let to = self.path().join("blobs/sha256").join(blob.file_name());
            fs::copy(blob.path(), to).unwrap();
        }
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests});
        let index = self.blob(kind, &serde_json::to_vec(&index).unwrap());
        let index = json!({"schemaVersion": 2, "manifests": [index]});
        fs::write(self.path().join("index.json"), index.to_string()).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The same image as `docker save` writes it.
    pub(crate) fn docker_archive(&self) -> NamedTempFile {
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            fs::read(self.path().join("blobs").join(digest.replace(':', "/"))).unwrap()
        };
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let index = read(&fs::read(self.path().join("index.json")).unwrap());
        let manifest = read(&blob(&index["manifests"][0]));
        let saved = json!([{"Config": "config.json", "RepoTags": ["it:latest"], "Layers": ["0/layer.tar"]}]);
        let file = NamedTempFile::new().unwrap();
        let mut tar = tar::Builder::new(file.as_file());
        for (name, content) in [
            ("config.json", blob(&manifest["config"])),
            ("0/layer.tar", blob(&manifest["layers"][0])),
            ("manifest.json", saved.to_string().into_bytes()),
        ] {
            let mut header = header(0o644, content.len() as u64);
            tar.append_data(&mut header, name, content.as_slice())
                .unwrap();
        }
        tar.finish().unwrap();
        drop(tar);
        file
    }

    fn blob(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = digest(content);
        let name = digest.trim_start_matches("sha256:");
        fs::write(self.path().join("blobs/sha256").join(name), content).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": content.len()})
    }
}

pub(crate) fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

/// An uncompressed layer with busybox, its links, two users and `files`.
pub(crate) fn layer(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let busybox = fs::read(busybox().unwrap()).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    for folder in ["bin/", "etc/", "tmp/"] {
        let mut header = header(0o755, 0);
        header.set_entry_type(tar::EntryType::Directory);
        tar.append_data(&mut header, folder, std::io::empty())
            .unwrap();
    }
    let mut file = |path: &str, mode, content: &[u8]| {
        let mut header = header(mode, content.len() as u64);
        tar.append_data(&mut header, path, content).unwrap();
    };
    file("bin/busybox", 0o755, &busybox);
    file(
        "etc/passwd",
        0o644,
        b"root:x:0:0::/root:/bin/sh\nbench:x:1000:1001::/home/bench:/bin/sh\n",
    );
    file(
        "etc/group",
        0o644,
        b"root:x:0:\nbench:x:1001:\nextra:x:1002:bench\n",
    );
    for (path, mode, content) in files {
        file(path, *mode, content);
    }
    for applet in APPLETS {
        let mut header = header(0o777, 0);
        header.set_entry_type(tar::EntryType::Symlink);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox")
            .unwrap();
    }
    tar.into_inner().unwrap()
}

fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(1_700_000_000);
    header
}
