//! Archives as other programs write them, and archives that nobody should write.

use std::io::{Seek, Write};

use proptest::prelude::*;

use super::*;

/// A tar under construction.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn file(mut self, name: &str, data: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        self.0.append_data(&mut header, name, data).unwrap();
        self
    }

    fn link(mut self, kind: tar::EntryType, name: &str, target: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        self.0.append_link(&mut header, name, target).unwrap();
        self
    }

    /// A file whose name the builder would not write.
    fn raw(mut self, name: &[u8], kind: u8, data: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[156] = kind;
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0
            .append_pax_extensions(records.iter().copied())
            .unwrap();
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }

    fn open(self) -> Archive {
        open(&self.bytes()).unwrap()
    }
}

fn open_with(bytes: &[u8], limits: &Limits) -> Result<Archive, OpenArchiveError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Archive::open(file.path(), file.path().parent().unwrap(), limits)
}

fn open(bytes: &[u8]) -> Result<Archive, String> {
    open_with(bytes, &Limits::default()).map_err(|error| error.to_string())
}

fn read(archive: &Archive, name: &str) -> Option<Vec<u8>> {
    archive.file(name).map(|blob| blob.read_all().unwrap())
}

const SYMBOLIC: tar::EntryType = tar::EntryType::Symlink;
const HARD: tar::EntryType = tar::EntryType::Link;

#[test]
fn names_of_every_format() {
    let long = format!("{}/file", "long/".repeat(60));
    let archive = Tar::new()
        .file("./a", b"one")
        .raw(b"dir/", b'5', b"")
        .file(&long, b"two")
        .pax(&[("path", b"pax/n\xc3\xa4me"), ("mtime", b"1.5")])
        .raw(b"ignored", b'0', b"three")
        .raw(b"old", b'\0', b"four")
        .raw(b"global", b'g', b"22 path=everything!!!\n")
        .raw(b"last", b'0', b"")
        .open();
    assert_eq!(read(&archive, "a").unwrap(), b"one");
    assert_eq!(read(&archive, &long).unwrap(), b"two");
    assert_eq!(read(&archive, "pax/näme").unwrap(), b"three");
    assert_eq!(read(&archive, "old").unwrap(), b"four");
    assert_eq!(read(&archive, "last").unwrap(), b"");
    for name in [
        "ignored",
        "dir",
        "everything!!!",
        "global",
        "",
        "/a",
        "../a",
    ] {
        assert!(archive.file(name).is_none(), "{name}");
    }
}

#[test]
fn a_ustar_prefix_is_part_of_the_name() {
    let mut header = tar::Header::new_ustar();
    header
        .set_path(format!("{}/name", "p".repeat(120)))
        .unwrap();
    header.set_size(2);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b"ok"[..]).unwrap();
    let archive = open(&builder.into_inner().unwrap()).unwrap();
    assert_eq!(
        read(&archive, &format!("{}/name", "p".repeat(120))).unwrap(),
        b"ok"
    );
}

#[test]
fn a_pax_size_overrides_the_header() {
    let mut bytes = Tar::new()
        .pax(&[("size", b"3")])
        .raw(b"f", b'0', b"abc")
        .bytes();
    // The header's own size becomes 0; only the record says 3.
    let header = &mut bytes[1024..1536];
    header[124..135].copy_from_slice(b"00000000000");
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, &byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(byte)
            }
        })
        .sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(read(&open(&bytes).unwrap(), "f").unwrap(), b"abc");
}

#[test]
fn links_stay_in_the_archive() {
    let archive = Tar::new()
        .file("aa/layer.tar", b"layer")
        .link(SYMBOLIC, "bb/layer.tar", "../aa/layer.tar")
        .link(SYMBOLIC, "cc/layer.tar", "../bb/layer.tar")
        .link(HARD, "dd", "aa/layer.tar")
        .link(SYMBOLIC, "passwd", "/etc/passwd")
        .link(SYMBOLIC, "up", "../../etc/passwd")
        .link(SYMBOLIC, "loop", "loop")
        .link(SYMBOLIC, "dangling", "nothing")
        .open();
    for name in [
        "bb/layer.tar",
        "cc/layer.tar",
        "dd",
        "./bb/../aa//layer.tar",
    ] {
        assert_eq!(read(&archive, name).unwrap(), b"layer", "{name}");
    }
    for name in ["passwd", "up", "loop", "dangling", "/etc/passwd", "aa"] {
        assert!(archive.file(name).is_none(), "{name}");
    }
}

#[test]
fn hostile_names_are_not_in_the_table() {
    let archive = Tar::new()
        .raw(b"../escape", b'0', b"x")
        .raw(b"/absolute", b'0', b"x")
        .raw(b"a/../../b", b'0', b"x")
        .raw(b"\xff\xfe", b'0', b"x")
        .raw(b"..", b'0', b"x")
        .raw(b"good", b'0', b"x")
        .open();
    for name in [
        "../escape",
        "escape",
        "/absolute",
        "absolute",
        "b",
        "..",
        "",
    ] {
        assert!(archive.file(name).is_none(), "{name}");
    }
    assert_eq!(read(&archive, "good").unwrap(), b"x");
}

#[test]
fn the_first_of_two_entries_is_kept_and_known_to_be_one_of_two() {
    let archive = Tar::new()
        .file("a", b"1")
        .file("./a", b"2")
        .file("b", b"3")
        .open();
    assert_eq!(read(&archive, "a").unwrap(), b"1");
    assert!(archive.is_repeated("a") && !archive.is_repeated("b"));
}

#[test]
fn a_missing_end_mark_and_trailing_garbage_are_forgiven() {
    let bytes = Tar::new().file("a", b"1").bytes();
    assert_eq!(read(&open(&bytes[..1024]).unwrap(), "a").unwrap(), b"1");
    let garbage = [&bytes[..], b"garbage"].concat();
    assert_eq!(read(&open(&garbage).unwrap(), "a").unwrap(), b"1");
    assert!(open(b"").unwrap().file("a").is_none());
}

#[test]
fn bad_archives() {
    let good = Tar::new().file("a", &[1; 600]).file("b", b"2").bytes();
    let mut damaged = good.clone();
    damaged[1536] ^= 1;
    let mut sizeless = Tar::new().raw(b"n", b'0', b"").bytes();
    sizeless[124] = 0xff;
    let mut sparse = Tar::new();
    sparse = sparse
        .pax(&[("GNU.sparse.major", b"1")])
        .raw(b"s", b'0', b"");
    let long_name = Tar::new()
        .raw(b"x", b'L', &vec![b'a'; (64 << 10) + 1])
        .bytes();
    let cases: [(&[u8], &str); 10] = [
        (b"not a tar", "is not a tar archive"),
        (&[7; 2048], "is not a tar archive"),
        (
            &damaged,
            "is damaged: the tar header at byte 1536 is not valid",
        ),
        (
            &good[..700],
            "is truncated: its entry `a` ends behind the end of the file; get the archive again",
        ),
        (
            &good[..1700],
            "is damaged: the tar header at byte 1536 is not valid",
        ),
        (&sizeless, "is not a tar archive"),
        (
            &sparse.bytes(),
            "has the sparse entry `s`: make the archive without `--sparse`",
        ),
        (
            &Tar::new().raw(b"s", b'S', b"").bytes(),
            "has the sparse entry `s`: make the archive without `--sparse`",
        ),
        (
            &long_name,
            "has too many or too long file names for an image archive",
        ),
        (
            &Tar::new()
                .raw(b"x", b'x', b"99 path=a\n")
                .raw(b"f", b'0', b"")
                .bytes(),
            "is damaged: the tar header at byte 0 is not valid",
        ),
    ];
    for (position, (bytes, message)) in cases.into_iter().enumerate() {
        assert_eq!(open(bytes).unwrap_err(), message, "case {position}");
    }
}

#[test]
fn sizes_that_overflow() {
    for size in [u64::MAX, u64::MAX - 511, 1 << 63, 1 << 40] {
        let mut bytes = Tar::new()
            .pax(&[("size", size.to_string().as_bytes())])
            .bytes();
        bytes.truncate(1024);
        bytes.extend(Tar::new().raw(b"f", b'0', b"abc").bytes());
        assert_eq!(
            open(&bytes).unwrap_err(),
            "is truncated: its entry `f` ends behind the end of the file; get the archive again",
        );
    }
}

#[test]
fn the_table_is_bounded() {
    let header = Tar::new().raw(b"f", b'0', b"").bytes()[..512].to_vec();
    assert_eq!(
        open(&header.repeat(50_001)).unwrap_err(),
        "has too many or too long file names for an image archive",
    );
    let mut tar = Tar::new();
    for number in 0..2_100 {
        tar = tar.file(&format!("{number}/{}x", "y/".repeat(2_000)), b"");
    }
    assert_eq!(
        open(&tar.bytes()).unwrap_err(),
        "has too many or too long file names for an image archive",
    );
}

#[test]
fn compressed_archives_are_unpacked_once() {
    let tar = Tar::new()
        .file("holes", &vec![0; 3 << 20])
        .file("a", &vec![7; 1 << 20])
        .bytes();
    let tar = [tar, vec![0; 1 << 20]].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::bulk::compress(&tar, 1).unwrap();
    for compressed in [&gzip, &zstd] {
        let archive = open(compressed).unwrap();
        assert!(read(&archive, "a").unwrap() == vec![7; 1 << 20]);
        assert!(read(&archive, "holes").unwrap() == vec![0; 3 << 20]);
        assert_eq!(archive.file.metadata().unwrap().len(), tar.len() as u64);
        let limits = Limits {
            archive_bytes: 1 << 20,
            ..Limits::default()
        };
        let error = open_with(compressed, &limits).unwrap_err();
        assert_eq!(error.to_string(), "unpacks to more than 1 MiB, the limit");
        let limits = Limits {
            expansion_ratio: 2,
            expansion_allowance: 1 << 20,
            ..Limits::default()
        };
        let error = open_with(compressed, &limits).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unpacks to more than 2 times its size, the limit beyond 1 MiB",
        );
    }
    assert_eq!(
        open(&gzip[..gzip.len() / 2]).unwrap_err(),
        "cannot be decompressed: its gzip data is truncated: get the image again",
    );
    assert_eq!(
        open(b"\xfd7zXZ\0...").unwrap_err(),
        "cannot be decompressed: it is compressed with xz: only gzip and zstd are supported",
    );
}

#[test]
fn places_that_cannot_be_used() {
    let mut gzip = flate2::write::GzEncoder::new(
        tempfile::NamedTempFile::new().unwrap(),
        flate2::Compression::fast(),
    );
    gzip.write_all(&Tar::new().file("a", b"1").bytes()).unwrap();
    let file = gzip.finish().unwrap();
    let limits = Limits::default();
    let error = Archive::open(file.path(), Path::new("/no/such/folder"), &limits).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("is compressed and cannot be unpacked into /no/such/folder: "),
        "{text}"
    );
    assert!(
        text.ends_with("; free some space there or choose another folder"),
        "{text}"
    );
    let error = Archive::open(Path::new("/dev/null"), Path::new("/"), &limits).unwrap_err();
    assert_eq!(error.to_string(), "is not a regular file");
    let error = Archive::open(Path::new("/no/file"), Path::new("/"), &limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot be read: No such file or directory (os error 2)"
    );
}

fn list(bytes: &[u8]) -> Result<Vec<String>, ArchiveError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    list_archive(file)
}

proptest! {
    #[test]
    fn what_the_tar_crate_writes_is_found(
        files in proptest::collection::btree_map("[a-z]{1,9}(/[a-z]{1,70}){0,4}", ".{0,700}", 0..9)
    ) {
        let mut tar = Tar::new();
        for (name, data) in &files {
            tar = tar.file(name, data.as_bytes());
        }
        let archive = tar.open();
        for (name, data) in &files {
            prop_assert_eq!(&read(&archive, name).unwrap(), data.as_bytes());
        }
    }

    #[test]
    fn any_bytes_are_listed_or_refused(
        edits in proptest::collection::vec((0..3072_usize, any::<u8>()), 0..8),
        len in 0..3072_usize,
    ) {
        let mut bytes = Tar::new()
            .pax(&[("path", b"name")])
            .raw(b"f", b'0', b"abc")
            .link(HARD, "l", "name")
            .bytes();
        bytes.truncate(len);
        for (at, byte) in edits {
            if let Some(target) = bytes.get_mut(at) {
                *target = byte;
            }
        }
        if let Ok(names) = list(&bytes) {
            prop_assert!(names.iter().all(|name| !name.starts_with('/')), "{names:?}");
        }
    }

    #[test]
    fn any_pax_records_are_parsed_or_refused(data: Vec<u8>, key in "(path|size|linkpath)?", digits in "[0-9]{0,21}") {
        let record = format!("{digits} {key}={digits}\n").into_bytes();
        for data in [data, record] {
            if let Some(records) = header::PaxRecords::parse(&data) {
                prop_assert!(records.path.is_none_or(|path| path.len() < data.len()));
            }
        }
    }
}
