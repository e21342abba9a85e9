//! What sends spans, and says once when they do not arrive.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_otlp::{Compression, Protocol, SpanExporter as Otlp, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::client::Client;
use super::settings::{Error, Settings};

/// What the collector has last said, or why it said nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said(Arc<Mutex<Option<String>>>);

impl Said {
    pub(crate) fn put(&self, said: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
    }

    /// Forgets what was said before it did as it was asked.
    pub(crate) fn clear(&self) {
        drop(self.take());
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Sends spans.
#[derive(Debug)]
pub(crate) struct Sending {
    inner: Otlp,
    said: Said,
    /// The collector, for messages.
    collector: String,
    /// Whether it was said that they do not arrive.
    fails: AtomicBool,
}

impl Sending {
    pub(crate) fn new(settings: Settings, version: &'static str) -> Result<Self, Error> {
        let said = Said::default();
        let (collector, endpoint) = (web::show(&settings.endpoint), settings.endpoint.to_string());
        let (timeout, gzip) = (settings.timeout, settings.gzip);
        let mut builder = Otlp::builder()
            .with_http()
            .with_http_client(Client::new(settings, version, said.clone())?)
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(timeout);
        if gzip {
            builder = builder.with_compression(Compression::Gzip);
        }
        let inner = builder.build().map_err(|error| Error::Unusable(error.to_string()))?;
        Ok(Self { inner, said, collector, fails: AtomicBool::new(false) })
    }
}

impl SpanExporter for Sending {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (spans, collector) = (batch.len(), &self.collector);
        let sent = self.inner.export(batch).await;
        let error = match (sent, self.said.take()) {
            (Ok(()), None) => {
                if self.fails.swap(false, Ordering::Relaxed) {
                    tracing::info!(collector, "traces arrive again");
                }
                return Ok(());
            }
            (_, Some(said)) => said,
            (Err(error), None) => error.to_string(),
        };
        match self.fails.swap(true, Ordering::Relaxed) {
            true => tracing::debug!(collector, spans, error, "spans of traces do not arrive"),
            false => {
                tracing::warn!(collector, spans, error, "spans of traces do not arrive, and are lost until they do")
            }
        }
        // It has been said, and would be again.
        Ok(())
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(limit)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
