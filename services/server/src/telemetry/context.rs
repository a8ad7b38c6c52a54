//! Which trace a request belongs to: W3C Trace Context, section 3.2 (`traceparent`).

use std::fmt;

/// A trace, over all programs that take part in it. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceId(u128);

/// A part of a trace. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpanId(u64);

/// Where a request stands in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// Who asked, if they said so.
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

impl Context {
    /// A request's, with the `traceparent` that it came with: its trace goes on, or a new one begins.
    pub(super) fn of(traceparent: Option<&str>) -> Self {
        let span = SpanId(fastrand::u64(1..));
        match traceparent.and_then(parse) {
            Some((trace, parent)) => Self {
                trace,
                span,
                parent: Some(parent),
            },
            None => Self {
                trace: TraceId(fastrand::u128(1..)),
                span,
                parent: None,
            },
        }
    }
}

/// `VERSION-TRACE-SPAN-FLAGS`; a later version may have more after that.
fn parse(text: &str) -> Option<(TraceId, SpanId)> {
    let mut parts = text.split('-');
    let version = hex(parts.next()?, 2)?;
    let trace = hex(parts.next()?, 32)?;
    let span = hex(parts.next()?, 16)?;
    hex(parts.next()?, 2)?;
    let is_whole = parts.next().is_none() || version > 0;
    if version == 0xff || !is_whole || trace == 0 || span == 0 {
        return None;
    }
    Some((TraceId(trace), SpanId(u64::try_from(span).ok()?)))
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
}
