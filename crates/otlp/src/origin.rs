//! What a span goes back to, where that ran in another task or another process.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, Context, StringValue, Value};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The most spans that one span names as what it goes back to.
const MAX_ORIGINS: usize = 128;

/// A span that another one goes back to. It does not keep the span open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(SpanContext);

impl Origin {
    /// A span; none while nobody looks at traces.
    #[must_use]
    pub fn of(span: &Span) -> Option<Self> {
        if span.is_disabled() {
            return None;
        }
        Self::checked(span.context().span().span_context().clone())
    }

    /// The span in which this is called; none while nobody looks at traces.
    #[must_use]
    pub fn current() -> Option<Self> {
        Self::checked(Context::current().span().span_context().clone())
    }

    /// The span of somebody else, as the headers `traceparent` and `tracestate` of W3C's Trace Context tell of it; none where they make no
    /// sense, as that recommendation has it.
    #[must_use]
    pub fn of_headers(parent: &str, state: Option<&str>) -> Option<Self> {
        let mut parts = parent.trim().split('-');
        let mut hex = |length: usize| {
            let is_hex = |part: &&str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            parts.next().filter(|part| part.len() == length).filter(is_hex)
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        // Later versions may have more behind it.
        if version == "ff" || version == "00" && parts.next().is_some() {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        let state = state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        Self::checked(SpanContext::new(trace, span, flags, true, state))
    }

    /// Lets what is logged belong to the span, also after it has ended, until what is returned is dropped.
    #[must_use]
    pub fn enter(&self) -> impl Drop + use<> {
        Context::new().with_remote_span_context(self.0.clone()).attach()
    }

    fn checked(context: SpanContext) -> Option<Self> {
        context.is_valid().then_some(Self(context))
    }
}

/// Says what a span that has not begun goes back to. It is part of the trace of the first, and names all others, at most 128.
pub fn follow(span: &Span, origins: &[Origin]) {
    let [first, others @ ..] = origins else { return };
    if span.is_disabled() {
        return;
    }
    // It fails only for spans that have begun, or that nobody looks at.
    let _ = span.set_parent(Context::new().with_remote_span_context(first.0.clone()));
    others.iter().take(MAX_ORIGINS).for_each(|other| span.add_link(other.0.clone()));
}

/// Says on a span what is several of one kind, such as the policies of a commit.
pub fn list(span: &Span, key: &'static str, values: impl IntoIterator<Item = String>) {
    if span.is_disabled() {
        return;
    }
    let values: Vec<StringValue> = values.into_iter().map(StringValue::from).collect();
    if !values.is_empty() {
        span.set_attribute(key, Value::Array(Array::String(values)));
    }
}

/// The ids of the trace and of the span in which this is called, in hexadecimal; none while nobody looks at traces.
#[must_use]
pub fn ids() -> Option<(String, String)> {
    let Origin(context) = Origin::current()?;
    Some((context.trace_id().to_string(), context.span_id().to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn headers_are_read_as_the_recommendation_says() {
        let Origin(context) = Origin::of_headers(PARENT, Some("vendor=x")).unwrap();
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(context.trace_state().get("vendor"), Some("x"));
        let Origin(unsampled) = Origin::of_headers(&PARENT.replace("-01", "-fe"), None).unwrap();
        assert!(!unsampled.is_sampled());
        assert!(Origin::of_headers(&PARENT.replacen("00", "cc", 1), None).is_some());
        assert!(Origin::of_headers(&format!("cc{}-what-comes", &PARENT[2..]), None).is_some());
        for bad in [
            "",
            "00",
            &PARENT[..54],
            &format!("{PARENT}-x"),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.to_uppercase(),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(Origin::of_headers(bad, None), None, "{bad}");
        }
        // What is wrong with the state alone costs the state alone.
        assert!(Origin::of_headers(PARENT, Some("===")).is_some());
    }
}
