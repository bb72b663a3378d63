//! How far a start has got, for everybody who waits for it.
//!
//! ```text
//!   Node::start ──step──▶ StartUp ──▶ bar on the terminal, lines in the log
//!                                ╰──▶ listeners, open before the journal is: /healthz 200, /readyz 503 and how far, 503 for all else
//! ```
//! **Invariants:** while a node starts no request reaches its routes; a connection that came then is closed with its answer, so that the
//! next one reaches the node. The public listener tells shares and no volumes. **Not here:** what
//! a start does.

use std::{
    io::IsTerminal as _,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse as _, Response},
    routing::get,
};
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use paytone_engine::replay::Progress;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    config::Limits,
    edge::{json, problem::Problem},
    http::{Served, serve},
    metrics,
};

/// Between two lines of the log that say how far a start got.
const SAID_EVERY: Duration = Duration::from_secs(2);
/// How long an answer that was under way may take once the node is there.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What a start does, in this order; stable names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    OpeningStores,
    LoadingSnapshot,
    ReplayingJournal,
    MakingArchive,
    WaitingForFirstRow,
    OpeningViews,
    StartingWorkers,
}

impl Doing {
    const fn words(self) -> &'static str {
        match self {
            Self::OpeningStores => "opening the stores",
            Self::LoadingSnapshot => "loading the snapshot",
            Self::ReplayingJournal => "replaying the journal",
            Self::MakingArchive => "making the archive again",
            Self::WaitingForFirstRow => "waiting for the journal's first row",
            Self::OpeningViews => "opening the views",
            Self::StartingWorkers => "starting the workers",
        }
    }

    /// What is counted.
    const fn unit(self) -> Option<&'static str> {
        match self {
            Self::LoadingSnapshot => Some("bytes"),
            Self::ReplayingJournal | Self::MakingArchive => Some("rows"),
            Self::OpeningStores
            | Self::WaitingForFirstRow
            | Self::OpeningViews
            | Self::StartingWorkers => None,
        }
    }
}

/// One moment of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub doing: Doing,
    pub done: u64,
    /// Zero where nothing is counted.
    pub of: u64,
}

impl Step {
    const fn begin(doing: Doing) -> Self {
        Self {
            doing,
            done: 0,
            of: 0,
        }
    }

    fn percent(self) -> Option<u64> {
        let done = u128::from(self.done.min(self.of)) * 100;
        let share = done.checked_div(u128::from(self.of))?;
        u64::try_from(share).ok()
    }

    /// For people: `replaying the journal, 41 %`.
    fn share(self) -> String {
        let words = self.doing.words();
        match self.percent() {
            Some(percent) => format!("{words}, {percent} %"),
            None => words.to_owned(),
        }
    }

    /// The same with figures.
    fn figures(self) -> String {
        let words = self.doing.words();
        match self.doing.unit() {
            Some(unit) => format!("{words}: {} of {} {unit}", self.done, self.of),
            None => words.to_owned(),
        }
    }
}

/// A start, as those see it who wait. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StartUp(Arc<Mutex<Shown>>);

#[derive(Debug)]
struct Shown {
    step: Step,
    bar: ProgressBar,
    said: Instant,
}

impl Default for StartUp {
    fn default() -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}%, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(Arc::new(Mutex::new(Shown {
            step: Step::begin(Doing::OpeningStores),
            bar,
            said: Instant::now(),
        })))
    }
}

impl StartUp {
    pub fn step(&self) -> Step {
        self.0.lock().step
    }

    pub fn begins(&self, doing: Doing) {
        self.at(Step::begin(doing));
    }

    pub fn at(&self, step: Step) {
        let mut shown = self.0.lock();
        if shown.step.doing != step.doing {
            shown.bar.reset_elapsed();
        }
        shown.step = step;
        let now = Instant::now();
        // A short start shows nothing.
        if now.duration_since(shown.said) < SAID_EVERY || step.of == 0 {
            return;
        }
        shown.said = now;
        shown.bar.set_message(step.doing.words());
        shown.bar.set_length(step.of);
        shown.bar.set_position(step.done);
        let (done, all) = (step.done, step.of);
        tracing::info!(done, all, "{}", step.doing.words());
    }

    /// Of the journal and its snapshot.
    pub fn restarts(&self, progress: Progress) {
        self.at(match progress {
            Progress::Loading { bytes, of } => Step {
                doing: Doing::LoadingSnapshot,
                done: bytes,
                of,
            },
            Progress::Replaying { from, seq, end } => Step {
                doing: Doing::ReplayingJournal,
                done: seq.saturating_sub(from),
                of: end.saturating_sub(from),
            },
        });
    }

    /// Nothing more is counted.
    pub fn counted(&self) {
        self.0.lock().bar.finish_and_clear();
    }

    /// Answers on `listener` until the node is there.
    pub fn front(
        &self,
        listener: TcpListener,
        limits: &Limits,
        tells: Tells,
    ) -> std::io::Result<Front> {
        let waiting = Waiting {
            start: self.clone(),
            tells,
        };
        let listener = listener.into_std()?;
        let early = TcpListener::from_std(listener.try_clone()?)?;
        Ok(Front {
            listener: Some(TcpListener::from_std(listener)?),
            early: Some(serve(early, waiting.router(), limits)?),
        })
    }
}

/// What a listener may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// Shares alone: anybody may ask.
    Shares,
    /// Figures, as the operator alone reaches it.
    Figures,
}

/// A listener that is answered on already.
pub struct Front {
    listener: Option<TcpListener>,
    early: Option<Served>,
}

impl Front {
    /// The listener, for the node's own routes. What waits in its queue stays there.
    pub fn open(mut self) -> (TcpListener, Early) {
        let listener = self.listener.take().expect("it is taken once");
        (listener, Early(self.early.take()))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // The start failed: nobody answers there any more.
        drop(Early(self.early.take()));
    }
}

/// What goes on answering until the node's own routes do.
pub struct Early(Option<Served>);

impl Early {
    pub async fn close(mut self) {
        if let Some(served) = self.0.take() {
            served.drain(LAST_ANSWERS).await;
        }
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        if let Some(served) = &self.0 {
            served.abort();
        }
    }
}

#[derive(Clone)]
struct Waiting {
    start: StartUp,
    tells: Tells,
}

impl Waiting {
    fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(metrics::serve::healthz))
            .route("/readyz", get(not_ready))
            .fallback(not_yet)
            .method_not_allowed_fallback(not_yet)
            .layer(map_response(closing))
            .with_state(self)
    }
}

/// The next request is to find the node, if it is there.
async fn closing(mut response: Response) -> Response {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

async fn not_ready(State(waiting): State<Waiting>) -> Response {
    let step = waiting.start.step();
    let body = match waiting.tells {
        Tells::Shares => json!({
            "ready": false,
            "not_ready": ["starting"],
            "starting": {"doing": step.doing, "percent": step.percent()},
        }),
        Tells::Figures => json!({
            "ready": false,
            "not_ready": [{"part": "starting", "why": step.figures()}],
            "starting": {
                "doing": step.doing,
                "percent": step.percent(),
                "done": step.done,
                "of": step.of,
                "unit": step.doing.unit(),
            },
        }),
    };
    json::answer(StatusCode::SERVICE_UNAVAILABLE, &body)
}

async fn not_yet(State(waiting): State<Waiting>) -> Response {
    let share = waiting.start.step().share();
    let problem = Problem {
        retry_after_s: Some(1),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "starting",
            format!("this node is starting ({share}); nothing was done; try again"),
        )
    };
    problem.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_is_counted_and_never_more_than_all() {
        let step = |done, of| Step {
            doing: Doing::ReplayingJournal,
            done,
            of,
        };
        for (done, of, percent) in [
            (0, 0, None),
            (0, 3, Some(0)),
            (1, 3, Some(33)),
            (3, 3, Some(100)),
            (4, 3, Some(100)),
            (u64::MAX, u64::MAX, Some(100)),
        ] {
            assert_eq!(step(done, of).percent(), percent, "{done} of {of}");
        }
        assert_eq!(step(1, 3).share(), "replaying the journal, 33 %");
        assert_eq!(step(1, 3).figures(), "replaying the journal: 1 of 3 rows");
    }
}
