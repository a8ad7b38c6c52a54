//! Access control lists: from the form that user space sees to the one on disk.
//!
//! An extended attribute `system.posix_acl_*` is, for user space, a version (2) and entries of 8
//! bytes (`include/uapi/linux/posix_acl_xattr.h`). ext4 stores a version of its own (1) and entries
//! of 4 bytes, with 4 more for the id where the tag needs one (`fs/ext4/acl.h`). Which entries make
//! a list is said in acl(5), section "Valid ACLs".

/// The name of the list that governs access.
pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";
/// The name of the list that new entries of a directory get.
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

const USER_VERSION: u32 = 2;
const DISK_VERSION: u32 = 1;

const USER_OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OWNER: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

#[derive(Clone, Copy)]
struct Entry {
    tag: u16,
    permissions: u16,
    id: u32,
}

/// The access list on disk of a node with these permission bits; nothing if the bits say it all.
///
/// Where the two contradict each other the bits win, as if they had been set last.
pub(super) fn access(value: &[u8], permissions: u16) -> Result<Option<Vec<u8>>, &'static str> {
    let mut entries = parse(value)?;
    if entries.len() <= 3 {
        return Ok(None);
    }
    let masked = entries.iter().any(|entry| entry.tag == MASK);
    for entry in &mut entries {
        let shift = match entry.tag {
            USER_OWNER => 6,
            MASK => 3,
            GROUP_OWNER if !masked => 3,
            OTHER => 0,
            _ => continue,
        };
        entry.permissions = (permissions >> shift) & 7;
    }
    Ok(Some(encode(&entries)))
}

/// The default list on disk; nothing if it is empty.
pub(super) fn default(value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let entries = parse(value)?;
    Ok((!entries.is_empty()).then(|| encode(&entries)))
}

/// The entries of a list, which is valid or has none.
fn parse(value: &[u8]) -> Result<Vec<Entry>, &'static str> {
    let (version, list) = value
        .split_first_chunk()
        .ok_or("it is shorter than its header")?;
    if u32::from_le_bytes(*version) != USER_VERSION {
        return Err("its version is not 2");
    }
    let (list, rest) = list.as_chunks::<8>();
    if !rest.is_empty() {
        return Err("it does not end with a whole entry");
    }
    let entries: Vec<Entry> = list
        .iter()
        .map(|&[t0, t1, p0, p1, i0, i1, i2, i3]| Entry {
            tag: u16::from_le_bytes([t0, t1]),
            permissions: u16::from_le_bytes([p0, p1]),
            id: u32::from_le_bytes([i0, i1, i2, i3]),
        })
        .collect();
    check(&entries)?;
    Ok(entries)
}

/// The entries must be ordered by tag; the three of the permission bits must be there once, and a
/// mask at most once, but always if there are entries with an id.
fn check(entries: &[Entry]) -> Result<(), &'static str> {
    if entries.is_empty() {
        return Ok(());
    }
    if entries.iter().any(|entry| entry.permissions > 7) {
        return Err("an entry has unknown permissions");
    }
    if !entries.is_sorted_by_key(|entry| entry.tag) {
        return Err("its entries are not ordered by tag");
    }
    let mut counts = [0_usize; 6];
    for entry in entries {
        if !entry.tag.is_power_of_two() || entry.tag > OTHER {
            return Err("an entry has an unknown tag");
        }
        if has_id(entry.tag) && entry.id == u32::MAX {
            return Err("an entry has no id");
        }
        counts[entry.tag.trailing_zeros() as usize] += 1;
    }
    let [owner, users, group, groups, masks, other] = counts;
    if (owner, group, other) != (1, 1, 1) {
        return Err("it needs one entry each for the owner, the group and others");
    }
    if masks > 1 || (users + groups > 0 && masks == 0) {
        return Err("it needs one mask");
    }
    Ok(())
}

fn has_id(tag: u16) -> bool {
    tag == USER || tag == GROUP
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut value = DISK_VERSION.to_le_bytes().to_vec();
    for entry in entries {
        value.extend(entry.tag.to_le_bytes());
        value.extend(entry.permissions.to_le_bytes());
        if has_id(entry.tag) {
            value.extend(entry.id.to_le_bytes());
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut value = vec![2, 0, 0, 0];
        for (tag, permissions, id) in entries {
            value.extend(tag.to_le_bytes());
            value.extend(permissions.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        value
    }

    const NO_ID: u32 = u32::MAX;

    #[test]
    fn lists_are_shortened_and_follow_the_mode() {
        let value = list(&[
            (USER_OWNER, 7, NO_ID),
            (USER, 6, 100_000),
            (GROUP_OWNER, 5, NO_ID),
            (GROUP, 4, 7),
            (MASK, 7, NO_ID),
            (OTHER, 1, NO_ID),
        ]);
        let expected = |owner, mask, other| {
            vec![
                1, 0, 0, 0, 1, 0, owner, 0, 2, 0, 6, 0, 0xA0, 0x86, 1, 0, 4, 0, 5, 0, 8, 0, 4, 0,
                7, 0, 0, 0, 16, 0, mask, 0, 32, 0, other, 0,
            ]
        };
        assert_eq!(access(&value, 0o771), Ok(Some(expected(7, 7, 1))));
        assert_eq!(access(&value, 0o4640), Ok(Some(expected(6, 4, 0))));
        assert_eq!(default(&value), Ok(Some(expected(7, 7, 1))));
    }

    #[test]
    fn a_list_that_says_what_the_mode_says_is_left_out() {
        let base = [(1, 6, NO_ID), (4, 4, NO_ID), (32, 4, NO_ID)];
        assert_eq!(access(&list(&base), 0o644), Ok(None));
        assert_eq!(access(&list(&[]), 0o644), Ok(None));
        assert_eq!(default(&list(&[])), Ok(None));
        let stored = vec![1, 0, 0, 0, 1, 0, 6, 0, 4, 0, 4, 0, 32, 0, 4, 0];
        assert_eq!(default(&list(&base)), Ok(Some(stored)));
    }

    #[test]
    fn invalid_lists_are_refused() {
        let broken: [&[(u16, u16, u32)]; 9] = [
            &[(1, 6, 0), (4, 4, 0)],
            &[(1, 6, 0), (1, 6, 0), (4, 4, 0), (32, 4, 0)],
            &[(4, 4, 0), (1, 6, 0), (32, 4, 0)],
            &[(1, 6, 0), (2, 6, 5), (4, 4, 0), (32, 4, 0)],
            &[(1, 6, 0), (4, 4, 0), (16, 4, 0), (16, 4, 0), (32, 4, 0)],
            &[(1, 8, 0), (4, 4, 0), (32, 4, 0)],
            &[(1, 6, 0), (4, 4, 0), (32, 4, 0), (64, 4, 0)],
            &[(1, 6, 0), (3, 6, 0), (4, 4, 0), (32, 4, 0)],
            &[(1, 6, 0), (2, 6, NO_ID), (4, 4, 0), (16, 4, 0), (32, 4, 0)],
        ];
        for entries in broken {
            assert!(default(&list(entries)).is_err(), "{entries:?}");
            assert!(access(&list(entries), 0o644).is_err(), "{entries:?}");
        }
        let mut long = list(&[(1, 6, 0), (4, 4, 0), (32, 4, 0)]);
        long.push(0);
        assert!(default(&long).is_err());
        assert!(default(&[2, 0]).is_err());
        assert!(default(&[1, 0, 0, 0]).is_err());
    }
}
