use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::Ordering;
use std::sync::{LazyLock, Mutex};

use super::*;
use crate::archive::Archive;
use crate::layer::LayerError;
use crate::layers::{MemoryLayer, sources};
use crate::progress::NoProgress;
use crate::tree::{Kind, NodeId};

const MIB: u64 = 1 << 20;

/// Bytes that do not repeat, and are different for every seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Layers with many small files, large ones, and replacements among them.
fn layers() -> Vec<MemoryLayer> {
    static LAYERS: LazyLock<Vec<MemoryLayer>> = LazyLock::new(make_layers);
    LAYERS.clone()
}

fn make_layers() -> Vec<MemoryLayer> {
    let small = (0..600).fold(Archive::new().directory("small"), |archive, number| {
        archive.file(format!("small/{number}"), noise(number, 700))
    });
    let large = Archive::new()
        .file("large", noise(1000, 3_000_000))
        .file("lost", noise(1001, 1_500_000))
        .hard_link("again", "large");
    let upper = (0..300).fold(
        Archive::new()
            .file(".wh.lost", "")
            .file("new", noise(1002, 900_000)),
        |archive, number| archive.file(format!("small/{}", number * 2), noise(number + 2000, 5000)),
    );
    let top = Archive::new()
        .file("small/1", "")
        .file("top", noise(1003, 10));
    [small, large, upper, top]
        .into_iter()
        .zip(["small", "large", "upper", "top"])
        .map(|(archive, name)| MemoryLayer::new(name, archive.end()))
        .collect()
}

/// What [`layers`] amount to.
fn expected() -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<_, _> = (0..600)
        .map(|number| (format!("/small/{number}"), noise(number, 700)))
        .collect();
    for number in 0..300 {
        files.insert(format!("/small/{}", number * 2), noise(number + 2000, 5000));
    }
    files.insert("/small/1".into(), vec![]);
    files.insert("/large".into(), noise(1000, 3_000_000));
    files.insert("/again".into(), noise(1000, 3_000_000));
    files.insert("/new".into(), noise(1002, 900_000));
    files.insert("/top".into(), noise(1003, 10));
    files
}

fn contents(tree: &Tree, file: &File) -> BTreeMap<String, Vec<u8>> {
    fn walk(
        tree: &Tree,
        file: &File,
        directory: NodeId,
        prefix: &str,
        files: &mut BTreeMap<String, Vec<u8>>,
    ) {
        for (name, id) in tree.children(directory) {
            let path = format!("{prefix}/{}", name.escape_ascii());
            if let Kind::File { size } = tree.node(id).kind {
                let mut bytes = vec![0; usize::try_from(size).unwrap()];
                for segment in tree.segments(id) {
                    let start = usize::try_from(segment.offset).unwrap();
                    let end = start + usize::try_from(segment.length).unwrap();
                    file.read_exact_at(&mut bytes[start..end], segment.position)
                        .unwrap();
                }
                files.insert(path.clone(), bytes);
            }
            walk(tree, file, id, &path, files);
        }
    }
    let mut files = BTreeMap::new();
    walk(tree, file, tree.root(), "", &mut files);
    files
}

fn options(disk_bytes: u64, threads: usize) -> BuildOptions {
    BuildOptions {
        parallel_layers: NonZeroUsize::new(threads),
        ..BuildOptions::new(disk_bytes)
    }
}

fn image(layers: &[MemoryLayer], options: &BuildOptions) -> (Vec<u8>, BuildReport, File) {
    let file = tempfile::tempfile().unwrap();
    let report = build(&sources(layers), &file, options, &NoProgress).unwrap();
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    (bytes, report, file)
}

fn fails(layers: &[MemoryLayer], options: &BuildOptions) -> RootfsError {
    let file = tempfile::tempfile().unwrap();
    build(&sources(layers), &file, options, &NoProgress).unwrap_err()
}

#[test]
fn contents_end_up_in_the_tree_whatever_the_hints_say() {
    for hint in [None, Some(0), Some(1), Some(u64::MAX)] {
        for threads in [1, 4] {
            let layers: Vec<_> = layers().into_iter().map(|layer| layer.hint(hint)).collect();
            let file = tempfile::tempfile().unwrap();
            let spooled = spool(
                &sources(&layers),
                &file,
                &options(MIB, threads),
                &NoProgress,
            );
            let (tree, dropped) = spooled.unwrap();
            assert_eq!(dropped, 0);
            assert!(contents(&tree, &file) == expected());
        }
    }
}

#[test]
fn the_bytes_of_an_image_do_not_depend_on_the_threads() {
    // With honest hints; with hints that make every layer wait for those below; without space.
    for (hint, disk) in [(None, 64), (Some(Some(0)), 64), (None, 9)] {
        let layers: Vec<_> = layers()
            .into_iter()
            .map(|layer| match hint {
                Some(hint) => layer.hint(hint),
                None => layer,
            })
            .collect();
        let (first, report, _) = image(&layers, &options(disk * MIB, 1));
        assert_eq!(report.read_twice, disk == 9);
        for threads in [2, 3, 8, 8, 8] {
            let (other, _, _) = image(&layers, &options(disk * MIB, threads));
            assert!(first == other, "{hint:?} {disk} {threads}");
        }
    }
}

#[test]
fn the_bytes_of_an_image_do_not_depend_on_what_a_look_at_its_layers_tells() {
    let looked_at = |hint: Option<u64>| {
        let layers: Vec<_> = layers()
            .into_iter()
            .map(|layer| MemoryLayer {
                hint,
                is_announced: false,
                ..layer
            })
            .collect();
        image(&layers, &options(64 * MIB, 2)).0
    };
    // As layers are that have not come as a whole.
    let unknown = looked_at(None);
    for hint in [Some(0), Some(123_456), Some(u64::MAX)] {
        assert!(looked_at(hint) == unknown, "{hint:?}");
    }
}

#[test]
fn what_is_lost_leaves_no_trace_and_takes_no_space() {
    let lost = noise(1001, 1_500_000);
    let kept = noise(1002, 900_000);
    let middle = 100 * 4096..101 * 4096;
    for disk in [64, 9] {
        let (bytes, report, file) = image(&layers(), &options(disk * MIB, 2));
        let found = |wanted: &[u8]| bytes.chunks(4096).any(|block| block == wanted);
        assert!(found(&kept[middle.clone()]));
        assert!(!found(&lost[middle.clone()]));
        let stored = file.metadata().unwrap().blocks() * 512;
        assert!(stored < report.content_bytes + MIB, "{stored} {report:?}");
    }
}

#[test]
fn a_tight_disk_is_enough_when_the_result_fits() {
    let (tight, report, _) = image(&layers(), &options(9 * MIB, 2));
    assert!(report.read_twice);
    assert_eq!(tight.len() as u64, 9 * MIB);
    let (_, roomy, _) = image(&layers(), &options(64 * MIB, 2));
    assert!(!roomy.read_twice);
    assert_eq!(roomy.content_bytes, report.content_bytes);
    assert_eq!(roomy.nodes, report.nodes);
}

#[test]
fn contents_of_two_passes_are_right_too() {
    let layers = layers();
    let sources = sources(&layers);
    let file = tempfile::tempfile().unwrap();
    let options = options(9 * MIB, 2);
    let build = Build {
        layers: &sources,
        output: &file,
        options: &options,
        progress: &NoProgress,
        log_end: AtomicU64::new(1 << 40),
    };
    // Ranges of all sizes, so that files are torn apart.
    let ranges: Ranges = (1..4000)
        .map(|number| number * 16384..number * 16384 + 4096 * (1 + number % 3))
        .collect();
    let (tree, _) = build.contents_in_two_passes(ranges).unwrap();
    assert!(contents(&tree, &file) == expected());
}

#[test]
fn too_small_a_disk_is_told_what_it_takes() {
    let error = fails(&layers(), &options(4 * MIB, 2));
    let RootfsError::DoesNotFit { needed_bytes, .. } = error else {
        panic!("{error}");
    };
    let message = error.to_string();
    assert!(message.contains("a disk of 4 MiB"), "{message}");
    assert!(message.contains(&format!("at least {} MiB", needed_bytes / MIB)));
    // It really is enough, or nearly so.
    let (_, report, _) = image(&layers(), &options(needed_bytes + MIB, 2));
    assert!(report.read_twice);
}

#[test]
fn an_image_without_layers_is_an_empty_filesystem() {
    let (_, report, _) = image(&[], &options(8 * MIB, 2));
    assert_eq!((report.nodes, report.content_bytes), (1, 0));
    let empty = MemoryLayer::new("empty", vec![]);
    let (_, report, _) = image(&[empty], &options(8 * MIB, 2));
    assert_eq!(report.nodes, 1);
}

#[test]
fn whatever_follows_the_end_of_the_archive_is_hashed_too() {
    let mut bytes = Archive::new().file("a", "x").end();
    bytes.resize(bytes.len() + 300_000, b'g');
    let good = MemoryLayer::new("layer", bytes);
    image(std::slice::from_ref(&good), &options(8 * MIB, 1));

    let mut bad = good;
    *bad.bytes.last_mut().unwrap() = b'h';
    let error = fails(&[bad], &options(8 * MIB, 1));
    assert!(matches!(error, RootfsError::DiffId { .. }), "{error}");
    assert!(error.to_string().contains("layer layer"), "{error}");
}

/// The failing layer is named, however far the others are, and nobody waits for ever.
#[test]
fn one_bad_layer_stops_the_build() {
    type Spoil = fn(&mut MemoryLayer);
    let ways: [(&str, Spoil); 4] = [
        ("open", |layer| layer.opens = false),
        ("read", |layer| layer.fails_at = Some(layer.bytes.len())),
        ("cut", |layer| {
            layer.bytes.truncate(3000);
            layer.bytes.truncate(layer.bytes.len() - 100);
        }),
        ("diff_id", |layer| layer.diff_id = [0; 32]),
    ];
    for (way, spoil) in ways {
        for bad in 0..4 {
            for hint in [Some(0), None] {
                let mut layers: Vec<_> = layers().into_iter().map(|l| l.hint(hint)).collect();
                spoil(&mut layers[bad]);
                let name = layers[bad].name.clone();
                let error = fails(&layers, &options(64 * MIB, 4));
                let layer = match &error {
                    RootfsError::OpenLayer { layer, .. } if way == "open" => layer,
                    RootfsError::ReadLayer { layer, .. } if way == "read" => layer,
                    RootfsError::Layer { layer, .. } if way == "cut" => layer,
                    RootfsError::DiffId { layer, .. } if matches!(way, "diff_id" | "cut") => layer,
                    other => panic!("{way} {bad}: {other}"),
                };
                assert_eq!(*layer, name, "{way}");
            }
        }
    }
}

#[test]
fn limits_of_the_whole_image_count_over_all_layers() {
    let table = [
        (
            Limit::Entries,
            Limits {
                entries: 900,
                ..Limits::default()
            },
        ),
        (
            Limit::TotalBytes,
            Limits {
                total_bytes: 6_000_000,
                ..Limits::default()
            },
        ),
        (
            Limit::MetadataBytes,
            Limits {
                metadata_bytes: 500,
                ..Limits::default()
            },
        ),
    ];
    for (limit, limits) in table {
        let options = BuildOptions {
            limits,
            ..options(64 * MIB, 3)
        };
        match fails(&layers(), &options) {
            RootfsError::Layer {
                source: LayerError::Limit(error),
                ..
            } => assert_eq!(error.limit, limit),
            other => panic!("{limit:?}: {other}"),
        }
    }
    let limits = Limits {
        layers: 3,
        ..Limits::default()
    };
    let options = BuildOptions {
        limits,
        ..options(64 * MIB, 3)
    };
    let error = fails(&layers(), &options).to_string();
    assert!(error.contains("layers of an image"), "{error}");
}

/// A layer with nothing in it but what follows the end of the archive.
#[test]
fn a_bomb_behind_the_archive_is_noticed() {
    let mut bytes = Archive::new().file("a", "x").end();
    bytes.resize(3_000_000, 0);
    let options = BuildOptions {
        limits: Limits {
            expansion_allowance: 1_000_000,
            expansion_ratio: 2,
            ..Limits::default()
        },
        ..options(8 * MIB, 1)
    };
    let error = fails(&[MemoryLayer::new("bomb", bytes)], &options);
    match error {
        RootfsError::Layer {
            layer,
            source: LayerError::Limit(error),
        } => {
            assert_eq!(layer, "bomb");
            assert_eq!(error.limit, Limit::ExpansionRatio);
        }
        other => panic!("{other}"),
    }
}

/// Writes down what it hears, and cancels after some bytes.
#[derive(Default)]
struct Recorder {
    steps: Mutex<Vec<Step>>,
    bytes: AtomicU64,
    cancel_after: Option<u64>,
}

impl Progress for Recorder {
    fn step(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
    }

    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.cancel_after.is_some_and(|limit| bytes > limit)
    }
}

#[test]
fn progress_tells_steps_and_bytes() {
    let layers = layers();
    let total: u64 = layers.iter().map(|layer| layer.bytes.len() as u64).sum();
    let recorder = Recorder::default();
    let file = tempfile::tempfile().unwrap();
    build(&sources(&layers), &file, &options(64 * MIB, 2), &recorder).unwrap();
    assert_eq!(
        *recorder.steps.lock().unwrap(),
        [Step::Read { bytes: total }, Step::Merge, Step::Write]
    );
    assert_eq!(recorder.bytes.into_inner(), total);
}

#[test]
fn it_can_be_cancelled_at_any_time() {
    for cancel_after in [0, 1_000_000, 5_000_000] {
        let recorder = Recorder {
            cancel_after: Some(cancel_after),
            ..Recorder::default()
        };
        let file = tempfile::tempfile().unwrap();
        let layers = layers();
        let error = build(&sources(&layers), &file, &options(64 * MIB, 2), &recorder);
        let error = error.unwrap_err();
        assert!(matches!(error, RootfsError::Cancelled), "{error}");
        // Nearly at once: within the buffers that are on their way.
        assert!(recorder.bytes.into_inner() <= cancel_after + 4 * 128 * 1024);
    }
}

/// Where holes can not be punched, zeroes are written.
#[test]
fn zeroes_where_there_are_no_holes() {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&vec![1; 300_000], 0).unwrap();
    punch::zero(&file, 4096..262_144).unwrap();
    let mut bytes = vec![0; 300_000];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes[..4096].iter().all(|&byte| byte == 1));
    assert!(bytes[4096..262_144].iter().all(|&byte| byte == 0));
    assert!(bytes[262_144..].iter().all(|&byte| byte == 1));
}

#[test]
fn layers_that_take_much_memory_are_read_one_by_one() {
    let threads = |takes: &[u64]| {
        let layers: Vec<_> = takes
            .iter()
            .map(|&bytes| MemoryLayer {
                memory_bytes: bytes,
                ..MemoryLayer::new("layer", Vec::new())
            })
            .collect();
        let output = tempfile::tempfile().unwrap();
        let options = BuildOptions {
            parallel_layers: NonZeroUsize::new(4),
            ..BuildOptions::new(64 * MIB)
        };
        Build {
            layers: &sources(&layers),
            output: &output,
            options: &options,
            progress: &NoProgress,
            log_end: AtomicU64::new(0),
        }
        .threads()
    };
    assert_eq!(threads(&[0; 10]), 4, "as asked for");
    assert_eq!(threads(&[8 * MIB; 10]), 4);
    assert_eq!(threads(&[16 * MIB; 10]), 2);
    assert_eq!(
        threads(&[0, 16 * MIB, 8 * MIB, 16 * MIB, 8 * MIB]),
        2,
        "the largest meet"
    );
    assert_eq!(threads(&[32 * MIB, MIB]), 1);
    assert_eq!(threads(&[u64::MAX, u64::MAX]), 1, "one is read in any case");
}
