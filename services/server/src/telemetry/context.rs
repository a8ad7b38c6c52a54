//! Which trace a request or a job belongs to: W3C Trace Context, section 3.2 (`traceparent`).

use std::fmt;
use std::str::FromStr;

use tracing::field::{DisplayValue, display};

/// A trace, over all programs that take part in it. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

/// A part of a trace. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

/// A part of a trace that has parts of its own: of a job, the request that submitted it. As a text
/// `TRACE-SPAN`, in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Its trace.
    pub trace: TraceId,
    /// Which part of it.
    pub span: SpanId,
}

/// Text that is no [`TraceParent`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no part of a trace")]
pub struct TraceError(String);

/// Where a request or a part of a job's life stands in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// What it is a part of: of a request, who asked, if they said so.
    pub(super) parent: Option<SpanId>,
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.trace, self.span)
    }
}

impl FromStr for TraceParent {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        let parent = text
            .split_once('-')
            .and_then(|(trace, span)| ids(trace, span));
        parent.ok_or_else(|| TraceError(text.chars().take(64).collect()))
    }
}

/// The trace of a job, for its lines in the log.
pub(crate) fn trace_id(parent: Option<TraceParent>) -> Option<DisplayValue<TraceId>> {
    parent.map(|parent| display(parent.trace))
}

impl Context {
    /// A request's, with the `traceparent` that it came with: its trace goes on, or a new one begins.
    pub(super) fn of(traceparent: Option<&str>) -> Self {
        Self::within(traceparent.and_then(parse))
    }

    /// A new part of `parent`, or of a new trace.
    pub(super) fn within(parent: Option<TraceParent>) -> Self {
        Self {
            trace: parent.map_or_else(|| TraceId(fastrand::u128(1..)), |parent| parent.trace),
            span: SpanId(fastrand::u64(1..)),
            parent: parent.map(|parent| parent.span),
        }
    }

    /// What is a part of this one has this parent.
    pub(crate) fn as_parent(&self) -> TraceParent {
        TraceParent {
            trace: self.trace,
            span: self.span,
        }
    }
}

/// `VERSION-TRACE-SPAN-FLAGS`; a later version may have more after that.
fn parse(text: &str) -> Option<TraceParent> {
    let mut parts = text.split('-');
    let version = hex(parts.next()?, 2)?;
    let parent = ids(parts.next()?, parts.next()?)?;
    hex(parts.next()?, 2)?;
    let is_whole = parts.next().is_none() || version > 0;
    (version != 0xff && is_whole).then_some(parent)
}

/// Neither of them is zero.
fn ids(trace: &str, span: &str) -> Option<TraceParent> {
    let (trace, span) = (hex(trace, 32)?, hex(span, 16)?);
    if trace == 0 || span == 0 {
        return None;
    }
    Some(TraceParent {
        trace: TraceId(trace),
        span: SpanId(u64::try_from(span).ok()?),
    })
}

/// A number in so many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != digits || !text.bytes().all(is_hex) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn the_callers_trace_goes_on() {
        for text in [
            format!("00-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-00-more"),
        ] {
            let context = Context::of(Some(&text));
            assert_eq!(context.trace.to_string(), TRACE);
            assert_eq!(context.parent.expect("a parent").to_string(), SPAN);
            assert_ne!(context.span.to_string(), SPAN);
        }
    }

    #[test]
    fn what_is_no_trace_begins_a_new_one() {
        let zeros = "0".repeat(32);
        for text in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}é-{SPAN}-01"),
            "\u{1b}[2J".to_owned(),
        ] {
            assert_eq!(Context::of(Some(&text)).parent, None, "{text}");
        }
        assert_ne!(Context::of(None).trace, Context::of(None).trace);
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let context = Context::of(Some(&format!("00-{TRACE}-{SPAN}-01")));
        let kept = context.as_parent().to_string();
        assert_eq!(kept, format!("{TRACE}-{}", context.span));
        let part = Context::within(kept.parse().ok());
        assert_eq!(
            (part.trace, part.parent),
            (context.trace, Some(context.span))
        );
        assert_ne!(part.span, context.span);
        for strange in [
            "",
            TRACE,
            "-",
            &format!("{TRACE}-{SPAN}-01"),
            &"0".repeat(49),
        ] {
            let error = strange.parse::<TraceParent>().expect_err("no parent");
            assert!(error.to_string().contains("no part of a trace"), "{error}");
        }
    }
}
