//! What a registry wants to see before it answers: the `WWW-Authenticate` header (RFC 9110, section
//! 11.6.1; the distribution project's token authentication).

/// The longest header that is read.
const MAX_BYTES: usize = 8 << 10;

/// How to prove who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user name and a password.
    Basic,
    /// A token of the server at `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenge in the values of all `WWW-Authenticate` headers that this client can answer;
    /// `Bearer` before `Basic`, since it gives away less.
    pub(super) fn find<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut found = None;
        for header in headers {
            for challenge in parse(header) {
                match challenge {
                    Self::Bearer { .. } => return Some(challenge),
                    Self::Basic => found = Some(challenge),
                }
            }
        }
        found
    }
}

/// All challenges of one header that are known and whole.
fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut rest = header.get(..MAX_BYTES).unwrap_or(header).trim_start();
    while let Some((scheme, behind)) = token(rest) {
        let (parameters, behind) = parameters(behind);
        if scheme.eq_ignore_ascii_case("basic") {
            challenges.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer") {
            challenges.extend(bearer(&parameters));
        }
        rest = behind;
    }
    challenges
}

fn bearer(parameters: &[(&str, String)]) -> Option<Challenge> {
    let get = |name: &str| {
        parameters
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    Some(Challenge::Bearer {
        realm: get("realm")?,
        service: get("service"),
        scope: get("scope"),
    })
}

/// The parameters up to the next scheme, and what is behind them.
fn parameters(text: &str) -> (Vec<(&str, String)>, &str) {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((key, behind)) = token(rest) else {
            return (found, rest);
        };
        let Some(value) = behind.trim_start().strip_prefix('=') else {
            // The next scheme.
            return (found, rest);
        };
        let value = value.trim_start();
        let read = match value.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => token(value).map(|(value, behind)| (value.to_owned(), behind)),
        };
        let Some((value, behind)) = read else {
            return (found, "");
        };
        found.push((key, value));
        rest = behind;
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/:".contains(&byte);
    let end = text
        .bytes()
        .position(|byte| !is_token(byte))
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The content of a quoted string, whose first quote is gone, and what is behind it.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[position + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn challenges_of_real_registries() {
        for (header, challenge) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull""#,
                bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:library/busybox:pull"),
                ),
            ),
            (
                r#"Bearer realm="https://public.ecr.aws/token/", service="public.ecr.aws", scope="aws""#,
                bearer(
                    "https://public.ecr.aws/token/",
                    Some("public.ecr.aws"),
                    Some("aws"),
                ),
            ),
            (r#"Basic realm="Registry Realm""#, Challenge::Basic),
            ("basic", Challenge::Basic),
            (
                r#"Basic realm="x", Bearer realm="https://a/\"b\"",scope="""#,
                bearer("https://a/\"b\"", None, None),
            ),
            (
                "bearer REALM=https://a/b",
                bearer("https://a/b", None, None),
            ),
            (r#"Negotiate, Basic realm="x""#, Challenge::Basic),
        ] {
            assert_eq!(Challenge::find([header]), Some(challenge), "{header}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_no_challenge() {
        for header in [
            "",
            "Negotiate",
            "Bearer",
            r#"Bearer service="x""#,
            r#"Bearer realm="https://a"#,
            r#"Bearer realm="""#,
            "=,=,",
        ] {
            assert_eq!(Challenge::find([header]), None, "{header}");
        }
        assert_eq!(
            Challenge::find(["Negotiate", "Basic"]),
            Some(Challenge::Basic)
        );
    }

    proptest! {
        #[test]
        fn any_header_ends(header in "[ -~é]{0,200}") {
            parse(&header);
        }
    }
}
