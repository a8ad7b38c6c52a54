//! Who looks at pages.
//!
//! The cookie holds the token itself, so a session lasts as long as its token: nothing is kept
//! here, any server of a fleet knows it, and a token that is revoked is out at once.

use axum::extract::{Form, FromRequest as _, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use ring::hmac;
use serde::Deserialize;

use super::error::PageError;
use super::layout;
use crate::api::ApiError;
use crate::api::auth::{Caller, peer};
use crate::api::extract::{Query, refuse};
use crate::app::App;

const COOKIE: &str = "bencher_token";
/// How long a browser keeps it, in seconds: 30 days.
const KEPT: u32 = 30 * 24 * 3600;
/// What a proof is made of, beside the token.
const PURPOSE: &[u8] = b"forms of bencher-server";

/// Somebody who is signed in.
#[derive(Debug)]
pub(super) struct Visitor {
    caller: Caller,
    proof: String,
}

impl Visitor {
    /// What they may.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The same, to ask the API with.
    pub(super) fn into_caller(self) -> Caller {
        self.caller
    }

    /// What a form must carry so that it is known to be one of ours.
    pub(super) fn proof_field(&self) -> Markup {
        html! { input type="hidden" name="proof" value=(self.proof); }
    }

    /// Whether a form is one of ours.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub(super) fn check(&self, form: &Proof) -> Result<(), ApiError> {
        if ring_equal(&self.proof, &form.proof) {
            return Ok(());
        }
        Err(foreign())
    }
}

/// What forms carry.
#[derive(Debug, Deserialize)]
pub(super) struct Proof {
    proof: String,
}

fn foreign() -> ApiError {
    let message = "this form is of another site or another session: load the page anew and try \
                   again";
    ApiError::new(StatusCode::FORBIDDEN, "foreign_form", message.to_owned())
}

/// What only whoever has the token, and pages made for them, can know.
fn proof(token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
    hex::encode(hmac::sign(&key, PURPOSE))
}

/// Whether two proofs are equal, in a time that does not tell where they differ.
fn ring_equal(one: &str, other: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"comparison");
    let tag = hmac::sign(&key, one.as_bytes());
    hmac::verify(&key, other.as_bytes(), tag.as_ref()).is_ok()
}

/// The token in the cookies.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .filter(|token| !token.is_empty())
}

/// The header that gives a browser the token, or takes it away.
fn set_cookie(headers: &HeaderMap, token: Option<&str>) -> Option<HeaderValue> {
    let age = if token.is_some() { KEPT } else { 0 };
    // A proxy that ends encryption says so; whoever lies here only hides their own cookie.
    let is_encrypted = headers
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme == "https");
    let secure = if is_encrypted { "; Secure" } else { "" };
    let token = token.unwrap_or_default();
    HeaderValue::try_from(format!(
        "{COOKIE}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
    ))
    .ok()
}

/// A place on this server, and on no other.
fn local(path: Option<&str>) -> &str {
    path.filter(|path| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.len() <= 500
            && path
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    })
    .unwrap_or("/jobs")
}

/// Where somebody who has to sign in first goes on: to what they asked for, or, if that was a form, to the page
/// that has it.
fn next<'a>(method: &Method, uri: &'a Uri) -> Option<&'a str> {
    if [Method::GET, Method::HEAD].contains(method) {
        return uri.path_and_query().map(PathAndQuery::as_str);
    }
    uri.path().rsplit_once('/').map(|(page, _action)| page)
}

/// Whether the browser says that the request comes from a page of this server.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name)?.to_str().ok();
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    // Browsers leave it out on unencrypted connections.
    match text(header::ORIGIN) {
        Some(origin) => origin.split_once("://").map(|(_, host)| host) == text(header::HOST),
        // No browser: nobody can have been lured there.
        None => true,
    }
}

/// A text as a part of a query.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let next = next(&parts.method, &parts.uri);
        let sign_in = || Redirect::to(&format!("/sign-in?next={}", encoded(local(next))));
        let Some(token) = cookie(&parts.headers) else {
            return Err(sign_in().into_response());
        };
        match Caller::check(app, peer(&parts.extensions), Some(token)).await {
            Ok(caller) => Ok(Self {
                caller,
                proof: proof(token),
            }),
            Err(error) if error.status() == StatusCode::UNAUTHORIZED => {
                let mut response = sign_in().into_response();
                if let Some(value) = set_cookie(&parts.headers, None) {
                    response.headers_mut().insert(header::SET_COOKIE, value);
                }
                Err(response)
            }
            Err(error) => Err(PageError::from(error).into_response()),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

fn form_page(next: &str, problem: Option<&str>) -> Markup {
    html! {
        h1 { "Sign in" }
        form.card method="post" action="/sign-in" {
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            input type="hidden" name="next" value=(next);
            label for="token" { "Token" }
            input #token type="password" name="token" required autocomplete="current-password"
                autofocus spellcheck="false" aria-describedby="hint";
            p #hint.hint {
                "An administrator makes one: "
                code { "bencher-server token create" }
                "."
            }
            button.primary type="submit" { "Sign in" }
        }
        // The cookie does not come along with links of other sites; with this one it does.
        p { a href=(next) { "I am signed in already" } }
    }
}

/// The form to sign in with.
pub(super) async fn form(query: Result<Query<Next>, ApiError>) -> Result<Response, PageError> {
    let Query(query) = query?;
    let body = form_page(local(query.next.as_deref()), None);
    Ok(layout::bare("Sign in", &body).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct SignIn {
    token: String,
    next: Option<String>,
}

/// Signs in.
pub(super) async fn sign_in(
    State(app): State<App>,
    request: Request,
) -> Result<Response, PageError> {
    if !is_own(request.headers()) {
        return Err(foreign().into());
    }
    let headers = request.headers().clone();
    let peer = peer(request.extensions());
    let Form(form) = Form::<SignIn>::from_request(request, &app)
        .await
        .map_err(|error| refuse(error.status(), error.body_text()))?;
    let token = form.token.trim();
    let next = local(form.next.as_deref());
    match Caller::check(&app, peer, Some(token)).await {
        Ok(_) => {
            let mut response = Redirect::to(next).into_response();
            if let Some(value) = set_cookie(&headers, Some(token)) {
                response.headers_mut().insert(header::SET_COOKIE, value);
            }
            Ok(response)
        }
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => {
            let body = form_page(next, Some(error.message()));
            let page = layout::bare("Sign in", &body);
            Ok((StatusCode::UNAUTHORIZED, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Signs out.
pub(super) async fn sign_out(
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Proof>,
) -> Result<Response, PageError> {
    visitor.check(&form)?;
    let mut response = Redirect::to("/sign-in").into_response();
    if let Some(value) = set_cookie(&headers, None) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| {
                let name = header::HeaderName::from_static(name);
                (name, value.parse().expect("a header"))
            })
            .collect()
    }

    #[test]
    fn cookies() {
        for (value, token) in [
            ("bencher_token=abc", Some("abc")),
            ("a=b; bencher_token=abc; c=d", Some("abc")),
            ("bencher_token=", None),
            ("bencher_tokens=abc", None),
            ("xbencher_token=abc", None),
        ] {
            assert_eq!(cookie(&headers(&[("cookie", value)])), token, "{value}");
        }
        let set = set_cookie(&HeaderMap::new(), Some("abc")).expect("a header");
        let set = set.to_str().expect("text");
        assert!(
            set.contains("HttpOnly") && set.contains("SameSite=Strict"),
            "{set}"
        );
        assert!(!set.contains("Secure"), "{set}");
        let https = headers(&[("x-forwarded-proto", "https")]);
        let set = set_cookie(&https, Some("abc")).expect("a header");
        assert!(set.to_str().expect("text").ends_with("; Secure"));
        // What would be another header or another attribute is none.
        assert!(set_cookie(&https, Some("a\r\nb")).is_none());
    }

    #[test]
    fn places_elsewhere_are_not_gone_to() {
        for (path, place) in [
            (Some("/jobs?state=failed"), "/jobs?state=failed"),
            (Some("/runners"), "/runners"),
            (Some("//evil.example"), "/jobs"),
            (Some("/\\evil.example"), "/jobs"),
            (Some("https://evil.example"), "/jobs"),
            (Some("javascript:alert(1)"), "/jobs"),
            (Some("/a\nb"), "/jobs"),
            (Some(""), "/jobs"),
            (None, "/jobs"),
        ] {
            assert_eq!(local(path), place, "{path:?}");
        }
    }

    #[test]
    fn a_form_is_signed_in_for_at_its_page() {
        for (method, uri, place) in [
            (Method::GET, "/jobs?state=failed", "/jobs?state=failed"),
            (Method::HEAD, "/jobs/1/results", "/jobs/1/results"),
            (Method::POST, "/jobs/1/cancel", "/jobs/1"),
            (Method::POST, "/comparisons/1/delete?x", "/comparisons/1"),
            (Method::POST, "/sign-out", "/jobs"),
            (Method::POST, "//evil.example/x", "/jobs"),
        ] {
            let uri: Uri = uri.parse().expect("an address");
            assert_eq!(local(next(&method, &uri)), place, "{method} {uri}");
        }
    }

    #[test]
    fn forms_of_other_sites() {
        for (pairs, own) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("origin", "http://a:1"), ("host", "a:1")], true),
            (&[("origin", "http://b:1"), ("host", "a:1")], false),
            (&[("origin", "null"), ("host", "a:1")], false),
            (&[("host", "a:1")], true),
        ] {
            assert_eq!(is_own(&headers(pairs)), own, "{pairs:?}");
        }
        let (mine, other) = (proof("one"), proof("other"));
        assert!(ring_equal(&mine, &mine) && !ring_equal(&mine, &other));
        assert!(!ring_equal(&mine, "") && !mine.contains("one"));
    }
}
