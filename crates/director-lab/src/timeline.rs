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
                let more = if text.contains("requests") || text.contains("silent") {
                    format!("; {seen}")
                } else {
                    String::new()
                };
                let tail = self.paint(Paint::Dim, &format!("(after {took}, limit {limit}{more})"));
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
