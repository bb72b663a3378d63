//! The node's own event stream: who listens for a subscriber hears of a prompt at once.
//!
//! **Invariant:** pushing never waits for a slow phone. One that falls behind is told so
//! ([`Heard::FellBehind`]) and fetches what is pending; memory per subscriber is bounded.
//!
//! **Not here:** HTTP. The server turns a [`Listener`] into server-sent events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Notice, PromptChannel, Pushed};
use crate::Promise;

pub const NAME: &str = "stream";

/// News that one phone may have outstanding before it has to fetch instead.
const BACKLOG: usize = 16;

/// A few phones and a few tabs each; more is somebody holding connections open.
const LISTENERS_PER_RECIPIENT: usize = 8;

#[derive(Debug, Default)]
pub struct Stream {
    recipients: Mutex<HashMap<String, broadcast::Sender<Notice>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many open streams for this subscriber")]
pub struct TooManyListeners;

pub(super) fn open(stream: &Arc<Stream>) -> Arc<dyn PromptChannel> {
    stream.clone()
}

impl Stream {
    /// Starts listening; what was pushed before is not repeated.
    pub fn listen(self: &Arc<Self>, recipient: &str) -> Result<Listener, TooManyListeners> {
        let mut recipients = self
            .recipients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let sender = recipients
            .entry(recipient.to_owned())
            .or_insert_with(|| broadcast::Sender::new(BACKLOG));
        if sender.receiver_count() >= LISTENERS_PER_RECIPIENT {
            return Err(TooManyListeners);
        }
        let receiver = Some(sender.subscribe());
        Ok(Listener {
            stream: self.clone(),
            recipient: recipient.to_owned(),
            receiver,
        })
    }

    /// Tells everybody who listens for the notice's recipient.
    pub fn tell(&self, notice: &Notice) -> Pushed {
        let recipients = self
            .recipients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match recipients
            .get(&notice.recipient)
            .map(|sender| sender.send(notice.clone()))
        {
            Some(Ok(phones)) => Pushed::Reached { phones },
            Some(Err(_)) | None => Pushed::NobodyListening,
        }
    }

    /// Ends every stream: whoever listened opens another one and fetches what is pending.
    pub fn hang_up(&self) {
        self.recipients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// How many subscribers have a phone listening.
    pub fn recipients(&self) -> usize {
        self.recipients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl PromptChannel for Stream {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reaches(&self, recipient: &str) -> bool {
        self.recipients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(recipient)
    }

    fn push<'a>(&'a self, notice: &'a Notice) -> Promise<'a, Pushed> {
        Box::pin(std::future::ready(self.tell(notice)))
    }
}

/// One open phone page. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Listener {
    stream: Arc<Stream>,
    recipient: String,
    /// Empty only while being dropped.
    receiver: Option<broadcast::Receiver<Notice>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    News(Notice),
    /// Some news was dropped: fetch what is pending.
    FellBehind,
}

impl Listener {
    /// Waits for the next news; `None` when the stream is gone.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.receiver.as_mut()?.recv().await {
            Ok(notice) => Some(Heard::News(notice)),
            Err(RecvError::Lagged(_)) => Some(Heard::FellBehind),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut recipients = self
            .stream
            .recipients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that nobody subscribes between the count and the removal.
        self.receiver = None;
        if recipients
            .get(&self.recipient)
            .is_some_and(|sender| sender.receiver_count() == 0)
        {
            recipients.remove(&self.recipient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(id: &str, recipient: &str) -> Notice {
        Notice {
            id: id.into(),
            recipient: recipient.into(),
            kind: "prompt".into(),
            data: "{}".into(),
        }
    }

    #[tokio::test]
    async fn news_reaches_every_listener_of_its_recipient_and_nobody_else() {
        let stream = Arc::new(Stream::default());
        let (mut first, mut second) = (stream.listen("s1").unwrap(), stream.listen("s1").unwrap());
        let mut other = stream.listen("s2").unwrap();
        assert_eq!(
            stream.push(&notice("p1", "s1")).await,
            Pushed::Reached { phones: 2 }
        );
        assert_eq!(
            stream.tell(&notice("p2", "s2")),
            Pushed::Reached { phones: 1 }
        );
        assert_eq!(stream.tell(&notice("p3", "s3")), Pushed::NobodyListening);
        for listener in [&mut first, &mut second] {
            assert_eq!(listener.next().await, Some(Heard::News(notice("p1", "s1"))));
        }
        assert_eq!(other.next().await, Some(Heard::News(notice("p2", "s2"))));
    }

    #[tokio::test]
    async fn a_phone_that_falls_behind_is_told_to_fetch() {
        let stream = Arc::new(Stream::default());
        let mut slow = stream.listen("s1").unwrap();
        for n in 0..=BACKLOG {
            stream.tell(&notice(&n.to_string(), "s1"));
        }
        assert_eq!(slow.next().await, Some(Heard::FellBehind));
        assert_eq!(slow.next().await, Some(Heard::News(notice("1", "s1"))));
    }

    #[test]
    fn closing_the_last_page_forgets_the_recipient() {
        let stream = Arc::new(Stream::default());
        let first = stream.listen("s1").unwrap();
        let second = stream.listen("s1").unwrap();
        drop(first);
        assert_eq!(stream.recipients(), 1);
        drop(second);
        assert_eq!(stream.recipients(), 0);
        assert_eq!(stream.tell(&notice("p1", "s1")), Pushed::NobodyListening);
    }

    #[tokio::test]
    async fn after_hanging_up_a_phone_listens_anew() {
        let stream = Arc::new(Stream::default());
        let mut old = stream.listen("s1").unwrap();
        assert!(stream.reaches("s1") && !stream.reaches("s2"));
        stream.hang_up();
        assert_eq!(old.next().await, None);
        let mut new = stream.listen("s1").unwrap();
        // The old one's end does not end the new one.
        drop(old);
        stream.tell(&notice("p1", "s1"));
        assert_eq!(new.next().await, Some(Heard::News(notice("p1", "s1"))));
    }

    #[test]
    fn the_ninth_stream_of_a_subscriber_is_refused() {
        let stream = Arc::new(Stream::default());
        let mut open: Vec<_> = (0..8).map(|_| stream.listen("s1").unwrap()).collect();
        assert_eq!(stream.listen("s1").map(drop), Err(TooManyListeners));
        open.pop();
        assert!(stream.listen("s1").is_ok());
    }
}
