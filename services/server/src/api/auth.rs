//! Who asks, and what they may.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use bencher_jobs::ProjectId;

use super::ApiError;
use crate::app::App;
use crate::key;
use crate::store::{Project, Role, StoreError, Token};

/// Whoever sent a request, with a token that is good.
#[derive(Debug)]
pub(crate) struct Caller(Token);

/// The token after `Authorization: Bearer `.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}

impl Caller {
    /// The token that was shown.
    pub(crate) fn token(&self) -> &Token {
        &self.0
    }

    /// # Errors
    ///
    /// When the token's role is a lesser one.
    pub(crate) fn must_be(&self, role: Role) -> Result<(), ApiError> {
        if self.0.role >= role {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            format!(
                "this needs a token of role {role}, this one is of role {}",
                self.0.role
            ),
        ))
    }

    /// An administrator of everything: one whose token is not of one project.
    ///
    /// # Errors
    ///
    /// When it is another one.
    pub(crate) fn must_be_admin(&self) -> Result<(), ApiError> {
        self.must_be(Role::Admin)?;
        if self.0.project.is_none() {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "this needs a token that is not bound to a project".to_owned(),
        ))
    }

    /// Whether the token is good for a project.
    pub(crate) fn sees(&self, project: ProjectId) -> bool {
        self.0.project.is_none_or(|own| own == project)
    }

    /// The project of this name. One that the token is not good for is not there.
    pub(crate) async fn project(&self, app: &App, name: &str) -> Result<Project, ApiError> {
        match app.store.project(name).await {
            Ok(project) if self.sees(project.id) => Ok(project),
            Ok(_) | Err(StoreError::NotFound { .. }) => Err(ApiError::not_found("project", name)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whoever shows `token` from the address `peer`.
    pub(crate) async fn check(
        app: &App,
        peer: Option<IpAddr>,
        token: Option<&str>,
    ) -> Result<Self, ApiError> {
        // A good token is taken whatever others at its address have tried: a proxy's is everybody's.
        let refused = |message| wrong_key(app, peer, message);
        let token = token
            .ok_or_else(|| refused("this needs a token: send `Authorization: Bearer TOKEN`"))?;
        let found = app.store.token_by_hash(&key::hash(token)).await?;
        let token =
            found.ok_or_else(|| refused("this token is not known, or revoked: get another one"))?;
        app.limiter.request(token.id).map_err(|wait| {
            app.metrics.count_limited();
            ApiError::too_often(wait)
        })?;
        Ok(Self(token))
    }
}

/// Counts a key or a token that is not good, and says so; too many of one address are only told to
/// wait.
pub(crate) fn wrong_key(app: &App, peer: Option<IpAddr>, message: &str) -> ApiError {
    if let Some(Err(wait)) = peer.map(|peer| app.limiter.refuse(peer)) {
        app.metrics.count_limited();
        return ApiError::too_often(wait);
    }
    app.metrics.count_refused();
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message.to_owned())
}

/// Where a request comes from.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| peer.ip())
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Self::check(app, peer(&parts.extensions), bearer(&parts.headers)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_in_the_header() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer  ", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
            assert_eq!(bearer(&headers), token, "{value}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
