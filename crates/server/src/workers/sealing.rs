//! Seals business dates that are over, and hands them to witnesses.
//!
//! **Invariant:** a day is handed out only once it is durable in the journal. **Not here:** the engine's thread: rows are read and hashed
//! on one that gives way to it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::body::Bytes;
use http_body_util::Full;
use hyper::{Request, header};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use paytone_domain::{Actor, Answer, Command, sealed_day::SealedDay, time::BusinessDate};
use paytone_engine::Walk;
use tokio::sync::watch;

use crate::{
    node::Node,
    past::{PastError, apart},
    proof::{
        day::{Day, line},
        witness,
    },
    stores::Stores,
};

/// Between two looks at the calendar, and at most between two tries with a witness that does not take a day.
const PAUSE: Duration = Duration::from_secs(10);
/// After the first such try; twice as long after each further one.
const AGAIN: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn run(node: Arc<Node>, mut stopping: watch::Receiver<bool>) {
    let mut again = AGAIN;
    loop {
        let pause = tokio::select! {
            handed_out = once(&node) => if handed_out {
                again = AGAIN;
                PAUSE
            } else {
                again = (again * 2).min(PAUSE);
                again
            },
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Whether every witness has what is sealed, as far as this node is to see to it.
async fn once(node: &Arc<Node>) -> bool {
    // Of several nodes the one that leads seals, once it has shown that it does.
    if !node.engine.may_act() {
        return true;
    }
    let read = node
        .engine
        .read(|state, moment| (state.sealed_days.clone(), moment.date))
        .await;
    // The node is stopping, or too busy: there is time.
    let Ok(read) = read else { return true };
    let (mut sealed, today) = read.answer;
    let days = match over(node, sealed.last(), today, read.position).await {
        Ok(days) => days,
        Err(error) => {
            tracing::warn!(%error, "days that are over are not sealed yet");
            return true;
        }
    };
    for day in days {
        let day = day.seal(&node.keyring.day_key(), sealed.last());
        let command = Command::SealDay(Box::new(day.clone()));
        match node.submit(Actor::System, command).await {
            Ok(answered) if answered.answer == Answer::DaySealed(Ok(())) => {
                tracing::info!(date = %day.date.civil(), entries = day.entries, "business date sealed");
                sealed.push(day);
            }
            other => {
                tracing::warn!(?other, date = %day.date.civil(), "a business date is not sealed");
                return true;
            }
        }
    }
    hand_out(node, &sealed).await
}

/// The dates after `last` and before `today` on which something was posted.
async fn over(
    node: &Arc<Node>,
    last: Option<&SealedDay>,
    today: BusinessDate,
    end: u64,
) -> Result<Vec<Day>, PastError> {
    let (after, sealed) = last.map_or((0, None), |last| (last.row, Some(last.date)));
    let reader = Arc::clone(node);
    let run = move |config| async move {
        let node = reader;
        let mut journal = Stores::of(&config)?.journal_reader().await?;
        let mut days = BTreeMap::<BusinessDate, Day>::new();
        // Every row of a date that is over was durable when the engine said what day it is.
        let mut walk = Walk::from(after, end);
        loop {
            let rows = walk.next(&mut journal).await?;
            if rows.is_empty() {
                break;
            }
            for (row, batch) in &rows {
                let date = batch.moment.date;
                if date >= today {
                    return Ok(days);
                }
                if sealed.is_none_or(|sealed| date > sealed) {
                    let day = days.entry(date).or_insert_with(|| Day::new(date));
                    day.take(&node.keyring, row.seq, batch);
                }
            }
        }
        Ok(days)
    };
    let days = apart(node.config.clone(), run).await?;
    Ok(days
        .into_values()
        .filter(|day| day.roots.leaves() > 0)
        .collect())
}

async fn hand_out(node: &Arc<Node>, sealed: &[SealedDay]) -> bool {
    let settings = &node.config.witness;
    let mut all = true;
    if sealed.is_empty() {
        return all;
    }
    if !settings.file.as_os_str().is_empty() {
        match witness::add(&settings.file, sealed) {
            Ok(0) => {}
            Ok(days) => tracing::info!(days, "sealed days handed to the witness's file"),
            Err(error) => {
                tracing::error!(%error, "the witness's file cannot be written");
                all = false;
            }
        }
    }
    if !settings.url.is_empty()
        && let Err(error) = send(node, sealed).await
    {
        tracing::error!(%error, "the witness did not take a sealed day; it is sent again");
        all = false;
    }
    all
}

/// Sends what was not sent yet, in order; what was is remembered in the data folder.
async fn send(node: &Arc<Node>, sealed: &[SealedDay]) -> Result<(), String> {
    let url = &node.config.witness.url;
    let sent = node.config.data.join("witness-sent");
    let known = std::fs::read_to_string(&sent).unwrap_or_default();
    let connector = HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let waiting = sealed
        .iter()
        .filter(|day| day.date.civil().to_string().as_str() > known.trim());
    for day in waiting {
        let request = Request::post(url.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(line(day))))
            .map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(PATIENCE, client.request(request))
            .await
            .map_err(|_| "no answer in time".to_owned())?
            .map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("it answered {}", answer.status()));
        }
        std::fs::write(&sent, day.date.civil().to_string()).map_err(|error| error.to_string())?;
    }
    Ok(())
}
