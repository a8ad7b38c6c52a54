//! Where a redirect may lead: pure decisions.

use super::url::{Origin, Url, UrlError};

/// The most redirects of one request. Registries use one or two.
pub(super) const MAX_REDIRECTS: usize = 10;

/// Why a redirect is not followed. The messages are clauses: "the registry redirects to …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// A redirect that does not say where to.
    #[error("nowhere: its answer has no Location")]
    Nowhere,
    /// Where to is not a URL that can be followed.
    #[error("{0}")]
    Url(UrlError),
    /// From HTTPS to HTTP.
    #[error("{to}, which is not encrypted")]
    Downgrade {
        /// The scheme, the host and the port.
        to: String,
    },
    /// To another host, where only the same one may be.
    #[error("{to}, which is another host")]
    OtherOrigin {
        /// The scheme, the host and the port.
        to: String,
    },
    /// To where the request has been already.
    #[error("in a loop")]
    Loop,
    /// Too many in a row.
    #[error("more than {MAX_REDIRECTS} times in a row")]
    TooMany,
}

/// Which redirects are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// To anywhere; the token stays behind when the origin changes.
    Anywhere,
    /// Within the origin: of requests whose body or whose address is a secret.
    SameOrigin,
}

/// Where to go next from the last of `visited`, to which the answer was a redirect.
pub(super) fn next(
    visited: &[Url],
    location: Option<&str>,
    rule: Rule,
) -> Result<Url, RedirectError> {
    let Some(current) = visited.last() else {
        return Err(RedirectError::Nowhere);
    };
    let location = location.ok_or(RedirectError::Nowhere)?;
    let target = current.join(location).map_err(RedirectError::Url)?;
    let (from, to) = (current.origin(), target.origin());
    if rule == Rule::SameOrigin && from != to {
        return Err(RedirectError::OtherOrigin { to: to.to_string() });
    }
    if from.is_https && !to.is_https {
        return Err(RedirectError::Downgrade { to: to.to_string() });
    }
    if visited.contains(&target) {
        return Err(RedirectError::Loop);
    }
    if visited.len() > MAX_REDIRECTS {
        return Err(RedirectError::TooMany);
    }
    Ok(target)
}

/// Whether an answer with this status leads elsewhere.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Whether a token for `owner` may go to `target`.
pub(super) fn keeps_token(owner: &Origin, target: &Origin) -> bool {
    owner == target
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn where_redirects_lead() {
        let visited = [url("https://r/v2/a"), url("https://r/v2/b")];
        let next = |location, rule| next(&visited, location, rule);
        assert_eq!(
            next(Some("https://cdn/x?sig"), Rule::Anywhere).unwrap(),
            url("https://cdn/x?sig")
        );
        assert_eq!(
            next(Some("/c"), Rule::SameOrigin).unwrap(),
            url("https://r/c")
        );
        for (location, rule, error) in [
            (None, Rule::Anywhere, "nowhere: its answer has no Location"),
            (Some("/v2/a"), Rule::Anywhere, "in a loop"),
            (
                Some("http://r/c"),
                Rule::Anywhere,
                "http://r, which is not encrypted",
            ),
            (
                Some("https://cdn/x?sig"),
                Rule::SameOrigin,
                "https://cdn, which is another host",
            ),
            (
                Some("https://r:8443/x"),
                Rule::SameOrigin,
                "https://r:8443, which is another host",
            ),
            (
                Some("file:///etc/passwd"),
                Rule::Anywhere,
                "an address of the scheme `file`, only http and https are followed",
            ),
        ] {
            assert_eq!(next(location, rule).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn redirects_end() {
        let mut visited = vec![url("https://r/0")];
        let error = loop {
            let location = format!("/{}", visited.len());
            match next(&visited, Some(&location), Rule::Anywhere) {
                Ok(target) => visited.push(target),
                Err(error) => break error,
            }
        };
        assert_eq!(error, RedirectError::TooMany);
        assert_eq!(visited.len(), MAX_REDIRECTS + 1);
    }

    #[test]
    fn a_token_stays_with_its_origin() {
        let owner = url("https://r/v2/");
        for (target, keeps) in [
            ("https://R:443/x", true),
            ("https://r:8443/x", false),
            ("http://r/x", false),
            ("https://r.evil/x", false),
        ] {
            assert_eq!(
                keeps_token(owner.origin(), url(target).origin()),
                keeps,
                "{target}"
            );
        }
    }
}
