//! News: durable events become notices for the phones that listen.
//!
//! ```text
//!   durable batch ──touched──▶ ids ──one look at the state──▶ what those who listen may see ──▶ notices
//! ```
//! A notice tells how something stands now, not how it changed, so a repeated or late one does no harm. A phone that names the last
//! one it heard, here or at another node, is told first what came since ([`since`]). **Invariants:**
//! where nobody listens nothing is looked at; who falls behind is hung up on and fetches anew; at most
//! [`STREAMS_PER_DEVICE`] streams of a device are open, the newest ones.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use paytone_connectors::prompt::{
    Notice, PromptChannel, prompt_channel,
    stream::{self, Listener, Stream},
};
use paytone_domain::{
    State as DomainState,
    ids::{DeviceId, SubscriberId},
    subscriber::PromptRef,
    time::{Moment, Timestamp},
};
use paytone_engine::Durable;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{
    Notify, OwnedSemaphorePermit, Semaphore,
    broadcast::{Receiver, error::RecvError},
};

use super::{
    device::{self, DeviceSeen, status_name},
    prompt::{self, Asked, Payer, show_ref},
    recent::{Place, Recent},
    record::{PaymentSeen, Reader},
    touched::{Happened, OpenEffects, Touched},
};
use crate::{
    archive::Known,
    edge::{problem::Problem, time},
    node::Node,
};

/// A few tabs of one phone.
const STREAMS_PER_DEVICE: usize = 3;

/// Who listens.
pub struct News {
    stream: Arc<Stream>,
    /// Ways to wake a phone for a prompt.
    channels: Vec<Arc<dyn PromptChannel>>,
    room: Arc<Semaphore>,
    most: usize,
    open: Mutex<FxHashMap<DeviceId, VecDeque<Arc<Notify>>>>,
    recent: Mutex<Recent>,
}

/// Why a stream was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// Too many in all, or the node is stopping.
    Full,
    /// Too many of this subscriber's.
    TooMany,
}

/// One open stream; closed when dropped.
pub struct OpenStream {
    pub listener: Listener,
    /// A newer stream of the same device took its place.
    pub replaced: Arc<Notify>,
    device: DeviceId,
    news: Arc<News>,
    _room: OwnedSemaphorePermit,
}

impl News {
    /// Room for `streams` in all.
    pub fn new(streams: usize) -> Self {
        let stream = Arc::new(Stream::default());
        let channels = [stream::NAME].map(|name| prompt_channel(name, &stream));
        let most = streams.min(Semaphore::MAX_PERMITS);
        Self {
            most,
            channels: channels.into_iter().flatten().collect(),
            stream,
            room: Arc::new(Semaphore::new(most)),
            open: Mutex::default(),
            recent: Mutex::default(),
        }
    }

    /// Opens a stream for a device. Where it has too many, its oldest makes room.
    pub fn listen(
        self: &Arc<Self>,
        device: DeviceId,
        owner: SubscriberId,
    ) -> Result<OpenStream, NotOpened> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| NotOpened::Full)?;
        let listener = self.stream.listen(&recipient(owner));
        let listener = listener.map_err(|_| NotOpened::TooMany)?;
        // Closed meanwhile: nobody would hang up on this one.
        if self.room.is_closed() {
            return Err(NotOpened::Full);
        }
        let replaced = Arc::new(Notify::new());
        let mut open = self.open.lock();
        let streams = open.entry(device).or_default();
        streams.push_back(Arc::clone(&replaced));
        if streams.len() > STREAMS_PER_DEVICE
            && let Some(oldest) = streams.pop_front()
        {
            oldest.notify_one();
        }
        drop(open);
        Ok(OpenStream {
            listener,
            replaced,
            device,
            news: Arc::clone(self),
            _room: room,
        })
    }

    /// Ends every stream of one device: it signed out. One that only reads again opens another.
    pub fn hang_up(&self, device: DeviceId) {
        let open = self.open.lock();
        for stream in open.get(&device).into_iter().flatten() {
            stream.notify_one();
        }
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.most.saturating_sub(self.room.available_permits())
    }

    /// Ends every stream and opens no more: the node is stopping.
    pub fn close(&self) {
        self.room.close();
        self.stream.hang_up();
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.news.open.lock();
        if let Some(streams) = open.get_mut(&self.device) {
            streams.retain(|stream| !Arc::ptr_eq(stream, &self.replaced));
            if streams.is_empty() {
                open.remove(&self.device);
            }
        }
    }
}

fn recipient(id: SubscriberId) -> String {
    id.0.to_string()
}

/// Tells phones, batch after batch, as long as the node is there.
pub async fn follow(node: Weak<Node>, mut durable: Receiver<Arc<Durable>>) {
    let Some(mut effects) = begin(&node).await else {
        return;
    };
    loop {
        match durable.recv().await {
            Ok(batch) => {
                let touched = Arc::new(Touched::by(&batch.batch, &mut effects));
                let Some(node) = node.upgrade() else { return };
                // First kept, then told: who begins to listen in between finds it in one of the two.
                node.news.recent.lock().push(batch.seq, &touched);
                if !touched.is_empty() && node.news.stream.recipients() > 0 {
                    tell(&node, batch.seq, batch.batch.moment.now, touched).await;
                }
            }
            Err(RecvError::Lagged(batches)) => {
                tracing::warn!(batches, "news fell behind; every phone fetches anew");
                let Some(still) = begin(&node).await else {
                    return;
                };
                effects = still;
                if let Some(node) = node.upgrade() {
                    node.news.stream.hang_up();
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// From what is durable now on; `None` once the node is gone.
async fn begin(node: &Weak<Node>) -> Option<OpenEffects> {
    let engine = node.upgrade()?.engine.clone();
    let read = engine.read(|state, _| {
        let open = state.effects.values();
        open.map(|effect| (effect.id, effect.into())).collect()
    });
    let read = read.await.ok()?;
    // Batches up to there may still come, and are told as well.
    node.upgrade()?.news.recent.lock().begin(read.position);
    Some(read.answer)
}

/// One piece of news, its texts still sealed.
enum Piece {
    Asked(Asked),
    Closed(PromptRef, &'static str),
    Payment(PaymentSeen),
    Device(DeviceSeen),
    Me,
}

impl Piece {
    /// What it is about: a later piece about the same says all that an earlier one did.
    fn thing(&self) -> (u8, u64) {
        match self {
            Self::Asked(Asked::Payment { id, .. }) | Self::Closed(PromptRef::Payment(id), _) => {
                (0, id.0)
            }
            Self::Asked(Asked::Mandate { id, .. }) | Self::Closed(PromptRef::Mandate(id), _) => {
                (1, id.0)
            }
            Self::Asked(Asked::Device { id, .. }) | Self::Closed(PromptRef::Device(id), _) => {
                (2, id.0)
            }
            Self::Payment(seen) => (3, seen.id.0),
            Self::Device(seen) => (4, seen.id.0),
            Self::Me => (5, 0),
        }
    }
}

/// A piece of news, where it belongs, and whose it is.
struct Found {
    place: Place,
    payer: Payer,
    piece: Piece,
}

async fn tell(node: &Node, seq: u64, happened_at: Timestamp, touched: Arc<Touched>) {
    let stream = Arc::clone(&node.news.stream);
    let looked = node.look(move |known, moment| {
        let mut look = Look::new(known, moment, Whom::Listeners(&stream));
        look.at(seq, &touched);
        look.pieces
    });
    // The engine has stopped: there is nothing more to tell.
    let Ok(looked) = looked.await else { return };
    for found in looked.answer {
        if !node.news.stream.reaches(&recipient(found.payer.id)) {
            continue;
        }
        match notice(node, &found).await {
            Ok(notice) => {
                send(node, &notice).await;
                if matches!(found.piece, Piece::Asked(Asked::Payment { .. })) {
                    let took_ms = time::now().since(happened_at).max(0).unsigned_abs();
                    node.metrics.prompt_us.record(took_ms * 1_000);
                }
            }
            // The phone finds it when it fetches.
            Err(problem) => tracing::warn!(code = problem.code, "news could not be written"),
        }
    }
}

async fn notice(node: &Node, found: &Found) -> Result<Notice, Problem> {
    let (kind, data) = written(node, found.payer, &found.piece).await?;
    Ok(Notice {
        id: found.place.show(&node.ids),
        recipient: recipient(found.payer.id),
        kind: kind.to_owned(),
        data: data.into(),
    })
}

/// What a phone missed, and up to where: what is later is heard on its stream, which is open already.
pub struct Missed {
    pub notices: Vec<Notice>,
    pub up_to: Place,
}

/// What came for `payer` after `place`, each thing once, as it stands now; `None` if not all of it is kept.
pub async fn since(node: &Node, payer: SubscriberId, place: Place) -> Option<Missed> {
    let (batches, up_to) = {
        let recent = node.news.recent.lock();
        let all = Place {
            seq: recent.last(),
            ordinal: Place::LAST,
        };
        (recent.since(place)?, all.max(place))
    };
    let looked = node.look(move |known, moment| {
        let mut look = Look::new(known, moment, Whom::One(payer));
        for (seq, touched) in &batches {
            look.at(*seq, touched);
        }
        look.pieces
    });
    let mut told = FxHashSet::default();
    let mut latest: Vec<Found> = looked.await.ok()?.answer;
    latest.retain(|found| found.place > place);
    latest.reverse();
    latest.retain(|found| told.insert(found.piece.thing()));
    latest.reverse();
    let mut notices = Vec::with_capacity(latest.len());
    for found in &latest {
        notices.push(notice(node, found).await.ok()?);
    }
    Some(Missed { notices, up_to })
}

async fn send(node: &Node, notice: &Notice) {
    if notice.kind != "prompt" {
        node.news.stream.tell(notice);
        return;
    }
    for channel in &node.news.channels {
        channel.push(notice).await;
    }
}

/// Whose news are looked for.
enum Whom<'a> {
    Listeners(&'a Stream),
    One(SubscriberId),
}

/// Looks at the state on the engine's thread: only at what somebody listens for.
struct Look<'a> {
    known: &'a Known<'a>,
    state: &'a DomainState,
    moment: &'a Moment,
    whom: Whom<'a>,
    pieces: Vec<Found>,
    /// Whose account looks different now.
    changed: FxHashSet<SubscriberId>,
    /// What is being looked at.
    place: Place,
}

impl<'a> Look<'a> {
    fn new(known: &'a Known<'a>, moment: &'a Moment, whom: Whom<'a>) -> Self {
        Self {
            known,
            state: known.state,
            moment,
            whom,
            pieces: Vec::new(),
            changed: FxHashSet::default(),
            place: Place { seq: 0, ordinal: 0 },
        }
    }

    fn add(&mut self, payer: Payer, piece: Piece) {
        let place = self.place;
        self.pieces.push(Found {
            place,
            payer,
            piece,
        });
        self.place.ordinal += 1;
    }

    /// Every thing has two places of its own, whoever listens: a node must not number them otherwise than the next.
    fn at(&mut self, seq: u64, touched: &Touched) {
        let state = self.state;
        let mut places = (0..Place::LAST).step_by(2);
        let mut next = move || Place {
            seq,
            ordinal: places.next().unwrap_or(Place::LAST - 1),
        };
        for (id, happened) in &touched.payments {
            self.place = next();
            let payment = self.known.payment(*id);
            if let Some(payer) = payment.and_then(|payment| self.listens(payment.payer?)) {
                self.prompt(payer, PromptRef::Payment(*id), *happened);
                let seen = PaymentSeen::of(self.known, payer.id, *id).filter(|_| happened.moved);
                if let Some(seen) = seen {
                    self.add(payer, Piece::Payment(seen));
                }
            }
        }
        for (id, happened) in &touched.mandates {
            self.place = next();
            let mandate = state.mandates.get(id);
            if let Some(payer) = mandate.and_then(|mandate| self.listens(mandate.payer?)) {
                self.prompt(payer, PromptRef::Mandate(*id), *happened);
                if happened.moved {
                    self.changed.insert(payer.id);
                }
            }
        }
        for (id, happened) in &touched.devices {
            self.place = next();
            let Some(device) = state.devices.get(id) else {
                continue;
            };
            if let Some(payer) = self.listens(device.subscriber) {
                // First the device: for one that is removed this is the last that it hears.
                let piece = Piece::Device(DeviceSeen::from(device));
                self.add(payer, piece);
                self.prompt(payer, PromptRef::Device(*id), *happened);
                self.changed.insert(payer.id);
            }
        }
        let lots = touched.lots.iter().filter_map(|lot| state.lots.get(lot));
        let holders = lots.map(|lot| lot.subscriber);
        self.changed.extend(holders);
        self.changed.extend(touched.subscribers.iter().copied());
        for id in std::mem::take(&mut self.changed) {
            self.place = Place {
                seq,
                ordinal: Place::LAST,
            };
            if let Some(payer) = self.listens(id) {
                self.add(payer, Piece::Me);
            }
        }
    }

    fn listens(&self, id: SubscriberId) -> Option<Payer> {
        let subscriber = self.state.subscribers.get(id)?;
        let listens = match self.whom {
            Whom::Listeners(stream) => stream.reaches(&recipient(id)),
            Whom::One(one) => one == id,
        };
        listens.then_some(Payer {
            id,
            subject: subscriber.subject,
        })
    }

    /// Whether it waits now is what counts: an answer may have come with the same batch, or since.
    fn prompt(&mut self, payer: Payer, prompt: PromptRef, happened: Happened) {
        let owner = self.state.subscribers.get(payer.id);
        let waits = owner.is_some_and(|owner| owner.prompts.contains(&prompt));
        if happened.asked && waits {
            let asked =
                Asked::of(self.known, payer.id, prompt).filter(|asked| asked.is_open(self.moment));
            if let Some(asked) = asked {
                self.add(payer, Piece::Asked(asked));
            }
        } else if happened.answered
            && !waits
            && let Some(status) = self.ended_as(payer.id, prompt)
        {
            self.add(payer, Piece::Closed(prompt, status));
        }
    }

    /// How a prompt that this payer had ended; `None` if the payer was never asked.
    fn ended_as(&self, payer: SubscriberId, prompt: PromptRef) -> Option<&'static str> {
        match prompt {
            PromptRef::Payment(id) => {
                let payment = PaymentSeen::of(self.known, payer, id)?;
                let prompted = self.known.payment(id)?.asks_on_phone();
                prompted.then(|| payment.status.name())
            }
            PromptRef::Mandate(id) => Some(self.state.mandates.get(&id)?.status.name()),
            PromptRef::Device(id) => Some(status_name(self.state.devices.get(&id)?.status)),
        }
    }
}

async fn written(
    node: &Node,
    payer: Payer,
    piece: &Piece,
) -> Result<(&'static str, String), Problem> {
    Ok(match piece {
        Piece::Asked(asked) => ("prompt", text(&prompt::show(node, asked, payer).await?)?),
        Piece::Closed(prompt, status) => {
            let closed = json!({"id": show_ref(&node.ids, *prompt), "status": status});
            ("prompt_closed", closed.to_string())
        }
        Piece::Payment(seen) => {
            let reader = Reader::of(node, payer).await?;
            ("payment", text(&reader.payment(seen).await?)?)
        }
        Piece::Device(seen) => {
            let key = node.subjects.get(payer.subject).await?;
            let shown = device::show(node, seen, payer.subject, &key, None);
            ("device", text(&shown)?)
        }
        Piece::Me => ("me", "{}".to_owned()),
    })
}

fn text(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|_| Problem::internal("news could not be written"))
}
