//! The whole state that decisions rest on, derived from events alone.

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

use crate::{
    Answer,
    archive::{Archive, Gone},
    deadline::Deadlines,
    funding::Effect,
    grant::{self, Lot},
    idempotency::{Recorded, Repeats},
    ids::{
        DeviceId, EffectId, EnrolmentId, KeyringFingerprint, LotId, MandateId, MerchantId,
        NumberHash, PaymentId, RefundId, SubscriberId,
    },
    ledger::{Account, Book, Entry},
    mandate::Mandate,
    merchant::Merchant,
    money::Currency,
    operator::Operators,
    pass::Passes,
    payment::{ClientPaymentRefusal, Payment, Refund},
    risk::Rules,
    sealed_day::SealedDay,
    sequence::Sequence,
    session::EndedSessions,
    subscriber::{Device, Enrolment, Holders, Subjects, Subscriber, is_active_device_of},
    till::{Exchanges, Terminals},
    time::Moment,
    token::Tokens,
};

/// What was settled when the journal began.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Settings {
    #[n(0)]
    pub currency: Currency,
    #[n(1)]
    pub zone: String,
    #[n(2)]
    pub cut_off_minutes: u16,
    #[n(3)]
    pub keyring: KeyringFingerprint,
    #[n(4)]
    pub level: u32,
}

/// Things that are numbered one after the other and never go away.
#[derive(Clone, Debug)]
pub struct Numbered<T>(Vec<Vec<T>>);

/// Things on one page of [`Numbered`].
const PAGE: usize = 256;

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Numbered<T> {
    fn at(&self, id: u64) -> Option<&T> {
        let place = usize::try_from(id.checked_sub(1)?).ok()?;
        self.0.get(place / PAGE)?.get(place % PAGE)
    }

    fn at_mut(&mut self, id: u64) -> Option<&mut T> {
        let place = usize::try_from(id.checked_sub(1)?).ok()?;
        self.0.get_mut(place / PAGE)?.get_mut(place % PAGE)
    }

    fn push(&mut self, thing: T) {
        match self.0.last_mut() {
            // A page never grows: what is on it stays where it is.
            Some(page) if page.len() < PAGE => page.push(thing),
            _ => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(thing);
                self.0.push(page);
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    pub fn len(&self) -> usize {
        let full = self.0.len().saturating_sub(1) * PAGE;
        full + self.0.last().map_or(0, Vec::len)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        self.0.reserve(count.div_ceil(PAGE));
    }

    fn next(&self) -> u64 {
        self.len() as u64 + 1
    }
}

macro_rules! numbered {
    ($thing:ty, $id:ident) => {
        impl Numbered<$thing> {
            pub fn get(&self, id: $id) -> Option<&$thing> {
                self.at(id.0)
            }

            /// For events, which name only what exists.
            pub(crate) fn expect_mut(&mut self, id: $id) -> &mut $thing {
                self.at_mut(id.0).expect("an event names what exists")
            }

            pub(crate) fn next_id(&self) -> $id {
                $id(self.next())
            }

            pub(crate) fn insert(&mut self, thing: $thing) {
                assert_eq!(thing.id, self.next_id(), "ids are given out in order");
                self.push(thing);
            }
        }
    };
}

numbered!(Subscriber, SubscriberId);
numbered!(Merchant, MerchantId);

#[derive(Clone, Debug)]
pub struct State {
    pub settings: Option<Settings>,
    pub rules: Rules,
    pub book: Book,
    pub subscribers: Numbered<Subscriber>,
    pub merchants: Numbered<Merchant>,
    pub operators: Operators,
    pub numbers: Holders,
    pub devices: Sequence<DeviceId, Device>,
    pub enrolments: FxHashMap<EnrolmentId, Enrolment>,
    pub number_enrolments: FxHashMap<NumberHash, u32>,
    pub lots: Sequence<LotId, Lot>,
    pub mandates: Sequence<MandateId, Mandate>,
    pub payments: Sequence<PaymentId, Payment>,
    pub refunds: Sequence<RefundId, Refund>,
    /// What is wanted of the outside world and not settled.
    pub effects: FxHashMap<EffectId, Effect>,
    pub repeats: Repeats,
    pub archive: Archive,
    pub ended_sessions: EndedSessions,
    pub deadlines: Deadlines,
    pub tokens: Tokens,
    pub passes: Passes,
    pub terminals: Terminals,
    /// Messages of tills that were decided.
    pub exchanges: Exchanges,
    /// Payments and mandates that wait for an answer, in all.
    pub open_prompts: u64,
    /// One for each business date that was sealed, in order.
    pub sealed_days: Vec<SealedDay>,
    /// Keys that subscribers' texts are sealed under: no two share one.
    pub(crate) subjects: Subjects,
    pub(crate) next_payment: u64,
    pub(crate) next_refund: u64,
    pub(crate) next_mandate: u64,
    pub(crate) next_device: u64,
    pub(crate) next_lot: u64,
    pub(crate) next_effect: u64,
    pub(crate) next_client_key: u64,
    pub(crate) next_endpoint: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            settings: None,
            rules: Rules::default(),
            book: Book::default(),
            subscribers: Numbered::default(),
            merchants: Numbered::default(),
            operators: Operators::default(),
            numbers: Holders::default(),
            devices: Sequence::default(),
            enrolments: FxHashMap::default(),
            number_enrolments: FxHashMap::default(),
            lots: Sequence::default(),
            mandates: Sequence::default(),
            payments: Sequence::default(),
            refunds: Sequence::default(),
            effects: FxHashMap::default(),
            repeats: Repeats::default(),
            archive: Archive::default(),
            ended_sessions: EndedSessions::default(),
            deadlines: Deadlines::default(),
            tokens: Tokens::default(),
            passes: Passes::default(),
            terminals: Terminals::default(),
            exchanges: Exchanges::default(),
            open_prompts: 0,
            sealed_days: Vec::new(),
            subjects: Subjects::default(),
            next_payment: 1,
            next_refund: 1,
            next_mandate: 1,
            next_device: 1,
            next_lot: 1,
            next_effect: 1,
            next_client_key: 1,
            next_endpoint: 1,
        }
    }
}

impl State {
    /// Who holds a number now.
    pub fn holder(&self, number: &NumberHash) -> Option<&Subscriber> {
        let id = self.numbers.find(number, &self.subscribers)?;
        self.subscribers.get(id)
    }

    /// The numbers that the next things get: payment, refund, mandate, device, lot, effect, client key, endpoint.
    pub fn next_numbers(&self) -> [u64; 8] {
        [
            self.next_payment,
            self.next_refund,
            self.next_mandate,
            self.next_device,
            self.next_lot,
            self.next_effect,
            self.next_client_key,
            self.next_endpoint,
        ]
    }

    pub fn has_active_device(&self, subscriber: &Subscriber) -> bool {
        subscriber
            .devices
            .iter()
            .any(|device| is_active_device_of(self, *device, subscriber.id))
    }

    /// Writes an entry down.
    pub(crate) fn post(&mut self, entry: &Entry) {
        for leg in entry.legs() {
            self.post_leg(leg.account, leg.minor);
        }
    }

    /// One leg of an entry; whoever writes one down does so with the others. The only way to: what follows from balances is kept
    /// beside them.
    pub(crate) fn post_leg(&mut self, account: Account, minor: i64) {
        self.book.add(account, minor);
        if let Account::Grant(lot) = account {
            grant::follow_money(self, lot);
        }
    }

    /// From now on `id` holds `number`, which nobody does.
    pub(crate) fn bind(&mut self, number: NumberHash, id: SubscriberId) {
        self.subscribers.expect_mut(id).number = Some(number);
        self.numbers.insert(&number, id, &self.subscribers);
    }

    /// From now on `id` holds no number.
    pub(crate) fn unbind(&mut self, id: SubscriberId) {
        if let Some(number) = self.subscribers.expect_mut(id).number.take() {
            self.numbers.remove(&number, id);
        }
    }

    pub(crate) fn opened_prompt(&mut self, moment: &Moment, merchant: MerchantId) {
        self.open_prompts += 1;
        let merchant = self.merchants.expect_mut(merchant);
        merchant.open += 1;
        merchant.prompts.add(moment);
    }

    pub(crate) fn closed_prompt(&mut self, merchant: MerchantId) {
        self.open_prompts -= 1;
        self.merchants.expect_mut(merchant).open -= 1;
    }

    /// A wrong code or a report counts against the merchant; a report also blocks it for this payer and costs attention.
    pub(crate) fn count_refusal(
        &mut self,
        moment: &Moment,
        merchant: MerchantId,
        payer: Option<SubscriberId>,
        wrong_code: bool,
        report: bool,
    ) {
        if wrong_code || report {
            self.merchants
                .expect_mut(merchant)
                .wrong_codes
                .add(moment, 1);
        }
        if let (Some(payer), true) = (payer, report) {
            let payer = self.subscribers.expect_mut(payer);
            payer.attention.add(moment, 3);
            if !payer.blocked_merchants.contains(&merchant) {
                payer.blocked_merchants.push(merchant);
            }
        }
    }

    /// An earlier answer, as it was then.
    pub(crate) fn answer_again(&self, recorded: &Recorded) -> Answer {
        match recorded {
            Recorded::Payment(id, then) => Answer::Payment(
                self.payments
                    .get(id)
                    .map(|payment| payment.facts(*then))
                    .ok_or_else(|| self.payment_missing(*id)),
            ),
            Recorded::Refund(id, then) => Answer::Refund(
                self.refunds
                    .get(id)
                    .map(|refund| refund.facts(*then))
                    .ok_or_else(|| match self.is_gone(Gone::Refund(*id)) {
                        true => ClientPaymentRefusal::Archived(Gone::Refund(*id)),
                        false => ClientPaymentRefusal::NotFound,
                    }),
            ),
            Recorded::Mandate(id, then) => Answer::Mandate(
                self.mandates
                    .get(id)
                    .map(|mandate| mandate.facts(*then))
                    .ok_or(ClientPaymentRefusal::NotFound),
            ),
            Recorded::Refused(refusal) => Answer::ClientRefused(*refusal),
            Recorded::Operation(done) => Answer::Operator(Ok(done.clone())),
        }
    }
}
