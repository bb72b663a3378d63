//! Merchants: who is paid, under which price plan, with which client keys and webhook endpoints.

mod client;
mod plan;

use minicbor::{Decode, Encode};

pub use client::{ClientCommand, ClientEvent, ClientRefusal, Endpoint};
pub use plan::PricePlan;

pub(crate) use client::{decide as decide_client, evolve as evolve_client};

use crate::{
    counters::{Daily, Hourly, Spent},
    ids::{ClientKeyHash, ClientKeyId, EndpointId, MerchantId, Sealed},
    money::Amount,
    state::State,
};

/// What one merchant may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MerchantLimits {
    #[n(0)]
    pub payment: Amount,
    #[n(1)]
    pub daily: Amount,
}

#[derive(Clone, Debug, Encode, Decode)]
pub struct ClientKey {
    #[n(0)]
    pub id: ClientKeyId,
    #[n(1)]
    pub hash: ClientKeyHash,
    #[n(2)]
    pub label: String,
    #[n(3)]
    pub revoked: bool,
}

#[derive(Clone, Debug, Encode, Decode)]
pub struct Merchant {
    #[n(0)]
    pub id: MerchantId,
    /// Names the key that the merchant's name and payment texts are sealed under.
    #[n(1)]
    pub subject: u64,
    /// The name people see, sealed.
    #[n(2)]
    pub name: Sealed,
    /// Merchant category code (ISO 18245).
    #[n(3)]
    pub category: u16,
    #[n(4)]
    pub blocked: bool,
    #[n(5)]
    pub limits: MerchantLimits,
    #[n(6)]
    pub plan: PricePlan,
    #[n(7)]
    pub keys: Vec<ClientKey>,
    #[n(8)]
    pub endpoints: Vec<Endpoint>,
    /// What payers approved, less what then did not come.
    #[n(9)]
    pub taken: Spent,
    #[n(10)]
    pub prompts: Hourly,
    /// Wrong match codes and reports.
    #[n(11)]
    pub wrong_codes: Daily,
    /// Payments and mandates that wait for an answer, whoever's number was typed.
    #[n(12)]
    pub open: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MerchantEvent {
    #[n(0)]
    Added {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        subject: u64,
        #[n(2)]
        name: Sealed,
        #[n(3)]
        category: u16,
        #[n(4)]
        limits: MerchantLimits,
        #[n(5)]
        plan: PricePlan,
    },
    #[n(1)]
    KeyAdded {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        key: ClientKeyId,
        #[n(2)]
        hash: ClientKeyHash,
        #[n(3)]
        label: String,
    },
    #[n(2)]
    KeyRevoked {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        key: ClientKeyId,
    },
    #[n(3)]
    PlanSet {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        plan: PricePlan,
    },
    #[n(4)]
    LimitsSet {
        #[n(0)]
        merchant: MerchantId,
        #[n(1)]
        limits: MerchantLimits,
    },
    #[n(5)]
    Blocked {
        #[n(0)]
        merchant: MerchantId,
    },
    #[n(6)]
    Unblocked {
        #[n(0)]
        merchant: MerchantId,
    },
}

pub(crate) fn evolve(state: &mut State, event: &MerchantEvent) {
    match event {
        MerchantEvent::Added {
            merchant,
            subject,
            name,
            category,
            limits,
            plan,
        } => {
            state.merchants.insert(Merchant {
                id: *merchant,
                subject: *subject,
                name: name.clone(),
                category: *category,
                blocked: false,
                limits: *limits,
                plan: plan.clone(),
                keys: Vec::new(),
                endpoints: Vec::new(),
                taken: Spent::default(),
                prompts: Hourly::default(),
                wrong_codes: Daily::default(),
                open: 0,
            });
        }
        MerchantEvent::KeyAdded {
            merchant,
            key,
            hash,
            label,
        } => {
            state.next_client_key = state.next_client_key.max(key.0 + 1);
            let key = ClientKey {
                id: *key,
                hash: *hash,
                label: label.clone(),
                revoked: false,
            };
            state.merchants.expect_mut(*merchant).keys.push(key);
        }
        MerchantEvent::KeyRevoked { merchant, key } => {
            for known in &mut state.merchants.expect_mut(*merchant).keys {
                known.revoked |= known.id == *key;
            }
        }
        MerchantEvent::PlanSet { merchant, plan } => {
            state.merchants.expect_mut(*merchant).plan = plan.clone()
        }
        MerchantEvent::LimitsSet { merchant, limits } => {
            state.merchants.expect_mut(*merchant).limits = *limits
        }
        MerchantEvent::Blocked { merchant } => state.merchants.expect_mut(*merchant).blocked = true,
        MerchantEvent::Unblocked { merchant } => {
            state.merchants.expect_mut(*merchant).blocked = false
        }
    }
}

/// An endpoint of this merchant.
pub fn endpoint(merchant: &Merchant, id: EndpointId) -> Option<&Endpoint> {
    merchant.endpoints.iter().find(|endpoint| endpoint.id == id)
}
