//! What a merchant's developer sets up: webhook endpoints and their secrets.

use minicbor::{Decode, Encode};

use crate::{
    Event,
    ids::{EndpointId, MerchantId, Sealed},
    state::State,
    time::{DAY, Moment, Timestamp},
};

/// Most endpoints one merchant may have.
const MOST_ENDPOINTS: usize = 10;
/// How long an old secret signs beside the new one.
const ROTATION: i64 = DAY;

/// Where webhooks go. Address and secrets are sealed by the keyring.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Endpoint {
    #[n(0)]
    pub id: EndpointId,
    #[n(1)]
    pub url: Sealed,
    #[n(2)]
    pub secret: Sealed,
    /// The secret before the last rotation and until when it still signs.
    #[n(3)]
    pub previous: Option<(Sealed, Timestamp)>,
}

#[derive(Clone, Debug)]
pub enum ClientCommand {
    AddEndpoint {
        merchant: MerchantId,
        url: Sealed,
        secret: Sealed,
    },
    RotateSecret {
        merchant: MerchantId,
        endpoint: EndpointId,
        secret: Sealed,
    },
    RemoveEndpoint {
        merchant: MerchantId,
        endpoint: EndpointId,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRefusal {
    NotFound,
    TooManyEndpoints,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ClientEvent {
    #[n(0)]
    EndpointAdded {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        endpoint: EndpointId,
        #[n(2)]
        url: Sealed,
        #[n(3)]
        secret: Sealed,
    },
    #[n(1)]
    SecretRotated {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        endpoint: EndpointId,
        #[n(2)]
        secret: Sealed,
        #[n(3)]
        previous_until: Timestamp,
    },
    #[n(2)]
    EndpointRemoved {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        endpoint: EndpointId,
    },
}

pub(crate) fn decide(
    state: &State,
    moment: &Moment,
    command: ClientCommand,
) -> (Result<EndpointId, ClientRefusal>, Vec<Event>) {
    let (merchant, endpoint, event) = match command {
        ClientCommand::AddEndpoint {
            merchant,
            url,
            secret,
        } => {
            let endpoint = EndpointId(state.next_endpoint);
            let Some(known) = state.merchants.get(merchant) else {
                return (Err(ClientRefusal::NotFound), Vec::new());
            };
            if known.endpoints.len() >= MOST_ENDPOINTS {
                return (Err(ClientRefusal::TooManyEndpoints), Vec::new());
            }
            let event = ClientEvent::EndpointAdded {
                merchant,
                endpoint,
                url,
                secret,
            };
            return (Ok(endpoint), vec![Event::Client(event)]);
        }
        ClientCommand::RotateSecret {
            merchant,
            endpoint,
            secret,
        } => {
            let previous_until = moment.now.plus(ROTATION);
            (
                merchant,
                endpoint,
                ClientEvent::SecretRotated {
                    merchant,
                    endpoint,
                    secret,
                    previous_until,
                },
            )
        }
        ClientCommand::RemoveEndpoint { merchant, endpoint } => (
            merchant,
            endpoint,
            ClientEvent::EndpointRemoved { merchant, endpoint },
        ),
    };
    match state
        .merchants
        .get(merchant)
        .and_then(|merchant| super::endpoint(merchant, endpoint))
    {
        Some(_) => (Ok(endpoint), vec![Event::Client(event)]),
        None => (Err(ClientRefusal::NotFound), Vec::new()),
    }
}

pub(crate) fn evolve(state: &mut State, event: &ClientEvent) {
    match event {
        ClientEvent::EndpointAdded {
            merchant,
            endpoint,
            url,
            secret,
        } => {
            state.next_endpoint = state.next_endpoint.max(endpoint.0 + 1);
            let endpoint = Endpoint {
                id: *endpoint,
                url: url.clone(),
                secret: secret.clone(),
                previous: None,
            };
            state
                .merchants
                .expect_mut(*merchant)
                .endpoints
                .push(endpoint);
        }
        ClientEvent::SecretRotated {
            merchant,
            endpoint,
            secret,
            previous_until,
        } => {
            for known in &mut state.merchants.expect_mut(*merchant).endpoints {
                if known.id == *endpoint {
                    let old = std::mem::replace(&mut known.secret, secret.clone());
                    known.previous = Some((old, *previous_until));
                }
            }
        }
        ClientEvent::EndpointRemoved { merchant, endpoint } => {
            state
                .merchants
                .expect_mut(*merchant)
                .endpoints
                .retain(|known| known.id != *endpoint);
        }
    }
}
