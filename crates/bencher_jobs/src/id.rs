//! Identifiers: UUIDs of version 7, so that their order is that of creation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the UUID of a {what}: copy it from the list of {what}s")]
pub struct IdError {
    text: String,
    what: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new one, greater than all made before on this machine.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The one with these bits.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Its bits.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the form that is written: other spellings would be other keys.
                Uuid::try_parse(text)
                    .ok()
                    .filter(|uuid| uuid.hyphenated().to_string() == text)
                    .map(Self)
                    .ok_or_else(|| IdError {
                        text: text.chars().take(64).collect(),
                        what: $what,
                    })
            }
        }
    )*};
}

ids! {
    /// A benchmark job.
    JobId, "job";
    /// A machine that runs jobs.
    RunnerId, "runner";
    /// What a machine must be to run a job.
    SpecId, "spec";
    /// Whose jobs they are.
    ProjectId, "project";
    /// Jobs that are compared with each other.
    ComparisonId, "comparison";
    /// A user's token.
    TokenId, "token";
    /// A program that runners may become.
    ReleaseId, "release";
    /// One connection of a runner.
    ConnectionId, "connection";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_written_form_is_read() {
        let id = JobId::generate();
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for wrong in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            "'; DROP TABLE jobs; --".to_owned(),
            String::new(),
        ] {
            // An upper-case form of digits alone is the written form.
            if wrong != text {
                assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
            }
        }
        let error = "1".repeat(1000).parse::<JobId>().expect_err("no UUID");
        assert!(error.to_string().len() < 200, "{error}");
    }

    #[test]
    fn later_ones_are_greater() {
        let ids: Vec<_> = (0..1000).map(|_| JobId::generate()).collect();
        assert!(ids.is_sorted());
        let texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted());
    }
}
