use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

static LOG: AtomicU64 = AtomicU64::new(0);

const B: u64 = BLOCK_SIZE;

/// Hands out the given runs.
struct Runs(VecDeque<Run>);

impl Placement for Runs {
    fn next_run(&mut self, _done: u64) -> Result<Run, ReadError> {
        self.0.pop_front().ok_or(ReadError::Full)
    }
}

fn runs(stretches: &[(u64, u64)]) -> Runs {
    Runs(
        stretches
            .iter()
            .map(|&(start, length)| Run {
                position: start * B,
                length: length * B,
                is_stored: true,
            })
            .collect(),
    )
}

fn read(file: &File, segment: Segment) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(segment.length).unwrap()];
    file.read_exact_at(&mut bytes, segment.position).unwrap();
    bytes
}

/// Contents with no two equal blocks.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|at| (seed.wrapping_mul(31) ^ at ^ (at >> 8)).to_le_bytes()[0] | 1)
        .collect()
}

#[test]
fn small_files_start_on_blocks_of_their_own() {
    let file = tempfile::tempfile().unwrap();
    let mut writer = ContentWriter::new(&file, runs(&[(2, 100)]), &LOG);
    let mut all = Vec::new();
    let lengths = [1, 4096, 0, 4097, 100];
    for (seed, &length) in lengths.iter().enumerate() {
        let mut segments = Vec::new();
        if length > 0 {
            writer.write(0, &bytes(seed as u64, length)).unwrap();
        }
        writer.end_file(&mut segments).unwrap();
        all.push(segments);
    }
    let (_, rest) = writer.finish().unwrap();
    let positions: Vec<_> = all
        .iter()
        .map(|segments| segments.first().map(|segment| segment.position / B))
        .collect();
    assert_eq!(positions, [Some(2), Some(3), None, Some(4), Some(6)]);
    assert_eq!((rest.position, rest.length), (7 * B, 95 * B));
    for (seed, (segments, &length)) in all.iter().zip(&lengths).enumerate() {
        for &segment in segments {
            assert_eq!(read(&file, segment), bytes(seed as u64, length));
        }
    }
    assert_eq!(file.metadata().unwrap().len(), 7 * B);
}

#[test]
fn holes_of_whole_blocks_are_not_stored() {
    let file = tempfile::tempfile().unwrap();
    let mut writer = ContentWriter::new(&file, runs(&[(0, 100)]), &LOG);
    let mut segments = Vec::new();
    // A hole inside the first block, one up to the next block, a large one.
    for (offset, length) in [(10, 5), (20, 3), (B + 1, 1), (100 * B + 7, 5000)] {
        writer.write(offset, &bytes(offset, length)).unwrap();
    }
    writer.end_file(&mut segments).unwrap();
    writer.finish().unwrap();
    let segment = |offset, position, length| Segment {
        offset,
        position,
        length,
    };
    assert_eq!(
        segments,
        [
            segment(0, 0, 23),
            segment(B, B, 2),
            segment(100 * B, 2 * B, 5007),
        ]
    );
    let first = read(&file, segments[0]);
    assert_eq!(first[..10], [0; 10]);
    assert_eq!(first[10..15], bytes(10, 5));
    assert_eq!(first[15..20], [0; 5]);
    assert_eq!(first[20..], bytes(20, 3));
    assert_eq!(read(&file, segments[2])[7..], bytes(100 * B + 7, 5000));
    assert_eq!(file.metadata().unwrap().len(), 4 * B);
}

#[test]
fn what_is_not_stored_is_only_counted() {
    let file = tempfile::tempfile().unwrap();
    let run = Run {
        position: 1 << 40,
        length: 100 * B,
        is_stored: false,
    };
    let mut writer = ContentWriter::new(&file, Runs(VecDeque::from([run])), &LOG);
    let mut segments = Vec::new();
    writer.write(0, &bytes(0, 200_000)).unwrap();
    writer.end_file(&mut segments).unwrap();
    let (_, rest) = writer.finish().unwrap();
    assert_eq!(segments.len(), 1);
    assert_eq!(segments[0].position, 1 << 40);
    assert_eq!(rest.length, 51 * B);
    assert_eq!(file.metadata().unwrap().len(), 0);
}

#[test]
fn a_failing_placement_is_passed_on() {
    let file = tempfile::tempfile().unwrap();
    let mut writer = ContentWriter::new(&file, runs(&[(0, 1)]), &LOG);
    writer.write(0, &bytes(0, 4096)).unwrap();
    let error = writer.write(4096, b"x").unwrap_err();
    assert!(matches!(error, ReadError::Full));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever the sizes of files, pieces and runs: every byte is where its segment says.
    #[test]
    fn contents_arrive_in_their_segments(
        files in proptest::collection::vec((0..300_000usize, 1..200_000usize), 1..12),
        stretches in proptest::collection::vec(1..200u64, 1..12),
    ) {
        let mut at = 1;
        let mut places = Vec::new();
        for length in stretches {
            places.push((at, length));
            at += length + 1;
        }
        places.push((at, 1 << 20));
        let file = tempfile::tempfile().unwrap();
        let mut writer = ContentWriter::new(&file, runs(&places), &LOG);
        let mut stored = Vec::new();
        for (seed, &(length, piece)) in files.iter().enumerate() {
            let contents = bytes(seed as u64, length);
            let mut offset = 0;
            for piece in contents.chunks(piece) {
                writer.write(offset, piece).unwrap();
                offset += piece.len() as u64;
            }
            let mut segments = Vec::new();
            writer.end_file(&mut segments).unwrap();
            stored.push((contents, segments));
        }
        writer.finish().unwrap();
        let mut used = Vec::new();
        for (contents, segments) in stored {
            let mut found = Vec::new();
            for segment in segments {
                prop_assert_eq!(segment.offset, found.len() as u64);
                prop_assert_eq!(segment.offset % B, 0);
                prop_assert_eq!(segment.position % B, 0);
                found.extend(read(&file, segment));
                let end = (segment.position + segment.length).next_multiple_of(B);
                let place = places.iter().find(|(start, length)| {
                    segment.position >= start * B && end <= (start + length) * B
                });
                prop_assert!(place.is_some());
                let padding = Segment {
                    offset: 0,
                    position: segment.position + segment.length,
                    length: end - segment.position - segment.length,
                };
                prop_assert!(read(&file, padding).iter().all(|&byte| byte == 0));
                used.push(segment.position..end);
            }
            prop_assert_eq!(found, contents);
        }
        used.sort_by_key(|range| range.start);
        prop_assert!(used.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
}
