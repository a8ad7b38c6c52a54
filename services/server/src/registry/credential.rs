//! What is kept for a registry.

/// What a kept user name and password begin with: no token has a space.
const PASSWORD: &str = "password ";

/// What is kept for a registry.
#[derive(PartialEq, Eq)]
pub(crate) enum Credential {
    /// What it takes as a bearer token: runners get it as it is.
    Token(String),
    /// Whom its token server gives tokens to: runners get one of those.
    Password {
        /// The user.
        user: String,
        /// The password, or what the registry takes instead of one.
        password: String,
    },
}

impl Credential {
    /// As a text, to be encrypted.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Token(token) => token.clone(),
            // A user's name has no colon (RFC 7617, section 2).
            Self::Password { user, password } => format!("{PASSWORD}{user}:{password}"),
        }
    }

    /// Out of its text.
    pub(super) fn from_text(text: String) -> Self {
        let pair = text.strip_prefix(PASSWORD);
        match pair.and_then(|pair| pair.split_once(':')) {
            Some((user, password)) => Self::Password {
                user: user.to_owned(),
                password: password.to_owned(),
            },
            None => Self::Token(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_what_they_were() {
        let password = |user: &str, password: &str| Credential::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        for credential in [
            Credential::Token("token".to_owned()),
            Credential::Token("user:password".to_owned()),
            password("user", "open sesame"),
            password("password user", "with:colons:"),
        ] {
            let text = credential.to_text();
            assert!(Credential::from_text(text) == credential);
        }
    }
}
