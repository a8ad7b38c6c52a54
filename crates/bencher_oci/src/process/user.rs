//! `User`: who runs the command. Names are looked up in the image's own files, by the guest.

use std::fmt;
use std::str::FromStr;

use crate::Excerpt;

/// A user or a group: an id, or a name still to be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Written in digits. A user database may still have an entry with such a name, and then it
    /// is a name: who looks it up tries that first, as Docker does.
    Id(u32),
    /// A name.
    Name(String),
}

/// `user[:group]`, each a name or an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserSpec {
    /// The user; an empty text is id 0.
    pub user: Principal,
    /// The group. `None`: the user's own according to the user database, else 0.
    pub group: Option<Principal>,
}

/// Why a text is not a [`UserSpec`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserSpecError {
    /// More than one colon.
    #[error("user {0} has more than one colon: expected USER or USER:GROUP")]
    Colons(Excerpt),
    /// An id that is no id.
    #[error("{0} is not a user or group id: ids go from 0 to 4294967294")]
    Id(Excerpt),
    /// A character that no user database can hold.
    #[error("user {0} has a control character")]
    Control(Excerpt),
}

impl FromStr for UserSpec {
    type Err = UserSpecError;

    fn from_str(text: &str) -> Result<Self, UserSpecError> {
        if text.chars().any(char::is_control) {
            return Err(UserSpecError::Control(Excerpt::new(text)));
        }
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        if group.contains(':') {
            return Err(UserSpecError::Colons(Excerpt::new(text)));
        }
        Ok(Self {
            user: principal(user)?.unwrap_or(Principal::Id(0)),
            group: principal(group)?,
        })
    }
}

/// `None` for an empty text.
fn principal(text: &str) -> Result<Option<Principal>, UserSpecError> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok(Some(Principal::Name(text.to_owned())));
    }
    match text.parse() {
        // The kernel takes the greatest number as "leave it as it is".
        Ok(id) if id != u32::MAX => Ok(Some(Principal::Id(id))),
        _ => Err(UserSpecError::Id(Excerpt::new(text))),
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for UserSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.user.fmt(f)?;
        match &self.group {
            Some(group) => write!(f, ":{group}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn users() {
        let name = |name: &str| Principal::Name(name.to_owned());
        for (text, user, group) in [
            ("", Principal::Id(0), None),
            (":", Principal::Id(0), None),
            ("root", name("root"), None),
            ("root:", name("root"), None),
            ("1000", Principal::Id(1000), None),
            ("1000:0", Principal::Id(1000), Some(Principal::Id(0))),
            ("app:staff", name("app"), Some(name("staff"))),
            (":staff", Principal::Id(0), Some(name("staff"))),
            (
                "4294967294:70000",
                Principal::Id(4_294_967_294),
                Some(Principal::Id(70_000)),
            ),
            ("-1", name("-1"), None),
            ("domain\\user", name("domain\\user"), None),
        ] {
            assert_eq!(
                text.parse::<UserSpec>().unwrap(),
                UserSpec { user, group },
                "{text}"
            );
        }
    }

    #[test]
    fn bad_users() {
        for (text, message) in [
            (
                "a:b:c",
                "user `a:b:c` has more than one colon: expected USER or USER:GROUP",
            ),
            (
                "4294967295",
                "`4294967295` is not a user or group id: ids go from 0 to 4294967294",
            ),
            (
                "0:99999999999999999999",
                "`99999999999999999999` is not a user or group id: ids go from 0 to 4294967294",
            ),
            ("a\nroot", "user `a\\nroot` has a control character"),
        ] {
            assert_eq!(text.parse::<UserSpec>().unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(text in "[a-z0-9]{0,6}(:[a-z0-9]{0,6})?") {
            let spec: UserSpec = text.parse().unwrap();
            prop_assert_eq!(spec.to_string().parse::<UserSpec>().unwrap(), spec);
        }
    }
}
