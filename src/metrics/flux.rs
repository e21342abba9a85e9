//! The series of Flux's controllers, so that dashboards and alerts on these go on: by the names, labels and buckets that they have
//! there.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The bounds of controller-runtime, in seconds.
const RECONCILE: [f64; 32] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5,
    1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 60.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByObject {
    kind: &'static str,
    name: String,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByController {
    controller: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    controller: String,
    result: &'static str,
}

type Of = fn() -> Histogram;

/// Passes over objects, as Flux's controllers count them. Nothing is told before the first.
pub(crate) struct Flux {
    registry: Registry,
    is_used: AtomicBool,
    objects: Family<ByObject, Histogram, Of>,
    seconds: Family<ByController, Histogram, Of>,
    passes: Family<ByResult, Counter>,
    errors: Family<ByController, Counter>,
}

impl fmt::Debug for Flux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flux").finish_non_exhaustive()
    }
}

impl Default for Flux {
    fn default() -> Self {
        let mut registry = Registry::default();
        // Flux's own buckets, however odd they are.
        let objects = Family::new_with_constructor((|| Histogram::new(exponential_buckets(10e-9, 10.0, 10))) as Of);
        let help = "The duration in seconds of a GitOps Toolkit resource reconciliation.";
        registry.register_with_unit("gotk_reconcile_duration", help, Unit::Seconds, objects.clone());
        let seconds = Family::new_with_constructor((|| Histogram::new(RECONCILE)) as Of);
        let help = "Length of time per reconciliation per controller";
        registry.register_with_unit("controller_runtime_reconcile_time", help, Unit::Seconds, seconds.clone());
        let passes = Family::<ByResult, Counter>::default();
        registry.register(
            "controller_runtime_reconcile",
            "Total number of reconciliations per controller",
            passes.clone(),
        );
        let errors = Family::<ByController, Counter>::default();
        let help = "Total number of reconciliation errors per controller";
        registry.register("controller_runtime_reconcile_errors", help, errors.clone());
        Self { registry, is_used: AtomicBool::new(false), objects, seconds, passes, errors }
    }
}

impl Flux {
    /// Counts a pass over an object of this kind, namespace and name.
    pub(crate) fn reconciled(
        &self,
        kind: &'static str,
        (namespace, name): (&str, &str),
        is_well: bool,
        took: Duration,
    ) {
        self.is_used.store(true, Ordering::Relaxed);
        let object = ByObject { kind, name: name.to_owned(), namespace: namespace.to_owned() };
        let controller = kind.to_lowercase();
        let took = took.as_secs_f64();
        self.objects.get_or_create(&object).observe(took);
        self.seconds.get_or_create(&ByController { controller: controller.clone() }).observe(took);
        let errors = self.errors.get_or_create_owned(&ByController { controller: controller.clone() });
        if !is_well {
            errors.inc();
        }
        let result = if is_well { "success" } else { "error" };
        self.passes.get_or_create(&ByResult { controller, result }).inc();
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&self, kind: &'static str, (namespace, name): (&str, &str)) {
        self.objects.remove(&ByObject { kind, name: name.to_owned(), namespace: namespace.to_owned() });
    }

    pub(super) fn write(&self, text: &mut String) -> fmt::Result {
        if self.is_used.load(Ordering::Relaxed) { encode_registry(text, &self.registry) } else { Ok(()) }
    }
}
