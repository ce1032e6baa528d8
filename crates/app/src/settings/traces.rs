//! The settings of the traces, named and defined as OpenTelemetry does
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).
#![expect(clippy::doc_markdown, reason = "the comments are the help that clap prints")]
#![allow(rustdoc::bare_urls, reason = "the comments are the help that clap prints")]

use clap::Args;
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::value::{self, Parse, ValueError};

/// Settings of the traces.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Traces (OpenTelemetry)")]
pub struct TraceSettings {
    /// Base URL of the collector that traces are sent to, such as http://localhost:4318; the path v1/traces is added. No
    /// traces if unset
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", value_parser = Parse(value::web_url))]
    pub otel_exporter_otlp_endpoint: Option<Url>,

    /// Headers of the requests to the collector: name=value, separated by commas, with the values percent-encoded. Prefer
    /// the variable to the flag
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", value_name = "HEADERS", hide_default_value = true)]
    #[arg(value_parser = Parse(headers))]
    pub otel_exporter_otlp_headers: Option<TraceHeaders>,

    /// Protocol of the collector; http/protobuf is the only one
    #[arg(long, env = "OTEL_EXPORTER_OTLP_PROTOCOL", value_name = "NAME", default_value = "http/protobuf")]
    #[arg(value_parser = Parse(protocol))]
    pub otel_exporter_otlp_protocol: String,

    /// Name of this service in the traces; doable, or service.name of OTEL_RESOURCE_ATTRIBUTES, if unset
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME", value_parser = Parse(service_name))]
    pub otel_service_name: Option<String>,

    /// Attributes of this service in the traces, such as deployment.environment.name=production: name=value, separated by
    /// commas, with the values percent-encoded
    #[arg(long, env = "OTEL_RESOURCE_ATTRIBUTES", value_name = "ATTRIBUTES", value_parser = Parse(attributes))]
    pub otel_resource_attributes: Option<ResourceAttributes>,

    /// Which requests are traced: always_on, always_off or traceidratio (the fraction OTEL_TRACES_SAMPLER_ARG of them);
    /// with parentbased_ before it, a request with a traceparent header is traced if the header says that its caller is
    #[arg(long, env = "OTEL_TRACES_SAMPLER", value_name = "NAME", default_value = "parentbased_always_on")]
    #[arg(value_parser = Parse(sampler))]
    pub otel_traces_sampler: SamplerChoice,

    /// Fraction of the requests that traceidratio traces, 0 to 1
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "NUMBER", default_value = "1")]
    #[arg(value_parser = Parse(fraction))]
    pub otel_traces_sampler_arg: f64,
}

/// The headers of the requests to the collector. Their values are marked as sensitive, so that `Debug` does not print them.
#[derive(Clone, Debug)]
pub struct TraceHeaders(pub HeaderMap);

/// The attributes of this service.
#[derive(Clone, Debug)]
pub struct ResourceAttributes(pub Vec<(String, String)>);

/// Which requests are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerChoice {
    /// Whether the caller decides, if a request names one.
    pub follows_parent: bool,
    /// The sampler of the others.
    pub root: RootSampler,
}

/// The sampler of requests whose caller does not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootSampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// The fraction `OTEL_TRACES_SAMPLER_ARG`, chosen by the trace's id.
    TraceIdRatio,
}

/// Parses `name=value` pairs, separated by commas. Spaces around names and values are ignored.
fn pairs(text: &str) -> Option<Vec<(&str, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?.into_owned();
            Some((name.trim(), value)).filter(|(name, _)| !name.is_empty())
        })
        .collect()
}

fn headers(text: &str) -> Result<TraceHeaders, ValueError> {
    let header = |(name, value): (&str, String)| {
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        Some((name.parse::<HeaderName>().ok()?, value))
    };
    let headers = pairs(text).and_then(|pairs| pairs.into_iter().map(header).collect());
    value::expect_secret(headers.map(TraceHeaders), "is not a list of headers such as api-key=SECRET,other=VALUE")
}

fn attributes(text: &str) -> Result<ResourceAttributes, ValueError> {
    let attributes = pairs(text).map(|pairs| pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    value::expect(attributes.map(ResourceAttributes), text, "a list of attributes such as name=value,other=value")
}

fn protocol(text: &str) -> Result<String, ValueError> {
    let protocol = Some(text.trim()).filter(|protocol| *protocol == "http/protobuf");
    value::expect(
        protocol.map(str::to_owned),
        text,
        "supported: traces are sent by http/protobuf (port 4318 of most collectors)",
    )
}

fn service_name(text: &str) -> Result<String, ValueError> {
    let text = text.trim();
    let is_valid = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    value::expect(is_valid.then(|| text.to_owned()), text, "a service's name (1 to 200 characters)")
}

fn sampler(text: &str) -> Result<SamplerChoice, ValueError> {
    let (follows_parent, name) = match text.trim().strip_prefix("parentbased_") {
        Some(name) => (true, name),
        None => (false, text.trim()),
    };
    let root = match name {
        "always_on" => Some(RootSampler::AlwaysOn),
        "always_off" => Some(RootSampler::AlwaysOff),
        "traceidratio" => Some(RootSampler::TraceIdRatio),
        _ => None,
    };
    let expected = "a sampler (always_on, always_off or traceidratio, or one of them with parentbased_ before it)";
    value::expect(root.map(|root| SamplerChoice { follows_parent, root }), text, expected)
}

fn fraction(text: &str) -> Result<f64, ValueError> {
    let fraction = text.trim().parse().ok().filter(|fraction| (0.0..=1.0).contains(fraction));
    value::expect(fraction, text, "a fraction (0 to 1)")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, settings};
    use super::*;

    fn traces(variables: &[(&str, &str)]) -> TraceSettings {
        settings(variables).traces
    }

    #[test]
    fn headers_and_attributes_are_lists_of_percent_encoded_values() {
        let traces = traces(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", " api-key = a%20b ,Authorization=Basic%20YQ==,"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=todo,place=%C3%A9"),
        ]);
        let headers = traces.otel_exporter_otlp_headers.unwrap().0;
        assert_eq!(
            (&headers["api-key"], &headers["authorization"]),
            (&"a b".parse().unwrap(), &"Basic YQ==".parse().unwrap())
        );
        let attributes = traces.otel_resource_attributes.unwrap().0;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(attributes, [pair("service.name", "todo"), pair("place", "é")]);
    }

    #[test]
    fn headers_are_secret() {
        let traces = traces(&[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2")]);
        assert!(!format!("{traces:?}").contains("hunter2"), "{traces:?}");
        for bad in ["hunter2", "=hunter2", "a b=hunter2", "api-key=hunter2%0A", "api-key=hunter2%FF", "a=b,hunter2"] {
            let problems = problems(&[("OTEL_EXPORTER_OTLP_HEADERS", bad)]);
            assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
            assert!(problems[0].starts_with("OTEL_EXPORTER_OTLP_HEADERS: is not a list"), "{problems:?}");
            assert!(!problems[0].contains("hunter2"), "{problems:?}");
        }
    }

    #[test]
    fn a_sampler_may_follow_the_caller() {
        let default = traces(&[]);
        assert_eq!(
            default.otel_traces_sampler,
            SamplerChoice { follows_parent: true, root: RootSampler::AlwaysOn },
            "the default of OpenTelemetry"
        );
        for (name, follows_parent, root) in [
            ("always_off", false, RootSampler::AlwaysOff),
            ("traceidratio", false, RootSampler::TraceIdRatio),
            (" parentbased_traceidratio ", true, RootSampler::TraceIdRatio),
        ] {
            let sampler = traces(&[("OTEL_TRACES_SAMPLER", name)]).otel_traces_sampler;
            assert_eq!(sampler, SamplerChoice { follows_parent, root }, "{name}");
        }
    }

    #[test]
    fn invalid_values_are_rejected() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://ada:hunter2@collector"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_RESOURCE_ATTRIBUTES", "production"),
            ("OTEL_TRACES_SAMPLER", "parentbased_jaeger_remote"),
            ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
            ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
        ] {
            let problems = problems(&[(name, value)]);
            assert_eq!(problems.len(), 1, "{name}={value}: {problems:?}");
            assert!(problems[0].starts_with(name) && !problems[0].contains("hunter2"), "{problems:?}");
        }
    }
}
