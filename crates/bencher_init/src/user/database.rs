//! `/etc/passwd` and `/etc/group`, as images really have them: lines that make no sense are
//! skipped, as the C library does.

/// A line of `/etc/passwd` (see `passwd(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User<'a> {
    pub(super) name: &'a [u8],
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: &'a [u8],
}

/// A line of `/etc/group` (see `group(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub(super) name: &'a [u8],
    pub(super) gid: u32,
    members: &'a [u8],
}

impl Group<'_> {
    pub(super) fn has_member(&self, user: &[u8]) -> bool {
        self.members
            .split(|&byte| byte == b',')
            .any(|name| name == user)
    }
}

/// The users of a passwd file, in its order.
pub(super) fn users(passwd: &[u8]) -> impl Iterator<Item = User<'_>> {
    lines(passwd).filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let _password = fields.next()?;
        let uid = id(fields.next()?)?;
        let gid = id(fields.next()?)?;
        let _comment = fields.next();
        let home = fields.next().unwrap_or_default();
        Some(User {
            name,
            uid,
            gid,
            home,
        })
    })
}

/// The groups of a group file, in its order.
pub(super) fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(group).filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let _password = fields.next()?;
        let gid = id(fields.next()?)?;
        let members = fields.next().unwrap_or_default();
        Some(Group { name, gid, members })
    })
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
}

/// A user or group id. The highest number means "no id" to system calls.
pub(super) fn id(digits: &[u8]) -> Option<u32> {
    // `parse` would take a sign.
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let id = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (id != u32::MAX).then_some(id)
}
