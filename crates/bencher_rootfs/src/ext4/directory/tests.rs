use std::collections::BTreeMap;
use std::convert::Infallible;

use super::super::hash::half_md4;
use super::index::leaves_per_node;
use super::*;

const SEED: [u32; 4] = [1, 2, 3, 4];

fn names(count: u32, length: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| format!("{number:0>length$}").into_bytes())
        .collect()
}

fn plan(names: &[Vec<u8>]) -> Result<Directory<'_>, TooLarge> {
    let entries = (100..)
        .zip(names)
        .map(|(inode, name)| Entry {
            name,
            inode,
            kind: 1,
        })
        .collect();
    Directory::plan(12, 2, entries, SEED)
}

fn blocks(directory: &Directory<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let built = directory.build(Checksum::START, |block| {
        blocks.push(*block);
        Ok::<_, Infallible>(())
    });
    built.unwrap();
    assert_eq!(blocks.len() as u64, directory.blocks());
    blocks
}

fn u16_at(block: &Block, at: usize) -> usize {
    usize::from(u16::from_le_bytes([block[at], block[at + 1]]))
}

fn u32_at(block: &Block, at: usize) -> u32 {
    u32::from_le_bytes(block[at..at + 4].try_into().unwrap())
}

/// The names in a leaf, whose entries must cover it.
fn read_leaf(block: &Block) -> Vec<(Vec<u8>, u32)> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < TAIL {
        let name = &block[at + 8..][..usize::from(block[at + 6])];
        names.push((name.to_vec(), u32_at(block, at)));
        at += u16_at(block, at + 4);
    }
    assert_eq!(at, TAIL);
    names
}

/// The children of an index block: hash and block.
fn read_index(block: &Block, start: usize, limit: usize) -> Vec<(u32, usize)> {
    assert_eq!(u16_at(block, start), limit);
    (0..u16_at(block, start + 2))
        .map(|number| {
            let at = start + 8 * number;
            let hash = if number == 0 { 0 } else { u32_at(block, at) };
            (hash, u32_at(block, at + 4) as usize)
        })
        .collect()
}

/// Looks every name up through the index, as the kernel does.
fn check_index(names: &[Vec<u8>], blocks: &[Block]) {
    let levels = blocks[0][INFO_LEVELS];
    let root = read_index(&blocks[0], 32, 507);
    let leaves: Vec<(u32, usize)> = if levels == 0 {
        root
    } else {
        root.iter()
            .flat_map(|&(hash, node)| {
                let mut leaves = read_index(&blocks[node], 8, 510);
                leaves[0].0 = hash;
                leaves
            })
            .collect()
    };
    assert!(leaves.is_sorted());
    let mut found = BTreeMap::new();
    for (number, &(_, leaf)) in leaves.iter().enumerate() {
        for (name, inode) in read_leaf(&blocks[leaf]) {
            let hash = half_md4(&name, SEED).major;
            assert!(hash >= leaves[number].0 & !1);
            if let Some(next) = leaves.get(number + 1) {
                assert!(hash < next.0 || (next.0 & 1 == 1 && hash == next.0 & !1));
            }
            assert!(found.insert(name, inode).is_none());
        }
    }
    assert!(found.into_iter().eq(names.iter().cloned().zip(100..)));
}

const INFO_LEVELS: usize = 30;

#[test]
fn one_block_holds_what_fits() {
    let empty = plan(&[]).unwrap();
    assert!(!empty.is_indexed());
    let dots = [(b".".to_vec(), 12), (b"..".to_vec(), 2)];
    assert_eq!(read_leaf(&blocks(&empty)[0]), dots);

    // 4084 bytes less 24 for the dots: 15 entries of 264 and one of 100.
    let mut full = names(15, 255);
    full.push(vec![b'x'; 92]);
    let directory = plan(&full).unwrap();
    assert!(!directory.is_indexed());
    assert_eq!(read_leaf(&blocks(&directory)[0]).len(), 18);

    full[15].push(b'x');
    assert!(plan(&full).unwrap().is_indexed());
}

#[test]
fn the_index_finds_every_name() {
    for (count, length, levels) in [(16, 255, 0), (20_000, 12, 0), (20_000, 255, 1)] {
        let names = names(count, length);
        let blocks = blocks(&plan(&names).unwrap());
        assert_eq!(blocks[0][INFO_LEVELS], levels);
        check_index(&names, &blocks);
    }
}

#[test]
fn names_of_equal_hash_can_fill_many_leaves() {
    let name = vec![b'x'; 255];
    let names = vec![name.clone(); 40];
    let blocks = blocks(&plan(&names).unwrap());
    let hash = half_md4(&name, SEED).major;
    let leaves = read_index(&blocks[0], 32, 507);
    assert_eq!(
        leaves,
        [(0, 1), (hash | 1, 2), (hash | 1, 3), (hash | 1, 4)]
    );
}

#[test]
fn two_levels_have_an_end() {
    assert_eq!(leaves_per_node(507), Ok(None));
    assert_eq!(leaves_per_node(508), Ok(Some(254)));
    assert_eq!(leaves_per_node(507 * 441), Ok(Some(441)));
    assert_eq!(leaves_per_node(507 * 510), Ok(Some(510)));
    assert_eq!(leaves_per_node(507 * 510 + 1), Err(TooLarge));
}
