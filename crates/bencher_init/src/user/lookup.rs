//! From `user[:group]` to ids, with the rules of container engines.

use thiserror::Error;

use super::database::{groups, id, users};

/// Who a process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups, without duplicates.
    pub(crate) groups: Vec<u32>,
    /// The home folder, `/` when the image tells none.
    pub(crate) home: Vec<u8>,
}

/// What is wrong with a `user[:group]`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No such name.
    #[error(
        "the image's /etc/passwd has no user {0:?}: name one that it has, or a number from 0 to \
         4294967294"
    )]
    NoUser(String),
    /// No such name.
    #[error(
        "the image's /etc/group has no group {0:?}: name one that it has, or a number from 0 to \
         4294967294"
    )]
    NoGroup(String),
    /// One of the files can not be read.
    #[error("the image's {path} can not be read: {reason}")]
    Unreadable {
        /// The file.
        path: &'static str,
        /// Why.
        reason: String,
    },
}

/// The most supplementary groups that a process can have (`NGROUPS_MAX`).
const GROUPS_LIMIT: usize = 65536;

/// Looks `wanted` up as container engines do.
///
/// - The user is the first line of `passwd` that has it as a name or as an id; a number needs no
///   line. An empty one is root.
/// - Without a group, the group is that of the user's line (0 without a line), and the groups
///   that list the user's name are supplementary.
/// - With a group, it is the first line of `group` that has it as a name or as an id (a number
///   needs no line), and there are no supplementary groups.
pub(crate) fn look_up(wanted: &str, passwd: &[u8], group: &[u8]) -> Result<Account, LookupError> {
    let (user, wanted_group) = wanted.split_once(':').unwrap_or((wanted, ""));
    let user = if user.is_empty() { "0" } else { user };
    let number = id(user.as_bytes());
    let entry = users(passwd).find(|entry| {
        entry.name == user.as_bytes() || (number.is_some() && Some(entry.uid) == number)
    });
    let uid = entry
        .map(|entry| entry.uid)
        .or(number)
        .ok_or_else(|| LookupError::NoUser(user.to_owned()))?;
    let home = entry
        .map(|entry| entry.home)
        .filter(|home| !home.is_empty())
        .unwrap_or(b"/")
        .to_vec();
    let mut account = Account {
        uid,
        gid: entry.map_or(0, |entry| entry.gid),
        groups: Vec::new(),
        home,
    };
    if !wanted_group.is_empty() {
        let number = id(wanted_group.as_bytes());
        account.gid = groups(group)
            .find(|entry| {
                entry.name == wanted_group.as_bytes()
                    || (number.is_some() && Some(entry.gid) == number)
            })
            .map(|entry| entry.gid)
            .or(number)
            .ok_or_else(|| LookupError::NoGroup(wanted_group.to_owned()))?;
    } else if let Some(entry) = entry {
        account.groups = groups(group)
            .filter(|group| group.has_member(entry.name))
            .map(|group| group.gid)
            .collect();
        account.groups.sort_unstable();
        account.groups.dedup();
        account.groups.truncate(GROUPS_LIMIT);
    }
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        # a comment: with: colons:1:2\n\
        broken line\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
        :x:5:5::/:\n\
        negative:x:-1:5::/:\n\
        huge:x:4294967295:5::/:\n\
        app:x:1000:1001:App,,,:/home/app:/bin/sh\r\n\
        short:x:7:8\n\
        1234:x:77:78::/numeric:\n\
        app:x:9:9:second:/second:\n\
        caf\xc3\xa9:x:100000:100001::/home/cafe:";
    const GROUP: &[u8] = b"root:x:0:\n\
        audio:x:29:app,other\n\
        video:x:44:other,app\n\
        apple:x:45:apple\n\
        again:x:29:app\n\
        app:x:1001:\n\
        bad\n\
        huge:x:99999999999:app\n";

    fn account(uid: u32, gid: u32, groups: &[u32], home: &str) -> Account {
        Account {
            uid,
            gid,
            groups: groups.to_vec(),
            home: home.into(),
        }
    }

    #[test]
    fn users_and_groups_are_found_like_container_engines_do() {
        let cases = [
            ("", account(0, 0, &[], "/root")),
            ("root", account(0, 0, &[], "/root")),
            ("0", account(0, 0, &[], "/root")),
            (":audio", account(0, 29, &[], "/root")),
            ("app", account(1000, 1001, &[29, 44], "/home/app")),
            ("app:", account(1000, 1001, &[29, 44], "/home/app")),
            ("1000", account(1000, 1001, &[29, 44], "/home/app")),
            ("app:audio", account(1000, 29, &[], "/home/app")),
            ("app:29", account(1000, 29, &[], "/home/app")),
            ("app:4242", account(1000, 4242, &[], "/home/app")),
            ("4242", account(4242, 0, &[], "/")),
            ("4242:4243", account(4242, 4243, &[], "/")),
            ("4294967294", account(4_294_967_294, 0, &[], "/")),
            ("short", account(7, 8, &[], "/")),
            // A name may look like a number.
            ("1234", account(77, 78, &[], "/numeric")),
            ("café", account(100_000, 100_001, &[], "/home/cafe")),
        ];
        for (wanted, expected) in cases {
            assert_eq!(look_up(wanted, PASSWD, GROUP), Ok(expected), "{wanted:?}");
        }
    }

    #[test]
    fn names_that_the_image_lacks_are_errors() {
        for wanted in [
            "ghost",
            "negative",
            "huge",
            "4294967295",
            "-1",
            "+5",
            "1e3",
            " app",
            "ghost:audio",
        ] {
            let name = wanted.split(':').next().unwrap_or_default();
            assert_eq!(
                look_up(wanted, PASSWD, GROUP),
                Err(LookupError::NoUser(name.to_owned())),
                "{wanted:?}"
            );
        }
        for wanted in ["app:ghost", "app:bad", "app:audio:video", "app:4294967295"] {
            assert!(
                matches!(look_up(wanted, PASSWD, GROUP), Err(LookupError::NoGroup(_))),
                "{wanted:?}"
            );
        }
    }

    #[test]
    fn an_image_without_the_files_still_takes_numbers() {
        assert_eq!(look_up("", b"", b""), Ok(account(0, 0, &[], "/")));
        assert_eq!(look_up("12:13", b"", b""), Ok(account(12, 13, &[], "/")));
        assert!(look_up("root", b"", b"").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            wanted in "[a-z0-9:]{0,8}",
            passwd in proptest::collection::vec(any::<u8>(), 0..400),
            group in "([a-z]{0,3}:x:[0-9]{0,4}:[a-z,]{0,8}\n){0,9}",
        ) {
            if let Ok(account) = look_up(&wanted, &passwd, group.as_bytes()) {
                prop_assert!(account.uid != u32::MAX && account.gid != u32::MAX);
                prop_assert!(account.groups.is_sorted());
            }
        }
    }
}
