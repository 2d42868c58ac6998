//! The timeline on a terminal.

use std::io::{self, Write};
use std::time::Duration;

use crate::record::{Record, TrafficSummary};
use crate::scenario::duration::Seconds;

/// Writes each record as it comes, in a form for people.
#[derive(Debug)]
pub struct Timeline<W> {
    out: W,
    colour: bool,
    failed_title: Option<String>,
    title: String,
    steps: usize,
}

/// Colours by meaning.
#[derive(Debug, Clone, Copy)]
enum Paint {
    Strong,
    Good,
    Bad,
    Dim,
    Action,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Strong => "1",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Dim => "2",
            Self::Action => "33",
        }
    }
}

impl<W: Write> Timeline<W> {
    /// Writes to `out`, with colours if it is a terminal that shows them.
    pub fn new(out: W, colour: bool) -> Self {
        Self {
            out,
            colour,
            failed_title: None,
            title: String::new(),
            steps: 0,
        }
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        if self.colour {
            format!("\x1b[{}m{text}\x1b[0m", paint.code())
        } else {
            text.to_owned()
        }
    }

    /// Writes one record.
    ///
    /// # Errors
    ///
    /// When the output cannot be written.
    pub fn show(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Begin {
                scenario,
                description,
                kernel,
                nodes,
            } => {
                let name = self.paint(Paint::Strong, scenario);
                writeln!(self.out, "{name}")?;
                for line in description.lines() {
                    writeln!(self.out, "  {}", line.trim())?;
                }
                let kernel_text = self.paint(Paint::Strong, kernel);
                writeln!(self.out, "\n  kernel  {kernel_text}")?;
                for (index, node) in nodes.iter().enumerate() {
                    let head = if index == 0 { "nodes" } else { "" };
                    writeln!(self.out, "  {head:<6}  {node}")?;
                }
            }
            Record::StepBegin { number, title, .. } => {
                self.title.clone_from(title);
                let text = self.paint(Paint::Strong, &format!("{number}. {title}"));
                writeln!(self.out, "\n{text}")?;
            }
            Record::Action { at, text } => {
                let text = self.paint(Paint::Action, text);
                writeln!(self.out, "{} > {text}", Clock(*at))?;
            }
            Record::Note { at, node, text } => {
                writeln!(self.out, "{}   {node:<10} {text}", Clock(*at))?;
            }
            Record::Held {
                at,
                text,
                seen,
                after,
                limit,
            } => {
                let tick = self.paint(Paint::Good, "✓");
                let took = Seconds(Duration::from_millis(*after));
                // What was counted says more about requests than the deadline for counting them.
                let facts = if text.contains("requests") || text.contains("silent") {
                    format!("({seen}; after {took})")
                } else {
                    format!("(after {took}, limit {limit})")
                };
                let tail = self.paint(Paint::Dim, &facts);
                writeln!(self.out, "{} {tick} {text} {tail}", Clock(*at))?;
            }
            Record::Table { nodes, text, .. } => {
                let head = format!("IPVS table of {}", nodes.join(" and of "));
                writeln!(self.out, "           {}", self.paint(Paint::Dim, &head))?;
                for line in text.lines() {
                    writeln!(self.out, "           {}", line.trim_end())?;
                }
            }
            Record::StepEnd {
                at,
                failure,
                holders,
                traffic,
                ..
            } => {
                if failure.is_none() {
                    self.steps += 1;
                }
                let mut facts: Vec<String> = holders
                    .iter()
                    .map(|(address, nodes)| match nodes.as_slice() {
                        [] => format!("{address} nowhere"),
                        nodes => format!("{address} on {}", nodes.join(", ")),
                    })
                    .collect();
                if traffic.answers() + traffic.failed > 0 {
                    facts.push(requests(traffic));
                }
                if !facts.is_empty() {
                    let text = self.paint(Paint::Dim, &facts.join(" · "));
                    writeln!(self.out, "           {text}")?;
                }
                if let Some(failure) = failure {
                    self.failed_title = Some(self.title.clone());
                    let cross = self.paint(Paint::Bad, "✗");
                    for (expected, seen) in failure.expected.iter().zip(&failure.seen) {
                        writeln!(self.out, "{} {cross} expected: {expected}", Clock(*at))?;
                        writeln!(self.out, "               seen: {seen}")?;
                    }
                    for (node, lines) in &failure.logs {
                        writeln!(self.out, "           last lines of {node}")?;
                        for line in lines {
                            writeln!(self.out, "           | {line}")?;
                        }
                    }
                }
            }
            Record::End {
                at,
                passed,
                traffic,
            } => {
                writeln!(self.out)?;
                if traffic.answers() + traffic.failed > 0 {
                    writeln!(self.out, "requests         {}", requests(traffic))?;
                    for (address, gap) in &traffic.longest_gap {
                        let gap = Seconds(Duration::from_millis(*gap));
                        writeln!(self.out, "longest silence  {address}: {gap}")?;
                    }
                }
                let took = Seconds(Duration::from_millis(*at));
                let verdict = if *passed {
                    let text = format!("PASSED: all {} steps held, in {took}", self.steps);
                    self.paint(Paint::Good, &text)
                } else {
                    let title = self.failed_title.as_deref().unwrap_or("a step");
                    self.paint(Paint::Bad, &format!("FAILED: {title} (after {took})"))
                };
                writeln!(self.out, "{verdict}")?;
            }
            Record::Trouble { message } => {
                writeln!(self.out, "{}", self.paint(Paint::Bad, message))?;
            }
        }
        self.out.flush()
    }
}

fn requests(traffic: &TrafficSummary) -> String {
    let servers: Vec<String> = traffic
        .answered
        .iter()
        .map(|(server, count)| format!("{server} {count}"))
        .collect();
    let mut text = format!("{} answered", traffic.answers());
    if !servers.is_empty() {
        text.push_str(&format!(" ({})", servers.join(", ")));
    }
    if traffic.failed > 0 {
        text.push_str(&format!(", {} failed", traffic.failed));
    }
    text
}

/// Milliseconds as the seconds in front of each line.
struct Clock(u64);

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>8.2}", self.0 as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::record::Failure;
    use crate::report::Report;

    fn records() -> Vec<Record> {
        let traffic = TrafficSummary {
            answered: BTreeMap::from([("rs1".to_owned(), 20), ("rs2".to_owned(), 19)]),
            failed: 1,
            longest_gap: BTreeMap::from([("10.0.0.8".parse().unwrap(), 3520)]),
        };
        vec![
            Record::Begin {
                scenario: "story".to_owned(),
                description: "What it shows.".to_owned(),
                kernel: "this kernel".to_owned(),
                nodes: vec!["a 10.0.0.1".to_owned(), "b 10.0.0.2".to_owned()],
            },
            Record::StepBegin {
                at: 0,
                number: 1,
                title: "the master is cut off".to_owned(),
            },
            Record::Action {
                at: 1,
                text: "a: set eth0 down".to_owned(),
            },
            Record::Note {
                at: 3510,
                node: "b".to_owned(),
                text: "10.0.0.8 appears".to_owned(),
            },
            Record::Held {
                at: 3510,
                text: "10.0.0.8 on b".to_owned(),
                seen: "10.0.0.8 on b".to_owned(),
                after: 3509,
                limit: "master_down(99) = 3.61 s".to_owned(),
            },
            Record::StepEnd {
                at: 3600,
                number: 1,
                failure: None,
                holders: BTreeMap::from([("10.0.0.8".parse().unwrap(), vec!["b".to_owned()])]),
                traffic: traffic.clone(),
            },
            Record::StepBegin {
                at: 3600,
                number: 2,
                title: "a returns".to_owned(),
            },
            Record::StepEnd {
                at: 9000,
                number: 2,
                failure: Some(Failure {
                    expected: vec!["10.0.0.8 on a".to_owned()],
                    seen: vec!["10.0.0.8 is on b".to_owned()],
                    logs: BTreeMap::from([("a".to_owned(), vec!["no such file".to_owned()])]),
                }),
                holders: BTreeMap::new(),
                traffic: TrafficSummary::default(),
            },
            Record::End {
                at: 9000,
                passed: false,
                traffic,
            },
        ]
    }

    #[test]
    fn a_story_for_people() {
        let mut out = Vec::new();
        let mut timeline = Timeline::new(&mut out, false);
        for record in records() {
            timeline.show(&record).unwrap();
        }
        let expected = "\
story
  What it shows.

  kernel  this kernel
  nodes   a 10.0.0.1
          b 10.0.0.2

1. the master is cut off
    0.00 > a: set eth0 down
    3.51   b          10.0.0.8 appears
    3.51 ✓ 10.0.0.8 on b (after 3.51 s, limit master_down(99) = 3.61 s)
           10.0.0.8 on b · 39 answered (rs1 20, rs2 19), 1 failed

2. a returns
    9.00 ✗ expected: 10.0.0.8 on a
               seen: 10.0.0.8 is on b
           last lines of a
           | no such file

requests         39 answered (rs1 20, rs2 19), 1 failed
longest silence  10.0.0.8: 3.52 s
FAILED: a returns (after 9.00 s)
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn colours_are_for_terminals_only() {
        let shown = |colour| {
            let mut out = Vec::new();
            let mut timeline = Timeline::new(&mut out, colour);
            records()
                .iter()
                .for_each(|record| timeline.show(record).unwrap());
            String::from_utf8(out).unwrap().contains('\x1b')
        };
        assert!(shown(true));
        assert!(!shown(false));
    }

    #[test]
    fn the_same_story_as_data() {
        let mut report = Report::default();
        records().into_iter().for_each(|record| report.push(record));
        assert!(!report.passed);
        assert_eq!(report.steps.len(), 2);
        assert_eq!(report.steps[0].records.len(), 3);
        assert_eq!(report.failed_step().unwrap().title, "a returns");
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
