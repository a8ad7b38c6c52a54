//! Hostile layers as an ext4 image, which `e2fsck` must find no flaw in.
//!
//! The bytes decide what is in the layers and how large the disk is: crowded directories, long
//! names, holes of many tebibytes, attributes at the edges of their rooms, every kind of node.

use std::error::Error;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use bencher_rootfs::{BoxedError, BuildOptions, LayerSource, NoProgress, build};
use sha2::{Digest, Sha256};

use crate::archive::{Archive, Header};
use crate::choices::Choices;
use crate::{Outcome, is_one_harmless_line};

/// The most entries of one input, so that an input takes milliseconds.
const MAX_ENTRIES: usize = 3000;

/// Checks one input.
///
/// # Panics
/// If the promise is broken, or e2fsprogs is not installed.
pub fn check(input: &[u8]) -> Outcome {
    let mut choices = Choices::new(input);
    let disk_bytes = (2 << 20) + (choices.below(80) << 20) as u64;
    let layers: Vec<_> = layers(&mut choices).into_iter().map(Layer::new).collect();
    let sources: Vec<&dyn LayerSource> = layers.iter().map(|layer| layer as _).collect();
    let image = tempfile::NamedTempFile::new().expect("a temporary file");
    let options = BuildOptions {
        parallel_layers: NonZeroUsize::new(1),
        ..BuildOptions::new(disk_bytes)
    };
    match build(&sources, image.as_file(), &options, &NoProgress) {
        Ok(_) => {
            check_filesystem(image.path());
            Outcome::Accepted
        }
        Err(error) => {
            let mut cause: Option<&dyn Error> = Some(&error);
            while let Some(error) = cause {
                is_one_harmless_line(&error.to_string());
                cause = error.source();
            }
            Outcome::Refused
        }
    }
}

/// A layer in memory.
struct Layer {
    bytes: Vec<u8>,
    diff_id: [u8; 32],
}

impl Layer {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            diff_id: Sha256::digest(&bytes).into(),
            bytes,
        }
    }
}

impl LayerSource for Layer {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxedError> {
        Ok(Box::new(&self.bytes[..]))
    }

    fn compressed_size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn uncompressed_size_hint(&self) -> Option<u64> {
        Some(self.bytes.len() as u64)
    }

    fn diff_id(&self) -> [u8; 32] {
        self.diff_id
    }

    fn name(&self) -> String {
        "a layer".to_owned()
    }
}

fn check_filesystem(image: &Path) {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("e2fsck")
        .args(["-f", "-n"])
        .arg(image)
        // Where only root looks.
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .env("LC_ALL", "C")
        .output()
        .expect("e2fsck runs (Debian: e2fsprogs)");
    let text = String::from_utf8_lossy(&output.stdout);
    // It forgives some flaws, but asks whether to fix them. Only times after 2310 are none: it
    // takes them for those of an old kernel that stored times before 1970 wrongly.
    let lines: Vec<_> = text.lines().collect();
    let flawed = lines
        .windows(2)
        .any(|pair| pair[1].contains("? no") && !pair[0].starts_with("Timestamp(s) on inode"));
    assert!(output.status.success() && !flawed, "{text}");
}

fn layers(choices: &mut Choices<'_>) -> Vec<Vec<u8>> {
    let mut layers = vec![Archive::new()];
    let mut names = Names::default();
    while choices.are_left() && names.count < MAX_ENTRIES {
        let kind = choices.byte();
        if kind >= 250 {
            layers.push(Archive::new());
            continue;
        }
        let layer = layers.pop().unwrap_or_default();
        layers.push(match kind % 16 {
            0 | 1 => crowd(layer, choices, &mut names),
            2 | 3 => whiteout(layer, choices, &names),
            4 => sparse(layer, choices, &mut names),
            5 => hard_link(layer, choices, &mut names),
            kind => node(layer, kind, choices, &mut names),
        });
    }
    layers.into_iter().map(Archive::end).collect()
}

/// The paths that there are, to put things into and to link to.
#[derive(Default)]
struct Names {
    count: usize,
    directories: Vec<Vec<u8>>,
    others: Vec<Vec<u8>>,
}

impl Names {
    /// A path that most often is a new one.
    fn fresh(&mut self, choices: &mut Choices<'_>) -> Vec<u8> {
        self.count += 1;
        let mut path = self.directory(choices);
        let length = match choices.byte() {
            byte @ 0..200 => usize::from(byte % 16),
            byte => usize::from(byte),
        };
        path.extend_from_slice(self.count.to_string().as_bytes());
        let end = path.len() + length.min(250);
        path.resize(end, choices.byte() | 1);
        // A slash or a NUL would be another thing than a name.
        for byte in &mut path[end - length.min(250)..] {
            if *byte == b'/' {
                *byte = b'x';
            }
        }
        path
    }

    fn directory(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        let mut path = match choices.below(self.directories.len() + 1) {
            0 => return Vec::new(),
            place => self.directories[place - 1].clone(),
        };
        path.push(b'/');
        path
    }

    fn other(&self, choices: &mut Choices<'_>) -> Option<Vec<u8>> {
        let place = choices.below(self.others.len().max(1));
        self.others.get(place).cloned()
    }
}

/// Very many entries of one directory.
fn crowd(mut layer: Archive, choices: &mut Choices<'_>, names: &mut Names) -> Archive {
    let directory = names.directory(choices);
    let count = choices.below(600);
    let length = choices.byte().into();
    let is_directory = choices.below(4) == 0;
    for number in 0..count {
        names.count += 1;
        let mut path = directory.clone();
        path.extend_from_slice(format!("{number:0>length$}").as_bytes());
        let header = if is_directory {
            Header::directory("")
        } else {
            Header::file("")
        };
        layer = layer.pax(&[("path", &path)]).add(&header);
    }
    layer
}

fn whiteout(layer: Archive, choices: &mut Choices<'_>, names: &Names) -> Archive {
    let (directory, name) = match names.other(choices) {
        Some(path) if choices.byte() & 1 == 0 => {
            let start = path.iter().rposition(|&byte| byte == b'/');
            let start = start.map_or(0, |slash| slash + 1);
            let name = [b".wh.", &path[start..]].concat();
            (path[..start].to_vec(), name)
        }
        _ => (names.directory(choices), b".wh..wh..opq".to_vec()),
    };
    let path = [directory, name].concat();
    layer.pax(&[("path", &path)]).file("", "")
}

/// A file with holes, stored as PAX 0.1 does.
fn sparse(layer: Archive, choices: &mut Choices<'_>, names: &mut Names) -> Archive {
    let path = names.fresh(choices);
    let mut end = 0_u64;
    let mut stored = 0;
    let mut map = Vec::new();
    for _ in 0..choices.below(300) {
        let gap = choices.of(&[0, 1, 4095, 4096, 4097, 1 << 20, 1 << 27, 1 << 40]);
        let length = choices.of(&[0, 1, 511, 4096, 4097, 9000]);
        map.push(format!("{},{length}", end + gap));
        end += gap + length;
        stored += length;
    }
    let size = end + choices.of(&[0, 1, 4096, 1 << 32, 1 << 43]);
    names.others.push(path.clone());
    let records = [
        ("GNU.sparse.name", path),
        ("GNU.sparse.map", map.join(",").into()),
        ("GNU.sparse.size", size.to_string().into()),
    ];
    let contents = contents(choices, usize::try_from(stored).unwrap_or(0));
    layer.pax(&records).add_with(&Header::file(""), &contents)
}

fn hard_link(layer: Archive, choices: &mut Choices<'_>, names: &mut Names) -> Archive {
    let Some(target) = names.other(choices) else {
        return layer;
    };
    let path = names.fresh(choices);
    layer
        .pax(&[("path", &path), ("linkpath", &target)])
        .add(&Header::hard_link("", ""))
}

fn node(layer: Archive, kind: u8, choices: &mut Choices<'_>, names: &mut Names) -> Archive {
    let path = names.fresh(choices);
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = vec![(b"path".to_vec(), path.clone())];
    let is_directory = matches!(kind, 6..=8);
    let header = match kind {
        6..=8 => Header::directory(""),
        9 | 10 => {
            let length = 1 + choices.below(4200);
            records.push((b"linkpath".to_vec(), vec![b't'; length]));
            Header::symlink("", "")
        }
        11 => {
            for key in ["SCHILY.devmajor", "SCHILY.devminor"] {
                let number = choices.number() >> choices.of(&[63, 56, 52, 44, 32]);
                records.push((key.into(), number.to_string().into()));
            }
            Header::new(choices.of(b"34"), "")
        }
        12 => Header::new(b'6', ""),
        _ => Header::file(""),
    };
    attributes(choices, &mut records);
    if is_directory {
        names.directories.push(path);
    } else {
        names.others.push(path);
    }
    let header = header.mode(choices.number() & 0o7777);
    let layer = layer.pax(&records);
    if header.entry_type != b'0' {
        return layer.add(&header);
    }
    let length = choices.of(&[0, 1, 59, 60, 4095, 4096, 4097, 70_000, 300_000]);
    layer.add_with(&header, &contents(choices, length))
}

/// Times and extended attributes.
fn attributes(choices: &mut Choices<'_>, records: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    let which = choices.byte();
    if which & 1 != 0 {
        let seconds = choices.number().cast_signed() >> choices.of(&[0, 24, 30, 32]);
        records.push((b"mtime".to_vec(), format!("{seconds}.000000001").into()));
    }
    if which & 2 != 0 {
        let access: &[&[u8]] = &[
            b"u::rwx,g::r-x,o::r-x",
            b"u::rw-,u:5:rwx,g::r--,m::rwx,o::r--",
            b"u::rw-,g:7:r--,g::r--,m::r--,o::---",
        ];
        let key = choices.of(&["SCHILY.acl.access", "SCHILY.acl.default"]);
        records.push((key.into(), choices.of(access).to_vec()));
    }
    for number in 0..which >> 5 {
        let namespace = choices.of(&["user", "trusted", "security", "system", "com.apple"]);
        let length = choices.below(100);
        let name = format!("SCHILY.xattr.{namespace}.{number}{}", "n".repeat(length));
        let length = choices.below(1200);
        records.push((name.into(), contents(choices, length)));
    }
}

/// Bytes that are not all the same, so that they are stored.
fn contents(choices: &mut Choices<'_>, length: usize) -> Vec<u8> {
    let seed = choices.byte();
    (0..length)
        .map(|place| seed.wrapping_add(place.to_le_bytes()[0] ^ place.to_le_bytes()[1]))
        .collect()
}
