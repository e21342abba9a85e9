//! Traces for OpenTelemetry, as OTLP over HTTP, for those who ask for them.
//!
//! - Nothing is set up, and nothing is sent, unless somebody names a collector: [`Settings::read`], by the flag that it is given and by
//!   the variables that the specification of OpenTelemetry has for it. What it cannot do as it is told is an error, not a guess.
//! - Whatever is to be in a trace is a span of `tracing` with the target [`web::SPANS`]; [`layer`](Traces::layer) knows them by it. What
//!   belongs together over tasks is joined by [`Origin`].
//! - Spans wait in a queue that is bounded (2048, `OTEL_BSP_MAX_QUEUE_SIZE`); one more is dropped. They are sent by a thread of their own,
//!   so that a collector that is slow, down or hangs holds up nothing. That spans do not arrive is logged once, until they do again.
//! - The collector is asked by the rules of [`web`]: its authorities, the proxy of the environment, no redirect; within a deadline.
//! - At the end what waits is sent, for a while: [`Traces::finish`].
//!
//! Nothing is passed on to others: requests to registries, remotes and forges have no `traceparent`, which is nobody's business there.

mod client;
mod exporter;
mod origin;
mod settings;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

pub use origin::{Origin, follow, ids, list};
pub use settings::{Error, Settings};

/// The name of whoever makes the spans.
const SCOPE: &str = "tagwright";

/// Spans on their way to a collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to send the spans of this version of the program to the collector.
    ///
    /// # Errors
    /// A certificate, a key or a proxy cannot be used.
    pub fn start(settings: Settings, version: &'static str) -> Result<Self, Error> {
        let resource = Resource::builder_empty().with_attributes(settings.resource(version)).build();
        let sampler = settings.sampler.clone();
        let exporter = exporter::Sending::new(settings, version)?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// What takes the spans of a subscriber in.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + 'static
    where
        S: Subscriber + for<'l> LookupSpan<'l> + Send + Sync,
    {
        let layer: OpenTelemetryLayer<S, SdkTracer> =
            tracing_opentelemetry::layer().with_tracer(self.provider.tracer(SCOPE));
        // Where in the source a span begins, on which thread and how long it did nothing, is for nobody who looks at a bot.
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_target(false);
        layer.with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == web::SPANS))
    }

    /// Sends what waits, and takes no more. Blocks for this long at most.
    pub fn finish(self, limit: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(limit) {
            tracing::debug!(%error, "did not end well");
            tracing::warn!(limit_s = limit.as_secs(), "the last spans of traces were not sent in time");
        }
    }
}
