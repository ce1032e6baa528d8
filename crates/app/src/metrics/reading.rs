//! Families whose values are read where they are kept, at each scrape.

use std::collections::HashMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It never decreases.
    Counter,
    /// It may decrease.
    Gauge,
}

type Values = Box<dyn Fn() -> Vec<(Vec<String>, f64)> + Send + Sync>;

/// A family whose values are read at each scrape.
pub(crate) struct Reading {
    desc: Desc,
    kind: Kind,
    values: Values,
}

impl Reading {
    /// `values` returns the values with their labels, in the order of `labels`.
    ///
    /// # Errors
    /// If a name is invalid.
    pub fn new(
        kind: Kind,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl Fn() -> Vec<(Vec<String>, f64)> + Send + Sync + 'static,
    ) -> Result<Self, prometheus::Error> {
        let labels = labels.iter().copied().map(str::to_owned).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())?;
        Ok(Self { desc, kind, values: Box::new(values) })
    }

    /// A family of one value without labels; none while `value` returns `None`.
    ///
    /// # Errors
    /// If the name is invalid.
    pub fn single(
        kind: Kind,
        name: &str,
        help: &str,
        value: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) -> Result<Self, prometheus::Error> {
        Self::new(kind, name, help, &[], move || value().map(|value| (Vec::new(), value)).into_iter().collect())
    }

    fn metric(&self, labels: Vec<String>, value: f64) -> Metric {
        let pairs = self.desc.variable_labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.clone());
            pair.set_value(value);
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        match self.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        metric
    }
}

impl Collector for Reading {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let metrics: Vec<_> = (self.values)().into_iter().map(|(labels, value)| self.metric(labels, value)).collect();
        if metrics.is_empty() {
            return Vec::new();
        }
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(match self.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
        });
        family.set_metric(metrics);
        vec![family]
    }
}
