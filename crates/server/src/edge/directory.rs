//! Who signs in how and what is sent where: client keys, devices and webhook endpoints, kept beside the engine so that keys and signatures are checked off its thread.
//!
//! **Invariant:** it is brought up to date with each durable batch before anything that rests on that batch is answered. It
//! is only a first look; the decision itself checks again that a device is active.

use std::sync::Arc;

use parking_lot::RwLock;
use paytone_domain::{
    Event, State,
    ids::{
        ClientKeyHash, ClientKeyId, DeviceId, EndpointId, MerchantId, PublicKey, Sealed, SessionId,
        SubscriberId,
    },
    merchant::{ClientEvent, Endpoint, MerchantEvent},
    money::Currency,
    session::SessionEvent,
    subscriber::{DeviceEvent, DeviceStatus, LineEvent},
};
use paytone_engine::Durable;
use paytone_journal::{
    SubjectKeys,
    subject_keys::{SubjectKey, SubjectKeyError},
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::text::{self, Place};

/// What the edge needs of a device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceCard {
    pub subscriber: SubscriberId,
    /// Names the subscriber's key.
    pub subject: u64,
    pub key: PublicKey,
    pub status: DeviceStatus,
}

/// What the edge needs of a merchant.
#[derive(Clone)]
pub struct MerchantCard {
    pub id: MerchantId,
    pub subject: u64,
    pub category: u16,
    pub name: Arc<str>,
    pub key: SubjectKey,
}

#[derive(Clone)]
struct MerchantSeen {
    subject: u64,
    category: u16,
    name: Sealed,
    card: Option<Arc<MerchantCard>>,
}

#[derive(Default)]
struct Known {
    clients: FxHashMap<ClientKeyHash, (MerchantId, ClientKeyId)>,
    client_keys: FxHashMap<ClientKeyId, ClientKeyHash>,
    devices: FxHashMap<DeviceId, DeviceCard>,
    subjects: FxHashMap<SubscriberId, u64>,
    merchants: FxHashMap<MerchantId, MerchantSeen>,
    /// Of merchants that have any.
    endpoints: FxHashMap<MerchantId, Vec<Endpoint>>,
    /// Sessions of operators and phones that were ended before their time.
    ended_sessions: FxHashSet<SessionId>,
    /// The journal's position at which an endpoint was added, for those that were since this node started.
    added: FxHashMap<EndpointId, u64>,
}

pub struct Directory {
    known: RwLock<Known>,
    currency: RwLock<Option<Currency>>,
}

impl Directory {
    pub fn of(state: &State) -> Self {
        let mut known = Known::default();
        for merchant in state.merchants.iter() {
            known.merchants.insert(
                merchant.id,
                MerchantSeen {
                    subject: merchant.subject,
                    category: merchant.category,
                    name: merchant.name.clone(),
                    card: None,
                },
            );
            if !merchant.endpoints.is_empty() {
                known
                    .endpoints
                    .insert(merchant.id, merchant.endpoints.clone());
            }
            for key in merchant.keys.iter().filter(|key| !key.revoked) {
                known.clients.insert(key.hash, (merchant.id, key.id));
                known.client_keys.insert(key.id, key.hash);
            }
        }
        for subscriber in state.subscribers.iter() {
            known.subjects.insert(subscriber.id, subscriber.subject);
        }
        for device in state.devices.values() {
            let subject = known
                .subjects
                .get(&device.subscriber)
                .copied()
                .unwrap_or_default();
            let card = DeviceCard {
                subscriber: device.subscriber,
                subject,
                key: device.key,
                status: device.status,
            };
            known.devices.insert(device.id, card);
        }
        known.ended_sessions = state.ended_sessions.iter().map(|(id, _)| id).collect();
        let currency = state.settings.as_ref().map(|settings| settings.currency);
        Self {
            known: RwLock::new(known),
            currency: RwLock::new(currency),
        }
    }

    pub fn client(&self, hash: &ClientKeyHash) -> Option<(MerchantId, ClientKeyId)> {
        self.known.read().clients.get(hash).copied()
    }

    pub fn device(&self, id: DeviceId) -> Option<DeviceCard> {
        self.known.read().devices.get(&id).copied()
    }

    /// Whether a session was ended before its time.
    pub fn has_ended(&self, session: &SessionId) -> bool {
        self.known.read().ended_sessions.contains(session)
    }

    /// The subject that a subscriber's texts are sealed under.
    pub fn subject(&self, id: SubscriberId) -> Option<u64> {
        self.known.read().subjects.get(&id).copied()
    }

    /// The operator's currency; nothing is served before it is known.
    pub fn currency(&self) -> Currency {
        self.currency
            .read()
            .unwrap_or_else(|| Currency::new("XXX", 2).expect("XXX is ISO 4217's no currency"))
    }

    /// Where a merchant's webhooks go.
    pub fn endpoints(&self, merchant: MerchantId) -> Vec<Endpoint> {
        let known = self.known.read();
        known.endpoints.get(&merchant).cloned().unwrap_or_default()
    }

    /// Those that had been added before what happened at `position`.
    pub fn endpoints_at(&self, merchant: MerchantId, position: u64) -> Vec<EndpointId> {
        let known = self.known.read();
        let endpoints = known.endpoints.get(&merchant).into_iter().flatten();
        let before = |id: &EndpointId| known.added.get(id).is_none_or(|added| *added < position);
        endpoints
            .map(|endpoint| endpoint.id)
            .filter(before)
            .collect()
    }

    pub fn endpoint(&self, merchant: MerchantId, id: EndpointId) -> Option<Endpoint> {
        let known = self.known.read();
        let mut endpoints = known.endpoints.get(&merchant)?.iter();
        endpoints.find(|endpoint| endpoint.id == id).cloned()
    }

    /// Whether anybody has webhooks at all.
    pub fn has_endpoints(&self) -> bool {
        !self.known.read().endpoints.is_empty()
    }

    /// The merchant with its name and key.
    pub async fn merchant(
        &self,
        id: MerchantId,
        subjects: &SubjectKeys,
    ) -> Result<Option<Arc<MerchantCard>>, SubjectKeyError> {
        let seen = match self.known.read().merchants.get(&id) {
            None => return Ok(None),
            Some(MerchantSeen {
                card: Some(card), ..
            }) => return Ok(Some(Arc::clone(card))),
            Some(seen) => seen.clone(),
        };
        let key = subjects.get(seen.subject).await?;
        // A payer signs this name: it is never a guess.
        let name = text::open(&key, seen.subject, Place::MerchantName, &seen.name)
            .ok_or(SubjectKeyError::Damaged(seen.subject))?;
        let card = MerchantCard {
            id,
            subject: seen.subject,
            category: seen.category,
            name: name.into(),
            key,
        };
        let card = Arc::new(card);
        if let Some(seen) = self.known.write().merchants.get_mut(&id) {
            seen.card = Some(Arc::clone(&card));
        }
        Ok(Some(card))
    }

    /// Takes a durable batch in; quick, as the engine waits for it.
    pub fn observe(&self, durable: &Durable) {
        for event in durable.batch.items.iter().flat_map(|item| &item.events) {
            match event {
                Event::Initialized { currency, .. } => *self.currency.write() = Some(*currency),
                Event::Merchant(event) => self.observe_merchant(event),
                Event::Device(event) => self.observe_device(event),
                Event::Client(event) => self.observe_client(event, durable.seq),
                Event::Session(event) => self.observe_session(event),
                Event::Line(LineEvent::Added {
                    subscriber,
                    subject,
                    ..
                }) => {
                    self.known.write().subjects.insert(*subscriber, *subject);
                }
                _ => {}
            }
        }
    }

    fn observe_session(&self, event: &SessionEvent) {
        let mut known = self.known.write();
        match event {
            SessionEvent::Ended { session, .. } => {
                known.ended_sessions.insert(*session);
            }
            SessionEvent::Forgotten { session } => {
                known.ended_sessions.remove(session);
            }
        }
    }

    fn observe_merchant(&self, event: &MerchantEvent) {
        let mut known = self.known.write();
        match event {
            MerchantEvent::Added {
                merchant,
                subject,
                name,
                category,
                ..
            } => {
                let seen = MerchantSeen {
                    subject: *subject,
                    category: *category,
                    name: name.clone(),
                    card: None,
                };
                known.merchants.insert(*merchant, seen);
            }
            MerchantEvent::KeyAdded {
                merchant,
                key,
                hash,
                ..
            } => {
                known.clients.insert(*hash, (*merchant, *key));
                known.client_keys.insert(*key, *hash);
            }
            MerchantEvent::KeyRevoked { key, .. } => {
                if let Some(hash) = known.client_keys.remove(key) {
                    known.clients.remove(&hash);
                }
            }
            MerchantEvent::PlanSet { .. }
            | MerchantEvent::LimitsSet { .. }
            | MerchantEvent::Blocked { .. }
            | MerchantEvent::Unblocked { .. } => {}
        }
    }

    fn observe_client(&self, event: &ClientEvent, position: u64) {
        let mut known = self.known.write();
        match event {
            ClientEvent::EndpointAdded {
                merchant,
                endpoint,
                url,
                secret,
            } => {
                known.added.insert(*endpoint, position);
                known
                    .endpoints
                    .entry(*merchant)
                    .or_default()
                    .push(Endpoint {
                        id: *endpoint,
                        url: url.clone(),
                        secret: secret.clone(),
                        previous: None,
                    });
            }
            ClientEvent::SecretRotated {
                merchant,
                endpoint,
                secret,
                previous_until,
            } => {
                let endpoints = known.endpoints.entry(*merchant).or_default();
                if let Some(seen) = endpoints.iter_mut().find(|seen| seen.id == *endpoint) {
                    let old = std::mem::replace(&mut seen.secret, secret.clone());
                    seen.previous = Some((old, *previous_until));
                }
            }
            ClientEvent::EndpointRemoved { merchant, endpoint } => {
                known.added.remove(endpoint);
                let endpoints = known.endpoints.entry(*merchant).or_default();
                endpoints.retain(|seen| seen.id != *endpoint);
                if endpoints.is_empty() {
                    known.endpoints.remove(merchant);
                }
            }
        }
    }

    fn observe_device(&self, event: &DeviceEvent) {
        let mut known = self.known.write();
        let (id, status) = match event {
            DeviceEvent::Added {
                device,
                subscriber,
                key,
                status,
                ..
            } => {
                let subject = known.subjects.get(subscriber).copied().unwrap_or_default();
                known.devices.insert(
                    *device,
                    DeviceCard {
                        subscriber: *subscriber,
                        subject,
                        key: *key,
                        status: *status,
                    },
                );
                return;
            }
            DeviceEvent::Approved { device, .. } | DeviceEvent::Recovered { device, .. } => {
                (device, DeviceStatus::Active)
            }
            DeviceEvent::Removed { device } => (device, DeviceStatus::Removed),
        };
        if let Some(card) = known.devices.get_mut(id) {
            card.status = status;
        }
    }
}
