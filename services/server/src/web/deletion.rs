//! Jobs and comparisons are deleted: what is asked before, and what is said after.

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::error::PageError;
use super::layout::{self, Section};
use super::session::{Proof, Visitor};
use crate::api::extract::Path;
use crate::api::{ApiError, deletion};
use crate::app::App;

/// A button that deletes what is at `address`, after a question: `what` goes with it. It opens without a
/// script, too.
pub(super) fn button(visitor: &Visitor, address: &str, what: &str) -> Markup {
    html! {
        details.delete {
            summary { "Delete…" }
            form.card method="post" action={ (address) "/delete" } {
                (visitor.proof_field())
                p { (what) " Nobody can bring it back." }
                button.danger type="submit" { "Delete for ever" }
            }
        }
    }
}

/// What is said once something was deleted: the list of jobs does, unless something is left.
fn deleted(status: StatusCode, visitor: &Visitor) -> Response {
    if status != StatusCode::ACCEPTED {
        return Redirect::to("/jobs").into_response();
    }
    let body = html! {
        h1 { "Deleted" }
        p.problem {
            "The storage of outputs does not answer, or takes long: what is there of it is removed later, and \
             nobody can see it until then."
        }
        p { a href="/jobs" { "All jobs" } }
    };
    let page = layout::page("Deleted", visitor, Section::Jobs, &body);
    (status, page).into_response()
}

/// Deletes a job.
pub(super) async fn job(
    State(app): State<App>,
    visitor: Visitor,
    path: Result<Path<String>, ApiError>,
    Form(form): Form<Proof>,
) -> Result<Response, PageError> {
    visitor.check(&form)?;
    let status = deletion::delete_job(&app, visitor.caller(), &path?.0).await?;
    Ok(deleted(status, &visitor))
}

/// Deletes a comparison.
pub(super) async fn comparison(
    State(app): State<App>,
    visitor: Visitor,
    path: Result<Path<String>, ApiError>,
    Form(form): Form<Proof>,
) -> Result<Response, PageError> {
    visitor.check(&form)?;
    let status = deletion::delete_comparison(&app, visitor.caller(), &path?.0).await?;
    Ok(deleted(status, &visitor))
}
