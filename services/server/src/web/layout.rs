//! What all pages have.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use super::session::Visitor;

/// Where a page stands in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Jobs,
    Runners,
}

/// A page of somebody who is signed in.
pub(super) fn page(
    title: &str,
    visitor: &Visitor,
    section: Section,
    body: &Markup,
) -> Html<String> {
    let current = |this| (section == this).then_some("page");
    let bar = html! {
        nav aria-label="Main" {
            a href="/jobs" aria-current=[current(Section::Jobs)] { "Jobs" }
            a href="/runners" aria-current=[current(Section::Runners)] { "Runners" }
        }
        form.sign-out method="post" action="/sign-out" {
            (visitor.proof_field())
            span.who title="the token that you are signed in with" {
                (visitor.caller().token().name)
            }
            button type="submit" { "Sign out" }
        }
    };
    document(title, &bar, body)
}

/// A page of anybody.
pub(super) fn bare(title: &str, body: &Markup) -> Html<String> {
    document(title, &html! {}, body)
}

fn document(title: &str, bar: &Markup, body: &Markup) -> Html<String> {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · bencher" }
                link rel="icon" href="/assets/icon.svg";
                link rel="stylesheet" href="/assets/style.css";
                script src="/assets/live.js" defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header.bar {
                    a.home href="/jobs" { "bencher" }
                    (bar)
                }
                main #content tabindex="-1" { (body) }
            }
        }
    };
    Html(markup.into_string())
}

/// The way to the items that come after those of a page, and back to the newest.
pub(super) fn pager(first: &str, next: Option<&str>, is_first: bool) -> Markup {
    html! {
        @if next.is_some() || !is_first {
            nav.pager aria-label="Pages" {
                @if !is_first { a href=(first) { "Newest" } }
                @if let Some(next) = next { a href=(next) rel="next" { "Older" } }
            }
        }
    }
}
