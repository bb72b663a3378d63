//! One frame: what stands where. Made for 80 columns and 24 lines; larger terminals give the charts more room.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Paragraph, Sparkline},
};

use super::{View, named};
use crate::metrics::{payments::Outcome, reading::Distribution};

const LABEL: usize = 12;
const NUMBER: usize = 10;

pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let [title, top, middle, memory, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(10),
        Constraint::Length(7),
        Constraint::Length(5),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let halves = Layout::horizontal([Constraint::Length(40), Constraint::Min(20)]);
    let [payments_at, charts] = halves.areas(top);
    let [payments_chart, commit_chart] =
        Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(charts);
    let [engine_at, outside_at] = halves.areas(middle);
    frame.render_widget(heading(view), title);
    framed(frame, payments_at, "Payments", payments(view));
    chart(
        frame,
        payments_chart,
        &format!("Payments/s, now {}", grouped(view.requested_rate())),
        &view.payments_chart,
        Color::Green,
    );
    let slowest = view.commit_chart.last().copied().filter(|us| *us > 0);
    chart(
        frame,
        commit_chart,
        &format!("Commit p99, now {}", time(slowest)),
        &view.commit_chart,
        Color::Yellow,
    );
    framed(frame, engine_at, "Engine, last minute", engine(view));
    framed(frame, outside_at, "Around it", around(view));
    framed(frame, memory, "Memory", parts(view));
    frame.render_widget(Paragraph::new(footer(view)), foot);
}

fn framed(frame: &mut Frame<'_>, area: Rect, title: &str, lines: Vec<Line<'static>>) {
    let block = Block::bordered().title(format!(" {title} "));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// The newest values that fit, the newest at the right.
fn chart(frame: &mut Frame<'_>, area: Rect, title: &str, values: &[u64], color: Color) {
    let block = Block::bordered().title(format!(" {title} "));
    let width = usize::from(block.inner(area).width);
    let newest = &values[values.len().saturating_sub(width)..];
    let empty = vec![0; width - newest.len()];
    let line = Sparkline::default()
        .block(block)
        .data([empty.as_slice(), newest].concat())
        .style(Style::new().fg(color));
    frame.render_widget(line, area);
}

fn heading(view: &View) -> Line<'static> {
    let now = &view.now;
    let (word, color) = if now.not_ready.is_empty() {
        ("● ready".to_owned(), Color::Green)
    } else {
        let parts = now.not_ready.iter().map(|reason| reason.part.as_str());
        let parts: Vec<_> = parts.collect();
        (format!("▲ not ready: {}", parts.join(", ")), Color::Red)
    };
    Line::from(vec![
        Span::styled(
            format!(" paytone {} ", now.version),
            Style::new().add_modifier(Modifier::BOLD),
        ),
        Span::raw(format!("  up {}   ", span(now.uptime_seconds))),
        Span::styled(word, Style::new().fg(color)),
        Span::raw(format!("   position {}", grouped(now.engine.position))),
    ])
}

fn footer(view: &View) -> Line<'static> {
    let reasons = view.now.not_ready.iter();
    let trouble = view.lost.clone().or_else(|| {
        reasons
            .map(|reason| format!("{}: {}", reason.part, reason.why))
            .next()
    });
    let mut spans = vec![Span::raw(" q quits  ")];
    spans.extend(trouble.map(|why| Span::styled(why, Style::new().fg(Color::Red))));
    Line::from(spans)
}

fn row(label: &str, rate: &str, total: &str) -> Line<'static> {
    Line::raw(format!(" {label:<LABEL$}{rate:>NUMBER$}  {total:>12}"))
}

fn payments(view: &View) -> Vec<Line<'static>> {
    let rate = |rate: u64| format!("{}/s", grouped(rate));
    let payments = &view.now.payments;
    let requested = row(
        "requested",
        &rate(view.requested_rate()),
        &grouped(payments.requested),
    );
    let outcomes = Outcome::ALL.map(|outcome| {
        let name = outcome.name();
        let total = grouped(named(&payments.outcomes, name));
        row(name, &rate(view.outcome_rate(name)), &total)
    });
    std::iter::once(requested).chain(outcomes).collect()
}

fn engine(view: &View) -> Vec<Line<'static>> {
    let times = |seen: &Distribution| {
        format!(
            "p50 {:>7}  p99 {:>7}",
            time(seen.quantile(50)),
            time(seen.quantile(99))
        )
    };
    let items = |hundredths| view.batch.quantile(hundredths).map_or(none(), grouped);
    let engine = &view.now.engine;
    let line = |label: &str, text: String| Line::raw(format!(" {label:<LABEL$}{text}"));
    vec![
        line("approval", times(&view.approval)),
        line("prompt", times(&view.prompt)),
        line("commit", times(&view.commit)),
        line(
            "batch",
            format!("p50 {:>7}  p99 {:>7}", items(50), items(99)),
        ),
        line(
            "queue",
            format!("{} of {}", grouped(engine.waiting), grouped(engine.queue)),
        ),
    ]
}

fn around(view: &View) -> Vec<Line<'static>> {
    let now = &view.now;
    let line = |label: &str, text: String| Line::raw(format!(" {label:<LABEL$}{text}"));
    let webhooks = now.webhooks.as_ref().map_or_else(none, |webhooks| {
        let oldest = if webhooks.waiting > 0 {
            format!(", oldest {:.0} s", webhooks.oldest_seconds)
        } else {
            String::new()
        };
        format!("{} waiting{oldest}", grouped(webhooks.waiting))
    });
    vec![
        line(
            "views",
            format!(
                "{} behind, {:.1} s",
                grouped(now.views.behind_positions),
                now.views.behind_seconds
            ),
        ),
        line("webhooks", webhooks),
        line("requests", format!("{}/s", grouped(view.request_rate()))),
        line(
            "turned away",
            format!(
                "{}/s, {} in all",
                grouped(view.turned_away_rate()),
                grouped(super::turned_away(now))
            ),
        ),
        line(
            "open",
            format!(
                "{} connections, {} streams",
                grouped(now.http.connections),
                grouped(now.http.streams)
            ),
        ),
    ]
}

/// Resident memory and the largest parts of the state, three to a line.
fn parts(view: &View) -> Vec<Line<'static>> {
    const SHOWN: [&str; 8] = [
        "subscribers",
        "devices",
        "merchants",
        "mandates",
        "payments",
        "open_prompts",
        "repeat_keys",
        "effects",
    ];
    let memory = &view.now.memory;
    let mebibytes = format!("{} MiB", grouped(memory.resident_bytes >> 20));
    let resident = ("resident".to_owned(), mebibytes);
    let counted = SHOWN.map(|name| {
        let count = grouped(named(&memory.state, name));
        (name.replace('_', " "), count)
    });
    let cells: Vec<_> = std::iter::once(resident).chain(counted).collect();
    let lines = cells.chunks(3).map(|cells| {
        let cells = cells.iter();
        let texts = cells.map(|(name, value)| format!(" {name:<LABEL$}{value:>11} "));
        Line::raw(texts.collect::<String>())
    });
    lines.collect()
}

fn none() -> String {
    "–".to_owned()
}

/// Microseconds as people read them.
fn time(micros: Option<u64>) -> String {
    match micros {
        None => none(),
        Some(us @ ..1_000) => format!("{us} µs"),
        Some(us @ 1_000..1_000_000) => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        Some(us) => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

fn span(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match hours {
        0 => format!("{minutes} min {} s", seconds % 60),
        1..48 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} days", hours / 24),
    }
}

/// With a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_for_people() {
        let numbers = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345", "1,234,567"]);
        let times = [None, Some(999), Some(1_536), Some(2_500_000)].map(time);
        assert_eq!(times, ["–", "999 µs", "1.5 ms", "2.5 s"]);
        let spans = [59, 3_600, 200_000].map(span);
        assert_eq!(spans, ["0 min 59 s", "1 h 0 min", "2 days"]);
    }
}
