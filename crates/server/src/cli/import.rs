//! `paytone import`

use std::{
    collections::VecDeque,
    fs::File,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Subcommand;
use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    Failure,
    chunks::{Chunk, Chunks},
    client::{Client, Reach, Reply, segment},
    show,
};

/// Chunks on their way at a time: enough that no core waits.
const UNDER_WAY: usize = 4;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Subscribers and lines from a network export
    Lines {
        file: PathBuf,
        /// How old the export is (RFC 3339); the file's modification time unless said
        #[arg(long, value_name = "TIME")]
        as_of: Option<String>,
        /// Where rows that cannot be taken in go, with line and reason; FILE.rejects.csv unless said
        #[arg(long, value_name = "FILE")]
        rejects: Option<PathBuf>,
    },
    /// What subscribers already hold, as opening entries, each row exactly once
    Balances {
        file: PathBuf,
        /// The sum that all good rows must have, else nothing is imported
        #[arg(long, value_name = "AMOUNT")]
        control_total: Option<Decimal>,
        /// How many good rows there must be, else nothing is imported
        #[arg(long, value_name = "ROWS")]
        control_count: Option<u64>,
        /// Where rows that cannot be taken in go, with line and reason; FILE.rejects.csv unless said
        #[arg(long, value_name = "FILE")]
        rejects: Option<PathBuf>,
    },
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    match command {
        Command::Lines {
            file,
            as_of,
            rejects,
        } => lines(reach, &file, as_of, rejects).await,
        Command::Balances {
            file,
            control_total,
            control_count,
            rejects,
        } => balances(reach, &file, control_total, control_count, rejects).await,
    }
}

async fn lines(
    reach: &Reach,
    file: &Path,
    as_of: Option<String>,
    rejects: Option<PathBuf>,
) -> Result<(), Failure> {
    let as_of = match as_of {
        Some(as_of) => as_of,
        None => modified(file)?,
    };
    let client = reach.client()?;
    let begun = Instant::now();
    let mut rejects = Rejects::of(file, rejects);
    let body = json!({"kind": "lines", "as_of": as_of});
    let totals = send(&client, file, "lines", &body, &mut rejects).await?;
    let rejected = rejects.finish()?;
    let count = |name: &str| totals.count(name);
    let answer = json!({
        "rows": count("rows")?,
        "added": count("added")?,
        "updated": count("updated")?,
        "renumbered": count("renumbered")?,
        "recycled": count("recycled")?,
        "unchanged": count("unchanged")?,
        "rejected": rejected.count,
        "rejects": rejected.path,
        "as_of": as_of,
        "seconds": format!("{:.2}", begun.elapsed().as_secs_f64()),
    });
    if !show::as_json(reach.json, &answer) {
        print(
            &answer,
            &[
                "rows",
                "added",
                "updated",
                "renumbered",
                "recycled",
                "unchanged",
                "rejected",
                "rejects",
                "as_of",
                "seconds",
            ],
        );
    }
    Ok(())
}

async fn balances(
    reach: &Reach,
    file: &Path,
    control_total: Option<Decimal>,
    control_count: Option<u64>,
    rejects: Option<PathBuf>,
) -> Result<(), Failure> {
    let client = reach.client()?;
    // First everything is looked at: what does not add up is not begun.
    let body = json!({"kind": "balances", "check": true});
    let mut checked = Rejects::of(file, rejects.clone());
    let found = send(&client, file, "balances", &body, &mut checked).await?;
    let (good, total) = (found.count("good")?, found.amount("good_amount")?);
    let mismatch = |what: &str, expected: String, found: String| {
        Failure::new(format_args!(
            "nothing was imported: the control {what} is {expected}, the file's good rows have {found}"
        ))
    };
    if let Some(expected) = control_count.filter(|expected| *expected != good) {
        checked.finish()?;
        return Err(mismatch("count", expected.to_string(), good.to_string()));
    }
    if let Some(expected) = control_total.filter(|expected| *expected != total) {
        checked.finish()?;
        return Err(mismatch("total", expected.to_string(), total.to_string()));
    }
    let mut rejects = Rejects::of(file, rejects);
    let body = json!({"kind": "balances"});
    let done = send(&client, file, "balances", &body, &mut rejects).await?;
    let rejected = rejects.finish()?;
    let answer = json!({
        "rows": done.count("rows")?,
        "good": done.count("good")?,
        "good_amount": done.amount("good_amount")?.to_string(),
        "imported": done.count("imported")?,
        "imported_amount": done.amount("imported_amount")?.to_string(),
        "unchanged": done.count("unchanged")?,
        "rejected": rejected.count,
        "rejects": rejected.path,
    });
    if !show::as_json(reach.json, &answer) {
        print(
            &answer,
            &[
                "rows",
                "good",
                "good_amount",
                "imported",
                "imported_amount",
                "unchanged",
                "rejected",
                "rejects",
            ],
        );
    }
    Ok(())
}

fn print(answer: &Value, names: &[&str]) {
    let facts: Vec<_> = names.iter().map(|name| (*name, &answer[*name])).collect();
    show::facts(&facts);
}

fn modified(file: &Path) -> Result<String, Failure> {
    let doing = |error: &dyn std::fmt::Display| Failure::doing(file.display(), error);
    let modified = std::fs::metadata(file)
        .and_then(|facts| facts.modified())
        .map_err(|error| doing(&error))?;
    let at = jiff::Timestamp::try_from(modified).map_err(|error| doing(&error))?;
    Ok(format!("{at:.3}"))
}

/// What all chunks' answers add up to.
#[derive(Default)]
struct Totals(std::collections::BTreeMap<String, Decimal>);

impl Totals {
    fn add(&mut self, answer: &Value) {
        for (name, value) in answer.as_object().into_iter().flatten() {
            let number = match value {
                Value::Number(number) => number.as_u64().map(Decimal::from),
                Value::String(text) => text.parse().ok(),
                _ => None,
            };
            if let Some(number) = number {
                *self.0.entry(name.clone()).or_default() += number;
            }
        }
    }

    /// Every answer has it: one that lacks it is another release's.
    fn amount(&self, name: &str) -> Result<Decimal, Failure> {
        let found = self.0.get(name).copied();
        // A file without rows was answered nothing.
        let found = found.or_else(|| self.0.is_empty().then(Decimal::default));
        found.ok_or_else(|| Failure::new(format_args!("the server sent no {name}")))
    }

    fn count(&self, name: &str) -> Result<u64, Failure> {
        let amount = self.amount(name)?;
        u64::try_from(amount)
            .map_err(|_| Failure::new(format_args!("the server sent {amount} as {name}")))
    }
}

/// Sends a whole file, several chunks at a time, and adds up what came of them.
async fn send(
    client: &Client,
    file: &Path,
    kind: &str,
    open: &Value,
    rejects: &mut Rejects,
) -> Result<Totals, Failure> {
    let doing = |error: std::io::Error| Failure::doing(file.display(), error);
    let source = File::open(file).map_err(doing)?;
    let size = source.metadata().map_err(doing)?.len();
    let mut chunks = Chunks::of(source).map_err(doing)?;
    let opened = client.post("/imports", open).await?;
    let id = segment(&show::text(&opened["import"]));
    let bar = ProgressBar::new(size).with_style(
        ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes}, {msg} rows, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut totals = Totals::default();
    let mut under_way: VecDeque<(Chunk, JoinHandle<Result<Reply, Failure>>)> = VecDeque::new();
    let outcome = loop {
        let next = match chunks.next_chunk() {
            Ok(next) => next,
            Err(error) => break Err(doing(error)),
        };
        let ended = next.is_none();
        if let Some(chunk) = next {
            let (client, path) = (client.clone(), chunk_path(&id, kind, &chunk));
            let bytes = chunk.bytes.clone();
            let sending = tokio::spawn(async move {
                client
                    .send(Method::POST, &path, Some((bytes, "text/csv")))
                    .await
            });
            under_way.push_back((chunk, sending));
        }
        if under_way.len() < UNDER_WAY && !ended {
            continue;
        }
        let Some((chunk, sending)) = under_way.pop_front() else {
            break Ok(());
        };
        let answer = match sending.await {
            Ok(answer) => answer.and_then(Reply::success),
            Err(error) => Err(Failure::new(error)),
        };
        match answer {
            Ok(answer) => {
                totals.add(&answer);
                if let Err(failure) = rejects.take(&chunk, &answer) {
                    break Err(failure);
                }
                bar.inc(chunk.size);
                bar.set_message(totals.count("rows").unwrap_or_default().to_string());
            }
            Err(failure) => {
                break Err(Failure::new(format_args!(
                    "{failure}; rows before line {} are in, and importing the file again goes on from there",
                    chunk.first_line
                )));
            }
        }
    };
    for (_, sending) in under_way {
        sending.abort();
    }
    bar.finish_and_clear();
    let path = format!("/imports/{id}");
    let closing = client.ask(Method::DELETE, &path, None);
    // An import that is not closed closes by itself.
    drop(tokio::time::timeout(Duration::from_secs(5), closing).await);
    outcome.map(|()| totals)
}

fn chunk_path(id: &str, kind: &str, chunk: &Chunk) -> String {
    format!(
        "/imports/{id}/{kind}?chunk={}&line={}",
        chunk.number, chunk.first_line
    )
}

/// The file of rows that were not taken in; made when there is one.
struct Rejects {
    path: PathBuf,
    writer: Option<csv::Writer<File>>,
    count: u64,
}

struct Rejected {
    count: u64,
    path: Option<String>,
}

impl Rejects {
    fn of(file: &Path, asked: Option<PathBuf>) -> Self {
        let path = asked.unwrap_or_else(|| {
            let mut name = file.as_os_str().to_owned();
            name.push(".rejects.csv");
            name.into()
        });
        Self {
            path,
            writer: None,
            count: 0,
        }
    }

    fn take(&mut self, chunk: &Chunk, answer: &Value) -> Result<(), Failure> {
        for rejected in show::list(answer, "rejected")? {
            let line = show::count(rejected, "line")?;
            let fields = [
                line.to_string(),
                show::text(&rejected["column"]),
                show::text(&rejected["code"]),
                show::text(&rejected["reason"]),
                chunk.row_at(line).unwrap_or_default(),
            ];
            self.count += 1;
            let path = self.path.clone();
            let written = self.writer()?.write_record(fields);
            written.map_err(|error| Failure::doing(path.display(), error))?;
        }
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut csv::Writer<File>, Failure> {
        let doing = |error: &dyn std::fmt::Display| Failure::doing(self.path.display(), error);
        if self.writer.is_none() {
            // It holds rows of people; an old one is of an old import.
            let _ = std::fs::remove_file(&self.path);
            let file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&self.path)
                .map_err(|error| doing(&error))?;
            let mut writer = csv::Writer::from_writer(file);
            writer
                .write_record(["line", "column", "code", "reason", "row"])
                .map_err(|error| doing(&error))?;
            self.writer = Some(writer);
        }
        self.writer
            .as_mut()
            .ok_or_else(|| Failure::new("the rejects file is not open"))
    }

    fn finish(self) -> Result<Rejected, Failure> {
        let path = self
            .writer
            .is_some()
            .then(|| self.path.display().to_string());
        if let Some(mut writer) = self.writer {
            writer
                .flush()
                .map_err(|error| Failure::doing(self.path.display(), error))?;
            let file = writer
                .into_inner()
                .map_err(|error| Failure::new(error.error()))?;
            (&file)
                .flush()
                .map_err(|error| Failure::doing(self.path.display(), error))?;
        }
        Ok(Rejected {
            count: self.count,
            path,
        })
    }
}
