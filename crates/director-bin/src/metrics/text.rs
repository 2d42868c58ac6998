//! The text format: OpenMetrics 1.0, or the older one of Prometheus.

use director_control::snapshot::Histogram;
use std::fmt::Write;

/// Which text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// OpenMetrics 1.0
    #[default]
    Openmetrics,
    /// The text format 0.0.4 of Prometheus
    Prometheus,
}

impl Format {
    /// The content type of a page.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Openmetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What a request with this `Accept` header wants.
    pub(crate) fn wanted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::Openmetrics
        } else {
            Self::Prometheus
        }
    }
}

/// Label names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Writes families one after the other; all samples of one stand together.
pub(super) struct Text {
    format: Format,
    text: String,
    /// The current family, without `_total`.
    family: &'static str,
    counter: bool,
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            text: String::with_capacity(64 << 10),
            family: "",
            counter: false,
        }
    }

    fn begin(&mut self, family: &'static str, kind: &str, help: &str) {
        self.family = family;
        self.counter = kind == "counter";
        // Only in the older format a counter's family has the suffix of its samples.
        let suffix = match self.format {
            Format::Prometheus if self.counter => "_total",
            _ => "",
        };
        // Writing to a string does not fail, here and below.
        let _ = writeln!(self.text, "# HELP {family}{suffix} {help}");
        let _ = writeln!(self.text, "# TYPE {family}{suffix} {kind}");
        let unit = ["seconds", "bytes"]
            .into_iter()
            .find(|unit| family.ends_with(&format!("_{unit}")));
        if let (Some(unit), Format::Openmetrics) = (unit, self.format) {
            let _ = writeln!(self.text, "# UNIT {family} {unit}");
        }
    }

    /// A family of values that may go up and down.
    pub(super) fn gauge(&mut self, family: &'static str, help: &str) -> &mut Self {
        self.begin(family, "gauge", help);
        self
    }

    /// A family of values that only go up; `family` is without `_total`.
    pub(super) fn counter(&mut self, family: &'static str, help: &str) -> &mut Self {
        self.begin(family, "counter", help);
        self
    }

    /// A sample of the current family.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: f64) -> &mut Self {
        let suffix = if self.counter { "_total" } else { "" };
        self.line(suffix, labels, value);
        self
    }

    /// A sample that is a count.
    pub(super) fn count(&mut self, labels: Labels<'_>, value: u64) -> &mut Self {
        let suffix = if self.counter { "_total" } else { "" };
        self.name(suffix, labels);
        let _ = writeln!(self.text, " {value}");
        self
    }

    /// A family of one or more histograms.
    pub(super) fn histogram<'a>(
        &mut self,
        family: &'static str,
        help: &str,
        histograms: impl Iterator<Item = (Vec<(&'a str, &'a str)>, Histogram)>,
    ) {
        self.begin(family, "histogram", help);
        for (labels, histogram) in histograms {
            let mut sum = 0_u64;
            let bounds = histogram.bounds.iter().map(|bound| format!("{bound:?}"));
            let bounds = bounds.chain(["+Inf".to_owned()]);
            for (bound, count) in bounds.zip(&histogram.counts) {
                sum = sum.saturating_add(*count);
                let mut labels = labels.clone();
                labels.push(("le", &bound));
                self.name("_bucket", &labels);
                let _ = writeln!(self.text, " {sum}");
            }
            self.name("_count", &labels);
            let _ = writeln!(self.text, " {sum}");
            self.line("_sum", &labels, histogram.sum_seconds);
        }
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, value: f64) {
        self.name(suffix, labels);
        let _ = writeln!(self.text, " {value}");
    }

    fn name(&mut self, suffix: &str, labels: Labels<'_>) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (index, (name, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::Openmetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_name_counters_as_they_should() {
        let page = |format| {
            let mut text = Text::new(format);
            text.counter("a_bytes", "Bytes.")
                .count(&[("x", "q\"\\\n")], 7);
            text.finish()
        };
        assert_eq!(
            page(Format::Openmetrics),
            "# HELP a_bytes Bytes.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{x=\"q\\\"\\\\\\n\"} 7\n# EOF\n"
        );
        assert_eq!(
            page(Format::Prometheus),
            "# HELP a_bytes_total Bytes.\n# TYPE a_bytes_total counter\na_bytes_total{x=\"q\\\"\\\\\\n\"} 7\n"
        );
    }

    #[test]
    fn buckets_add_up() {
        let mut text = Text::new(Format::Openmetrics);
        let histogram = Histogram {
            bounds: vec![0.001, 1.0],
            counts: vec![2, 3, 4],
            sum_seconds: 9.5,
        };
        text.histogram("h_seconds", "H.", [(Vec::new(), histogram)].into_iter());
        let page = text.finish();
        for line in [
            "h_seconds_bucket{le=\"0.001\"} 2",
            "h_seconds_bucket{le=\"1.0\"} 5",
            "h_seconds_bucket{le=\"+Inf\"} 9",
            "h_seconds_count 9",
            "h_seconds_sum 9.5",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }
}
