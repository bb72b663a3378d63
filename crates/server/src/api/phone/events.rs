//! The event stream of one phone: server-sent events, read with `fetch` because of the session's header.
//!
//! It ends when the session does, when the device is removed, when a newer stream of the device takes its place, or when
//! something was missed; a phone opens another one, at any node. With `Last-Event-ID` it hears first what came since, each thing once and
//! as it stands now; the event `missed` says that not all of that is known any more. Without, it fetches what is pending. **Invariant:** a device that is not active
//! hears of itself and of nothing else.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use paytone_connectors::prompt::{Notice, stream::Heard};
use paytone_domain::{ids::DeviceId, subscriber::DeviceStatus};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    device::status_name,
    news::{self, NotOpened, OpenStream},
    recent::Place,
    session::SignedIn,
};
use crate::{
    cluster::forward,
    edge::{ids::Public, problem::Problem, time},
    node::Node,
};

const PING: Duration = Duration::from_secs(15);

/// `GET /phone/api/events`
pub async fn events(
    State(node): State<Arc<Node>>,
    signed_in: SignedIn,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let device = signed_in.device;
    let open = node
        .news
        .listen(device, signed_in.payer().id)
        .map_err(not_opened)?;
    let resumed = resume(&node, &signed_in, &headers).await;
    let left = signed_in.until.since(time::now()).max(0).unsigned_abs();
    let listening = Listening {
        shown: device.show(&node.ids),
        device,
        open,
        until: Instant::now() + Duration::from_millis(left),
        node,
        state: Progress::Opened,
        resumed,
    };
    let events = stream::unfold(listening, |mut listening| async move {
        let event = listening.next().await?;
        Some((Ok::<_, Infallible>(event), listening))
    });
    let keep_alive = KeepAlive::new().interval(PING).event(ping());
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect answers would keep a prompt from its phone.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

/// What a phone is told first, and what of its stream it has heard by then.
#[derive(Default)]
struct Resumed {
    missed: VecDeque<Notice>,
    /// Not everything is known that came since.
    has_gap: bool,
    up_to: Option<Place>,
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How long a node may take to read what another one has told already.
const READ_PATIENCE: Duration = Duration::from_secs(3);

async fn resume(node: &Node, signed_in: &SignedIn, headers: &HeaderMap) -> Resumed {
    let Some(last) = headers.get(LAST_EVENT_ID) else {
        return Resumed::default();
    };
    let place = last
        .to_str()
        .ok()
        .and_then(|text| Place::read(&node.ids, text));
    let missed = match place {
        Some(place) => {
            forward::reached(node, place.seq, READ_PATIENCE).await;
            news::since(node, signed_in.payer().id, place).await
        }
        None => None,
    };
    match missed {
        Some(missed) => Resumed {
            missed: missed.notices.into(),
            has_gap: false,
            up_to: Some(missed.up_to),
        },
        None => Resumed {
            has_gap: true,
            ..Resumed::default()
        },
    }
}

fn not_opened(why: NotOpened) -> Problem {
    match why {
        NotOpened::Full => Problem {
            retry_after_s: Some(5),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "there is no room for another stream now",
            )
        },
        NotOpened::TooMany => Problem {
            retry_after_s: Some(30),
            ..Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_streams",
                "too many phones of this number listen already",
            )
        },
    }
}

fn ping() -> Event {
    Event::default().event("ping").data("{}")
}

enum Progress {
    /// The first event says that the stream is there.
    Opened,
    Listening,
    /// The last event is out.
    Over,
}

struct Listening {
    node: Arc<Node>,
    device: DeviceId,
    /// `dev_…`
    shown: String,
    open: OpenStream,
    until: Instant,
    state: Progress,
    resumed: Resumed,
}

impl Listening {
    async fn next(&mut self) -> Option<Event> {
        match self.state {
            Progress::Opened => {
                // A removal from now on is told; one before may have been told to nobody.
                if self.status() == DeviceStatus::Removed {
                    return None;
                }
                self.state = Progress::Listening;
                return Some(ping());
            }
            Progress::Listening => {}
            Progress::Over => return None,
        }
        if std::mem::take(&mut self.resumed.has_gap) {
            return Some(Event::default().event("missed").data("{}"));
        }
        while let Some(notice) = self.resumed.missed.pop_front() {
            if let Some(event) = self.event(&notice) {
                return Some(event);
            }
        }
        loop {
            let heard = tokio::select! {
                heard = self.open.listener.next() => heard?,
                () = self.open.replaced.notified() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
            };
            match heard {
                Heard::FellBehind => return None,
                Heard::News(notice) if self.was_told(&notice) => {}
                Heard::News(notice) => {
                    if let Some(event) = self.event(&notice) {
                        return Some(event);
                    }
                }
            }
        }
    }

    /// Among what was missed.
    fn was_told(&self, notice: &Notice) -> bool {
        let place = Place::read(&self.node.ids, &notice.id);
        place.is_some_and(|place| Some(place) <= self.resumed.up_to)
    }

    fn status(&self) -> DeviceStatus {
        let card = self.node.directory.device(self.device);
        card.map_or(DeviceStatus::Removed, |card| card.status)
    }

    /// The notice as this device may hear it.
    fn event(&mut self, notice: &Notice) -> Option<Event> {
        let mut data: Value = serde_json::from_str(&notice.data).ok()?;
        let of_itself = notice.kind == "device" && data["id"] == self.shown.as_str();
        if !of_itself && self.status() != DeviceStatus::Active {
            return None;
        }
        if of_itself && data["status"] == status_name(DeviceStatus::Removed) {
            self.state = Progress::Over;
        }
        match notice.kind.as_str() {
            "device" => data["this"] = of_itself.into(),
            "prompt" => data["this_device"] = self.shown.clone().into(),
            _ => {}
        }
        Some(
            Event::default()
                .event(&notice.kind)
                .id(&notice.id)
                .data(data.to_string()),
        )
    }
}
