use std::os::unix::fs::FileExt;

use super::*;
use crate::archive::{Archive, Header};
use crate::tree::{BLOCK_SIZE, Kind, Node, Timestamp};

/// Pretends to store every file: where the test says.
#[derive(Debug, Default)]
struct Places {
    next: Vec<Vec<Segment>>,
    written: Vec<(u64, Vec<u8>)>,
}

impl ContentSink for Places {
    type Error = LayerError;

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LayerError> {
        self.written.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn end_file(&mut self, segments: &mut Vec<Segment>) -> Result<(), LayerError> {
        assert!(segments.is_empty());
        if !self.next.is_empty() {
            *segments = self.next.remove(0);
        }
        Ok(())
    }
}

fn read_with(archive: &[u8], limits: &Limits) -> Result<LayerLog, LayerError> {
    let budget = Budget::new(limits);
    let mut meter = Meter::new(&budget, archive.len() as u64);
    let mut log = LayerLog::default();
    let mut sink = Places::default();
    read::<_, _, LayerError>(archive, &mut meter, &mut sink, Some(&mut log)).map(|_| log)
}

fn node(kind: Kind, seconds: i64) -> Node {
    let time = Timestamp {
        seconds,
        nanoseconds: 0,
    };
    Node {
        kind,
        permissions: 0o644,
        uid: 0,
        gid: 0,
        modified: time,
        accessed: time,
    }
}

#[test]
fn what_goes_into_a_log_comes_out_of_it() {
    let segment = |offset, position, length| Segment {
        offset: offset * BLOCK_SIZE,
        position: position * BLOCK_SIZE,
        length,
    };
    let files: [(u64, Vec<Segment>); 4] = [
        (0, vec![]),
        (5000, vec![segment(0, 77, 5000)]),
        (5000, vec![segment(1, 1 << 40, 904)]),
        (1 << 43, vec![segment(0, 5, 4096), segment(1 << 30, 6, 1)]),
    ];
    let mut entries = Log::default();
    let mut entry = Entry {
        permissions: 0o644,
        ..Entry::default()
    };
    let mut expected: Vec<(Vec<u8>, Node, Vec<Segment>)> = Vec::new();
    for (number, (size, segments)) in files.iter().enumerate() {
        for (uid, seconds, accessed) in [
            (0, 5, None),
            (u32::MAX, i64::MIN, Some(i64::MAX)),
            (u32::MAX, i64::MAX, None),
            (7, -1, Some(0)),
        ] {
            let path = format!("some/{}where/{uid}", "x".repeat(number));
            entry.uid = uid;
            entry.modified.seconds = seconds;
            entry.accessed = accessed.map(|seconds| Timestamp {
                seconds,
                nanoseconds: 999_999_999,
            });
            entry.kind = EntryKind::File { size: *size };
            entries.push_entry(path.as_bytes(), &entry, b"", segments);
            let mut node = node(Kind::File { size: *size }, seconds);
            node.uid = uid;
            node.accessed = entry.accessed.unwrap_or(node.modified);
            expected.push((path.into_bytes(), node, segments.clone()));
            // Must not disturb what is remembered of the entry before.
            entries.push_whiteout(b"some/where", uid == 7);
            let link = Entry {
                kind: EntryKind::HardLink,
                uid: 3,
                ..Entry::default()
            };
            entries.push_entry(b"link", &link, b"target", &[]);
        }
    }
    let mut reader = entries.into_reader(None);
    for (path, node, segments) in expected {
        let record = reader.next().unwrap().unwrap();
        assert_eq!(record.path, path);
        match record.kind {
            RecordKind::Node(found, contents) => {
                assert_eq!(found, node);
                assert_eq!(contents, segments);
            }
            other => panic!("{other:?}"),
        }
        let record = reader.next().unwrap().unwrap();
        let opaque = matches!(record.kind, RecordKind::Opaque);
        assert!(opaque || matches!(record.kind, RecordKind::Whiteout));
        assert_eq!(opaque, node.uid == 7);
        let record = reader.next().unwrap().unwrap();
        assert!(matches!(record.kind, RecordKind::HardLink(b"target")));
    }
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn kinds_and_attributes_survive_many_chunks() {
    let xattrs = |number: usize| match number % 4 {
        0 => vec![],
        1 => vec![(b"user.a".to_vec(), vec![0; number % 300])],
        _ => vec![
            (b"security.label".to_vec(), b"same".to_vec()),
            (b"user.b".to_vec(), b"".to_vec()),
        ],
    };
    let kinds = [
        EntryKind::Directory,
        EntryKind::Symlink,
        EntryKind::Fifo,
        EntryKind::CharacterDevice {
            major: 1,
            minor: u32::MAX,
        },
        EntryKind::BlockDevice {
            major: u32::MAX,
            minor: 0,
        },
    ];
    let mut log = Log::default();
    let file = tempfile::tempfile().unwrap();
    let mut chunks = 0;
    let count = 20_000;
    for number in 0..count {
        let entry = Entry {
            kind: kinds[number % kinds.len()],
            xattrs: xattrs(number),
            ..Entry::default()
        };
        let path = format!("directory/{number}");
        log.push_entry(path.as_bytes(), &entry, b"\xff/target", &[]);
        // Every other one is kept in memory.
        log.keep_full_chunk(|chunk| -> Result<_, LayerError> {
            chunks += 1;
            let position = 1000 + chunks * 1_000_000;
            file.write_all_at(chunk, position).unwrap();
            Ok((chunks % 2 == 0).then_some(Chunk::Stored {
                position,
                length: chunk.len(),
            }))
        })
        .unwrap();
    }
    assert!(chunks >= 4);
    let mut reader = log.into_reader(Some(&file));
    for number in 0..count {
        let record = reader.next().unwrap().unwrap();
        assert_eq!(record.path, format!("directory/{number}").as_bytes());
        let kind = match record.kind {
            RecordKind::Symlink(_, target) => {
                assert_eq!(target, b"\xff/target");
                EntryKind::Symlink
            }
            RecordKind::Node(node, &[]) => match node.kind {
                Kind::Directory => EntryKind::Directory,
                Kind::Fifo => EntryKind::Fifo,
                Kind::CharacterDevice { major, minor } => {
                    EntryKind::CharacterDevice { major, minor }
                }
                Kind::BlockDevice { major, minor } => EntryKind::BlockDevice { major, minor },
                other => panic!("{other:?}"),
            },
            ref other => panic!("{other:?}"),
        };
        assert_eq!(kind, kinds[number % kinds.len()]);
        let found: Vec<_> = record
            .xattrs()
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect();
        assert_eq!(found, xattrs(number));
    }
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn an_ordinary_entry_takes_few_bytes() {
    let mut log = Log::default();
    for number in 0..1000 {
        let entry = Entry {
            kind: EntryKind::File { size: 100_000 },
            modified: Timestamp {
                seconds: 1_700_000_000 + number,
                nanoseconds: 123_456_789,
            },
            ..Entry::default()
        };
        let path = format!("usr/lib/python3/dist-packages/module_{number}.py");
        let segments = [Segment {
            offset: 0,
            position: (1 << 30) + BLOCK_SIZE * number.unsigned_abs(),
            length: 100_000,
        }];
        log.push_entry(path.as_bytes(), &entry, b"", &segments);
    }
    let bytes: usize = log.bytes();
    assert!(bytes < 30_000, "{bytes}");
}

#[test]
fn contents_go_to_the_sink_and_whiteouts_to_their_own_log() {
    let archive = Archive::new()
        .file("b", "12")
        .file(".wh.b", "not contents")
        .directory("d")
        .file("d/.wh..wh..opq", "")
        .file(".wh..wh.plnk/1", "aufs")
        .end();
    let budget = Budget::new(&Limits::default());
    let mut meter = Meter::new(&budget, archive.len() as u64);
    let mut sink = Places {
        next: vec![vec![Segment {
            offset: 0,
            position: 0,
            length: 2,
        }]],
        ..Places::default()
    };
    let source = [&archive[..], b"rest"].concat();
    let mut log = LayerLog::default();
    let rest = read::<_, _, LayerError>(&source[..], &mut meter, &mut sink, Some(&mut log));
    let rest = rest.unwrap();
    assert_eq!(rest, b"rest");
    assert_eq!(sink.written, [(0, b"12".to_vec())]);
    let paths = |log: Log| {
        let mut reader = log.into_reader(None);
        let mut paths = Vec::new();
        while let Some(record) = reader.next().unwrap() {
            paths.push(String::from_utf8(record.path.to_vec()).unwrap());
        }
        paths
    };
    assert_eq!(paths(log.entries), ["b", "d"]);
    assert_eq!(paths(log.whiteouts), ["b", "d"]);
}

#[test]
fn every_limit_names_itself_and_the_entry() {
    let limits = Limits {
        entries: 3,
        metadata_bytes: 100,
        total_bytes: 100_000,
        expansion_ratio: 10,
        expansion_allowance: 50_000,
        file_bytes: 40_000,
        path_depth: 3,
        ..Limits::default()
    };
    let many = (0..4).fold(Archive::new(), |archive, number| {
        archive.file(format!("file{number}"), "")
    });
    let large = |name: &str| Archive::new().file(name, vec![0; 40_000]);
    let table = [
        (Limit::Entries, "file3", many),
        (
            Limit::MetadataBytes,
            "second",
            Archive::new()
                .file("first", "")
                .symlink("second", "x".repeat(96)),
        ),
        (
            Limit::TotalBytes,
            "third",
            large("first")
                .raw(&large("second").unterminated())
                .raw(&large("third").unterminated()),
        ),
        (
            Limit::FileBytes,
            "large",
            Archive::new().file("large", vec![0; 40_001]),
        ),
        (
            Limit::PathDepth,
            "a/b/c/d",
            Archive::new().file("a/b/c/d", ""),
        ),
        (
            Limit::NameBytes,
            "xxx",
            Archive::new()
                .pax(&[("path", "x".repeat(256))])
                .file("f", ""),
        ),
        (
            Limit::SymlinkBytes,
            "link",
            Archive::new()
                .pax(&[("linkpath", "x".repeat(4096))])
                .symlink("link", "x"),
        ),
    ];
    for (limit, name, archive) in table {
        let error = read_with(&archive.end(), &limits).unwrap_err();
        let (LayerError::Limit(error) | LayerError::Path(PathError::Limit(error))) = error else {
            panic!("{limit:?}: {error}");
        };
        assert_eq!(error.limit, limit);
        assert!(error.to_string().contains(name), "{error}");
    }

    // 51200 bytes out of 1000.
    let budget = Budget::new(&limits);
    let mut meter = Meter::new(&budget, 1000);
    let archive = large("bomb").file("more", vec![0; 30_000]).end();
    let mut sink = Places::default();
    let error = read::<_, _, LayerError>(&archive[..], &mut meter, &mut sink, None);
    match error.unwrap_err() {
        LayerError::Limit(error) => {
            assert_eq!(error.limit, Limit::ExpansionRatio);
            assert!(error.to_string().contains("more"), "{error}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn symbolic_links_need_a_target() {
    for archive in [
        Archive::new().symlink("link", ""),
        Archive::new()
            .pax(&[("linkpath", "a\0b")])
            .symlink("link", "x"),
    ] {
        let error = read_with(&archive.end(), &Limits::default()).unwrap_err();
        assert!(matches!(error, LayerError::SymlinkTarget(_)), "{error}");
        assert!(error.to_string().contains("\"link\""), "{error}");
    }
    let escape = Archive::new().add(&Header::hard_link("link", "../../etc/passwd"));
    let error = read_with(&escape.end(), &Limits::default()).unwrap_err();
    assert!(
        matches!(error, LayerError::Path(PathError::Escape(_))),
        "{error}"
    );
}
