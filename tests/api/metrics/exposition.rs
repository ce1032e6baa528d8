//! Prometheus' text format 0.0.4, as far as the server writes it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};

/// Parsed metrics.
pub struct Exposition {
    types: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Exposition {
    /// Parses the text. Every sample must belong to the family whose type was declared last.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let (mut types, mut samples) = (BTreeMap::new(), Vec::new());
        let mut family = String::new();
        for line in text.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').context("no type")?;
                name.clone_into(&mut family);
                ensure!(types.insert(family.clone(), kind.to_owned()).is_none(), "{name} twice");
            } else if !line.starts_with('#') {
                let sample = Sample::parse(line).with_context(|| line.to_owned())?;
                let suffix = sample.name.strip_prefix(&family).with_context(|| line.to_owned())?;
                ensure!(["", "_bucket", "_sum", "_count"].contains(&suffix), "{line}");
                samples.push(sample);
            }
        }
        Ok(Self { types, samples })
    }

    /// The type of each family.
    pub fn types(&self) -> BTreeMap<String, String> {
        self.types.clone()
    }

    /// Each series, without its value.
    pub fn series(&self) -> BTreeSet<String> {
        self.samples.iter().map(|sample| format!("{} {:?}", sample.name, sample.labels)).collect()
    }

    /// The names of the labels of each family, `le` aside.
    pub fn labels(&self) -> BTreeSet<(String, Vec<String>)> {
        let family = |name: &str| {
            let without = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            without.filter(|name| self.types.contains_key(*name)).unwrap_or(name).to_owned()
        };
        let labels = |sample: &Sample| sample.labels.keys().filter(|name| *name != "le").cloned().collect();
        self.samples.iter().map(|sample| (family(&sample.name), labels(sample))).collect()
    }

    /// The sum of the samples with these labels; `None` if there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample| {
            labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|actual| actual == value))
        };
        let found: Vec<f64> = self
            .samples
            .iter()
            .filter(|sample| sample.name == name && has(sample))
            .map(|sample| sample.value)
            .collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// The only value of a label in a family.
    pub fn only(&self, name: &str, label: &str) -> anyhow::Result<String> {
        let samples = self.samples.iter().filter(|sample| sample.name == name);
        let values: BTreeSet<&String> = samples.filter_map(|sample| sample.labels.get(label)).collect();
        ensure!(values.len() == 1, "{name}: {values:?}");
        Ok(values.into_iter().map(String::as_str).collect())
    }
}

impl Sample {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let (series, value) = line.rsplit_once(' ').context("no value")?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').context("no }")?),
            None => (series, ""),
        };
        let mut parsed = BTreeMap::new();
        for label in labels.split_terminator("\",").filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once("=\"").context("no label")?;
            parsed.insert(name.to_owned(), value.trim_end_matches('"').to_owned());
        }
        Ok(Self { name: name.to_owned(), labels: parsed, value: value.parse()? })
    }
}
