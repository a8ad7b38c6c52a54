//! POSIX access control lists: from the text that archives carry to the kernel's xattr form.
//!
//! Text (`SCHILY.acl.access`, `SCHILY.acl.default`; acl(5), section "ACL TEXT FORMS"): entries
//! `tag:qualifier:permissions`, separated by commas or newlines. star and libarchive add the
//! numeric id as a fourth field where the qualifier is a name.
//!
//! Kernel (`include/uapi/linux/posix_acl_xattr.h`): version 2 as a little-endian `u32`, then per
//! entry tag (`u16`), permissions (`u16`) and id (`u32`), ordered by tag and id.

use super::number::decimal;

/// The extended attribute that holds the list that governs access.
pub(crate) const ACCESS_XATTR: &[u8] = b"system.posix_acl_access";
/// The extended attribute that holds the list that new entries of a directory get.
pub(crate) const DEFAULT_XATTR: &[u8] = b"system.posix_acl_default";

const VERSION: u32 = 2;
const UNDEFINED_ID: u32 = u32::MAX;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// The kernel's form of a list in text form.
pub(super) fn to_xattr(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut entries = text
        .split(|&byte| byte == b',' || byte == b'\n')
        .map(|line| line.split(|&byte| byte == b'#').next().unwrap_or_default())
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .map(entry)
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_unstable();
    let mut xattr = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        xattr.extend_from_slice(&tag.to_le_bytes());
        xattr.extend_from_slice(&permissions.to_le_bytes());
        xattr.extend_from_slice(&id.to_le_bytes());
    }
    Ok(xattr)
}

/// Tag, id and permissions of an entry: in this order they sort as the kernel wants them.
fn entry(line: &[u8]) -> Result<(u16, u32, u16), String> {
    let malformed = || format!("\"{}\" is not an entry", line.escape_ascii());
    let mut fields = line.split(|&byte| byte == b':').map(<[u8]>::trim_ascii);
    let tag = fields.next().unwrap_or_default();
    let (owner, named) = match tag {
        b"user" | b"u" => (USER_OBJ, USER),
        b"group" | b"g" => (GROUP_OBJ, GROUP),
        b"mask" | b"m" => (MASK, MASK),
        b"other" | b"o" => (OTHER, OTHER),
        _ => return Err(malformed()),
    };
    let second = fields.next().ok_or_else(malformed)?;
    let (qualifier, bits) = match fields.next() {
        Some(third) => (second, third),
        // Solaris leaves the empty field out where there is never a qualifier.
        None if owner == named => (&b""[..], second),
        None => return Err(malformed()),
    };
    let permissions = permissions(bits).ok_or_else(malformed)?;
    if qualifier.is_empty() {
        return Ok((owner, UNDEFINED_ID, permissions));
    }
    if owner == named {
        return Err(malformed());
    }
    let id = match (fields.next().and_then(decimal), decimal(qualifier)) {
        (Some(id), _) | (None, Some(id)) => u32::try_from(id).map_err(|_| malformed())?,
        (None, None) if qualifier == b"root" => 0,
        (None, None) => {
            return Err(format!(
                "it names \"{}\", which means nothing without the machine that the archive was \
                 made on: write numeric ids",
                qualifier.escape_ascii()
            ));
        }
    };
    Ok((named, id, permissions))
}

fn permissions(bits: &[u8]) -> Option<u16> {
    let mut permissions = 0;
    for &bit in bits {
        permissions |= match bit {
            b'r' => 4,
            b'w' => 2,
            b'x' => 1,
            b'-' => 0,
            _ => return None,
        };
    }
    Some(permissions)
}

/// The permission bits that go with an access list in the kernel's form; nothing if it is none.
///
/// The group's bits stand for the mask, if there is one: that is what the kernel makes of them when
/// a list is set. (libarchive records the group's own permissions in the header instead.)
pub(crate) fn permission_bits(xattr: &[u8]) -> Option<u16> {
    let (version, list) = xattr.split_first_chunk::<4>()?;
    let (entries, rest) = list.as_chunks::<8>();
    if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() {
        return None;
    }
    let find = |wanted: u16| {
        entries.iter().find_map(|&[t0, t1, p0, p1, ..]| {
            let permissions = u16::from_le_bytes([p0, p1]);
            (u16::from_le_bytes([t0, t1]) == wanted && permissions <= 7).then_some(permissions)
        })
    };
    let group = find(MASK).or(find(GROUP_OBJ))?;
    Some(find(USER_OBJ)? << 6 | group << 3 | find(OTHER)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xattr(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0];
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn every_spelling_gives_the_kernels_form() {
        let expected = xattr(&[
            (USER_OBJ, 6, UNDEFINED_ID),
            (USER, 6, 1),
            (GROUP_OBJ, 4, UNDEFINED_ID),
            (GROUP, 4, 70_000),
            (MASK, 6, UNDEFINED_ID),
            (OTHER, 4, UNDEFINED_ID),
        ]);
        let spellings: [&[u8]; 4] = [
            b"user::rw-\nuser:1:rw-\ngroup::r--\ngroup:70000:r--\nmask::rw-\nother::r--\n",
            b"user::rw-,group::r--,other::r--,user:daemon:rw-:1,group:lab:r--:70000,mask::rw-",
            b"u::rw,u:1:rw,g::r,g:70000:r,m:rw-,o:r--",
            b" user::rw- , user:1:rwx-\t#effective:rw-\n",
        ];
        for spelling in &spellings[..3] {
            assert_eq!(to_xattr(spelling).unwrap(), expected);
        }
        assert_eq!(
            to_xattr(spellings[3]).unwrap(),
            xattr(&[(USER_OBJ, 6, UNDEFINED_ID), (USER, 7, 1)])
        );
        assert_eq!(to_xattr(b"user:root:r").unwrap(), xattr(&[(USER, 4, 0)]));
    }

    #[test]
    fn permission_bits_follow_the_list() {
        let bits = |text: &[u8]| permission_bits(&to_xattr(text).unwrap());
        assert_eq!(bits(b"u::rwx,g::r-x,o::--x"), Some(0o751));
        assert_eq!(bits(b"u::rw-,u:5:rwx,g::r--,m::rwx,o::r--"), Some(0o674));
        assert_eq!(bits(b"u::rw-,g::r--"), None);
        for bad in [&b""[..], b"\x02\0\0", b"\x01\0\0\0", b"\x02\0\0\0\x01"] {
            assert_eq!(permission_bits(bad), None);
        }
    }

    #[test]
    fn malformed_lists_are_refused_with_the_entry() {
        for bad in [
            "user",
            "user:rwx",
            "user::rwz",
            "who::rwx",
            "mask:5:rwx",
            "user:4294967296:r",
            "user:lisa:rwx",
        ] {
            let error = to_xattr(bad.as_bytes()).unwrap_err();
            let named = bad.split(':').next().unwrap();
            assert!(
                error.contains(named) || error.contains("lisa"),
                "{bad}: {error}"
            );
        }
    }
}
