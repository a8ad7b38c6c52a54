//! Contents of files.

use bencher_rootfs::tree::{Kind, Segment, TreeBuilder};

use crate::compare::verify;
use crate::image::{Contents, Image};
use crate::model::{Item, Piece, model, node};
use crate::oracle::{check, debugfs};

const BLOCK: u64 = 4096;

#[test]
fn lengths_around_blocks() {
    let mut model = model([]);
    for length in [0, 1, 4095, 4096, 4097, 8192, 1_048_576, 1_048_577] {
        model.insert(length.to_string().into_bytes(), Item::file(length));
    }
    verify(&Image::build(16 << 20, &model), &model);
}

#[test]
fn a_file_longer_than_an_extent_and_a_group() {
    let length = (300 << 20) + 5;
    let model = model([("large", Item::file(length))]);
    let image = Image::build(512 << 20, &model);
    verify(&image, &model);
    // Cut by the superblocks at the starts of groups 1 and 3, and not otherwise.
    let extents = debugfs(image.path(), "extents /large");
    assert_eq!(extents.lines().count(), 1 + 3, "{extents}");
}

#[test]
fn holes_everywhere() {
    let mut model = model([
        ("only a hole", Item::sparse(10 << 20, vec![])),
        ("not even a block", Item::sparse(1, vec![])),
        (
            "at the start",
            Item::sparse(1 << 20, vec![Piece::new((1 << 20) - BLOCK, 4096, 1)]),
        ),
        (
            "at the end",
            Item::sparse(1 << 20, vec![Piece::new(0, 4096, 2)]),
        ),
        (
            "in the middle",
            Item::sparse(
                100 * BLOCK + 7,
                vec![
                    Piece::new(0, 5000, 3),
                    Piece::new(2 * BLOCK, 10, 4),
                    Piece::new(4 * BLOCK, 4096, 5),
                    Piece::new(5 * BLOCK, 4097, 6),
                    Piece::new(100 * BLOCK, 7, 7),
                ],
            ),
        ),
    ]);
    let most = u64::from(u32::MAX) * BLOCK;
    let end = vec![Piece::new(0, 1, 8), Piece::new(most - BLOCK, 4096, 9)];
    model.insert(b"as large as can be".to_vec(), Item::sparse(most, end));
    verify(&Image::build(16 << 20, &model), &model);
}

/// Files in pieces that do not touch on the disk, so each is an extent.
#[test]
fn extent_trees_of_all_depths() {
    for (extents, depth) in [
        (4_u64, 0),
        (5, 1),
        (340, 1),
        (1360, 1),
        (1361, 2),
        (3000, 2),
    ] {
        let pieces = (0..extents)
            .map(|piece| Piece::new(2 * piece * BLOCK, 4096, piece))
            .collect();
        let model = model([("scattered", Item::sparse(2 * extents * BLOCK, pieces))]);
        let image = Image::try_build_with_gaps(64 << 20, &model, 1).unwrap();
        verify(&image, &model);
        let shown = debugfs(image.path(), "extents /scattered");
        let deepest = format!("{depth}/ {depth}");
        assert!(shown.contains(&deepest), "{extents} extents:\n{shown}");
    }
}

/// More extents than two levels hold: contents that were never written read as zeroes.
#[test]
fn an_extent_tree_of_three_levels() {
    let extents = 4 * 340 * 340 + 1;
    let contents = Contents::new(11 << 30, 0).unwrap();
    // Every second block; groups 50 to 80 have no superblocks in between.
    let start = 50 << 27;
    let segments: Vec<Segment> = (0..extents)
        .map(|number| Segment {
            offset: number * BLOCK,
            position: start + 2 * number * BLOCK,
            length: BLOCK,
        })
        .collect();
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let size = extents * BLOCK;
    let root = builder.root();
    builder
        .add_file(root, b"scattered", node(Kind::File { size }), &segments)
        .unwrap();
    let image = contents.finish(&builder.finish()).unwrap();
    check(image.path());
    let shown = debugfs(image.path(), "stat /scattered");
    let blocks = 8 * (extents + 1361 + 5 + 1);
    assert!(
        shown.contains(&format!("Blockcount: {blocks}")),
        "{}",
        &shown[..600]
    );
}
