//! Whether a node should get requests.
//!
//! `/healthz` says that the process answers. `/readyz` says that the engine runs, that the journal takes appends, that the state is the
//! leader's and that the views are not hopelessly behind, or which of these is not so. **Not here:** overload. A node that is busy is ready; whom it
//! turns away is told so within milliseconds.

use std::time::Duration;

use paytone_engine::EngineError;
use serde::{Deserialize, Serialize};

use super::reading::Views;
use crate::node::Node;

/// How long the engine may take to answer that it is there.
const PATIENCE: Duration = Duration::from_secs(1);
/// An append that takes longer means that the journal takes none.
const APPEND: Duration = Duration::from_secs(3);

/// One reason why a node is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotReady {
    /// `state`, `engine`, `journal` or `views`.
    pub part: String,
    pub why: String,
}

impl NotReady {
    /// Whether the node decides nothing any more, nor answers from its state.
    pub fn is_of_a_stopped_engine(&self) -> bool {
        self.part == "state" || (self.part == "engine" && self.why == STOPPED)
    }
}

const STOPPED: &str = "it has stopped";

fn because(part: &str, why: String) -> NotReady {
    NotReady {
        part: part.to_owned(),
        why,
    }
}

/// What keeps `node` from being ready.
pub async fn not_ready(node: &Node) -> Vec<NotReady> {
    let appending = node.engine.stats().appending_for();
    let mut reasons: Vec<_> = journal(appending).into_iter().collect();
    let differs = node
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.differs.get());
    reasons.extend(differs.map(|report| because("state", report.clone())));
    // Whatever the engine answers waits for the journal.
    if reasons.is_empty() {
        let probe = tokio::time::timeout(PATIENCE, node.engine.read(|_, _| ())).await;
        let answer = probe.map(|answer| answer.map(|_| ()));
        reasons.extend(engine(answer.ok()));
    }
    let views_may = Duration::from_secs(node.config.telemetry.views_behind_seconds);
    reasons.extend(views(&Views::of(node), views_may));
    reasons
}

fn journal(appending: Option<Duration>) -> Option<NotReady> {
    let taking = appending.filter(|taking| *taking >= APPEND)?;
    let why = format!("an append has been under way for {} s", taking.as_secs());
    Some(because("journal", why))
}

/// `answer` is `None` if there was none in time.
fn engine(answer: Option<Result<(), EngineError>>) -> Option<NotReady> {
    let why = match answer {
        // A lead that changes hands is back in a moment.
        Some(Ok(()) | Err(EngineError::Overloaded | EngineError::NotLeading)) => return None,
        Some(Err(EngineError::Stopped)) => STOPPED,
        None => "it does not answer",
    };
    Some(because("engine", why.to_owned()))
}

fn views(seen: &Views, may: Duration) -> Option<NotReady> {
    let is_behind = seen.behind_positions > 0 && seen.behind_seconds > may.as_secs_f64();
    is_behind.then(|| {
        let why = format!(
            "{} positions and {:.0} s behind the journal",
            seen.behind_positions, seen.behind_seconds
        );
        because("views", why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_append_that_takes_long_is_a_journal_that_takes_none() {
        assert_eq!(journal(None), None);
        assert_eq!(journal(Some(APPEND - Duration::from_millis(1))), None);
        let reason = journal(Some(APPEND)).expect("a reason");
        assert_eq!(reason.part, "journal");
    }

    #[test]
    fn an_engine_that_is_busy_is_there_and_one_that_stopped_is_not() {
        assert_eq!(engine(Some(Ok(()))), None);
        assert_eq!(engine(Some(Err(EngineError::Overloaded))), None);
        for answer in [Some(Err(EngineError::Stopped)), None] {
            assert_eq!(engine(answer).expect("a reason").part, "engine");
        }
    }

    #[test]
    fn views_may_be_behind_for_a_while() {
        let behind = |behind_positions, behind_seconds| Views {
            position: 1,
            behind_positions,
            behind_seconds,
        };
        let may = Duration::from_secs(300);
        assert_eq!(views(&behind(9, 300.0), may), None);
        assert_eq!(views(&behind(0, 301.0), may), None);
        assert_eq!(
            views(&behind(9, 301.0), may).expect("a reason").part,
            "views"
        );
    }
}
