//! The API for people: REST with JSON under `/v0`, described by an OpenAPI document that comes from
//! the code.

pub(crate) mod auth;
mod comparisons;
mod credentials;
pub(crate) mod deletion;
mod error;
pub(crate) mod events;
pub(crate) mod extract;
mod in_time;
pub(crate) mod jobs;
pub(crate) mod page;
pub(crate) mod projects;
pub(crate) mod reading;
mod releases;
pub(crate) mod results;
mod runners;
mod specs;
mod submit;
pub(crate) mod system;
pub(crate) mod text;
mod tokens;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use auth::{bearer, wrong_key};
pub(crate) use error::ApiError;

use crate::app::App;
use crate::{channel, telemetry, web};

#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "bencher-server",
        description = "Runs benchmark jobs on a fleet of runners. Runners themselves use \
                       `GET /v0/runners/{runner}/channel`, a WebSocket with a protocol of its own."
    ),
    tags(
        (name = "jobs", description = "What is to be run, and what came of it"),
        (name = "fleet", description = "Runners, and what they can run"),
        (name = "access", description = "Projects, tokens, credentials of registries"),
        (name = "system", description = "The server itself"),
    ),
    modifiers(&Bearer),
)]
struct Document;

/// All requests but those of the system carry a token.
#[derive(Debug)]
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(jobs::list, submit::job))
        .routes(routes!(comparisons::list, submit::comparison))
        .routes(routes!(comparisons::show, deletion::comparison))
        .routes(routes!(jobs::show, deletion::job))
        .routes(routes!(jobs::cancel))
        .routes(routes!(events::watch))
        .routes(routes!(results::all))
        .routes(routes!(results::stream))
        .routes(routes!(results::file))
        .routes(routes!(results::evidence))
        .routes(routes!(runners::list, runners::create))
        .routes(routes!(runners::show))
        .routes(routes!(runners::rotate_key))
        .routes(routes!(runners::archive))
        .routes(routes!(runners::link, runners::unlink))
        .routes(routes!(specs::list, specs::create))
        .routes(routes!(specs::show))
        .routes(routes!(specs::archive))
        .routes(routes!(releases::list, releases::create))
        .routes(routes!(releases::remove))
        .routes(routes!(projects::list, projects::create))
        .routes(routes!(projects::show))
        .routes(routes!(projects::set_quota))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(
            credentials::list,
            credentials::set,
            credentials::remove
        ))
        .routes(routes!(system::healthz))
        .routes(routes!(system::readyz))
        .routes(routes!(system::metrics))
        .routes(routes!(system::openapi))
}

/// The OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

/// Everything that the server answers.
pub(crate) fn router(app: App) -> Router {
    let body = app.settings.body;
    let (router, _) = routes().split_for_parts();
    router
        .route("/v0/runners/{runner}/channel", get(channel::open))
        .merge(web::router())
        .fallback(web::nothing)
        .method_not_allowed_fallback(web::other_method)
        .layer(DefaultBodyLimit::max(body))
        .layer(from_fn_with_state(app.clone(), in_time::in_time))
        .layer(from_fn_with_state(app.clone(), telemetry::trace))
        .with_state(app)
}
