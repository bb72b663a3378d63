//! One hash over the whole state: two states are the same if their digests are.
//!
//! **Invariant:** everything that decisions rest on is under it, in an order of its own; a new field of anything in it does not compile
//! until it is. **Not here:** a way back. A digest is compared, never read. One piece: the order of what is under it is what it is.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use aws_lc_rs::digest::{Context, SHA256};
use minicbor::{Encode, Encoder};
use paytone_domain::{
    Fallen, Settings, State,
    funding::FundingLeg,
    ids::{DeviceId, EffectId, LotId, MandateId, MerchantId, PaymentId, RefundId, SubscriberId},
    ledger::Account,
    mandate::Mandate,
    merchant::{ClientKey, Endpoint, Merchant},
    operator::{Operator, Proposal},
    payment::{Payment, Refund},
    subscriber::{Device, Enrolment, Payer, Subscriber},
};

use crate::PartDigest;

/// Separates this hash from every other use of SHA-256, and one form of the digest from the next.
const DOMAIN: &[u8] = b"paytone state digest v1\0";

const PART_DOMAIN: &[u8] = b"paytone state digest of a part v1\0";

/// The digest of `state`.
pub fn digest(state: &State) -> [u8; 32] {
    if state.subscribers.len() < WORTH_THREADS {
        let mut sum = Sum::new(DOMAIN);
        sum.state(state, &mut Sections::here(state));
        return sum.finish();
    }
    std::thread::scope(|scope| {
        let mut sum = Sum::new(DOMAIN);
        sum.state(state, &mut Sections::on_threads(state, scope));
        sum.finish()
    })
}

/// Fewer subscribers than this are hashed sooner than threads are started.
const WORTH_THREADS: usize = 20_000;
/// Subscribers that are written down together.
const BLOCK: usize = 2_048;
/// Threads that write them down.
const WRITERS: usize = 2;
/// Pieces that wait to be hashed, of each thread.
const WAITING: usize = 8;

/// The large sections, written down here or on threads of their own while what comes before them is hashed. The bytes are the same.
enum Sections<'a> {
    Here(&'a State),
    OnThreads {
        balances: Receiver<Vec<u8>>,
        subscribers: Vec<Receiver<Vec<u8>>>,
        numbers: Receiver<Vec<u8>>,
    },
}

impl<'a> Sections<'a> {
    fn here(state: &'a State) -> Self {
        Self::Here(state)
    }

    fn on_threads<'scope>(state: &'a State, scope: &'scope std::thread::Scope<'scope, 'a>) -> Self {
        let section = |write: fn(&mut Sum, &State)| {
            let (pieces, written) = sync_channel(WAITING);
            scope.spawn(move || {
                let mut sum = Sum::into(pieces);
                write(&mut sum, state);
                sum.flush();
            });
            written
        };
        let balances = section(Sum::balances);
        let numbers = section(Sum::numbers);
        let blocks = state.subscribers.len().div_ceil(BLOCK);
        let subscribers = (0..WRITERS).map(|writer| {
            let (pieces, written) = sync_channel(WAITING);
            scope.spawn(move || {
                for block in (writer..blocks).step_by(WRITERS) {
                    let mut sum = Sum::default();
                    sum.block(state, block);
                    // Whoever hashes them went wrong, and says so itself.
                    if pieces.send(sum.gathered).is_err() {
                        return;
                    }
                }
            });
            written
        });
        Self::OnThreads {
            balances,
            subscribers: subscribers.collect(),
            numbers,
        }
    }

    fn balances(&mut self, sum: &mut Sum) {
        match self {
            Self::Here(state) => sum.balances(state),
            Self::OnThreads { balances, .. } => sum.pieces(balances),
        }
    }

    fn subscribers(&mut self, sum: &mut Sum, count: usize) {
        for block in 0..count.div_ceil(BLOCK) {
            match self {
                Self::Here(state) => sum.block(state, block),
                Self::OnThreads { subscribers, .. } => {
                    let piece = subscribers[block % WRITERS].recv();
                    sum.piece(&piece.expect("a thread that writes down subscribers"));
                }
            }
        }
    }

    fn numbers(&mut self, sum: &mut Sum) {
        match self {
            Self::Here(state) => sum.numbers(state),
            Self::OnThreads { numbers, .. } => sum.pieces(numbers),
        }
    }
}

/// About so many things are in a part: what a leader can hash between two batches without anybody noticing.
const THINGS_IN_PART: u64 = 256;

/// Of part `part` of the state, counted round and round in parts of a size that takes no time to hash.
pub(crate) fn show_part(state: &State, part: u64) -> PartDigest {
    let numbered = state.next_numbers().into_iter().sum::<u64>();
    let things = numbered + (state.subscribers.len() + state.merchants.len()) as u64;
    let parts = things.div_ceil(THINGS_IN_PART).max(1);
    let part = part % parts;
    PartDigest {
        part,
        parts,
        digest: digest_of_part(state, part, parts),
    }
}

/// The digest of one of so many parts of the state: what is common to all, and of everything that is numbered whatever has a number of
/// this part, with its accounts. What goes by another key, such as phone numbers and idempotency keys, is only counted.
///
/// [`digest`] takes as long as the state is large; this takes as long as a part is, so that nodes can compare their states all the
/// time, part by part.
pub fn digest_of_part(state: &State, part: u64, parts: u64) -> [u8; 32] {
    let mut sum = Sum::new(PART_DOMAIN);
    sum.add(part).add(parts);
    sum.common(state);
    let parts = usize::try_from(parts).unwrap_or(usize::MAX).max(1);
    let of_part = |next: u64| (part..next).step_by(parts);
    for id in of_part(state.subscribers.len() as u64 + 1) {
        let id = SubscriberId(id);
        if let Some(one) = state.subscribers.get(id) {
            sum.subscriber(one);
            sum.account(state, Account::SubscriberCash(id));
            sum.account(state, Account::BillReceivable(id));
            sum.account(state, Account::Unclaimed(id));
        }
    }
    for id in of_part(state.merchants.len() as u64 + 1) {
        if let Some(one) = state.merchants.get(MerchantId(id)) {
            sum.merchant(one);
            sum.account(state, Account::MerchantPayable(one.id));
        }
    }
    let [payment, refund, mandate, device, lot, effect, ..] = state.next_numbers();
    let payments = of_part(payment).filter_map(|id| state.payments.get(&PaymentId(id)));
    payments.for_each(|one| sum.payment(one));
    let refunds = of_part(refund).filter_map(|id| state.refunds.get(&RefundId(id)));
    refunds.for_each(|one| sum.refund(one));
    let mandates = of_part(mandate).filter_map(|id| state.mandates.get(&MandateId(id)));
    mandates.for_each(|one| sum.mandate(one));
    let devices = of_part(device).filter_map(|id| state.devices.get(&DeviceId(id)));
    devices.for_each(|one| sum.device(one));
    for one in of_part(lot).filter_map(|id| state.lots.get(&LotId(id))) {
        sum.add(one);
        sum.account(state, Account::Grant(one.id));
    }
    for one in of_part(effect).filter_map(|id| state.effects.get(&EffectId(id))) {
        sum.add(one);
    }
    sum.finish()
}

/// Hashed so many bytes at a time: a call for each value would take longer than the hash.
const GATHERED: usize = 16 << 10;

#[derive(Default)]
struct Sum {
    to: To,
    gathered: Vec<u8>,
}

/// Where gathered bytes go.
#[derive(Default)]
enum To {
    /// They stay.
    #[default]
    Nowhere,
    Hash(Context),
    /// To the thread that hashes.
    Thread(SyncSender<Vec<u8>>),
}

/// In the order of their keys.
fn sorted<K: Ord, V>(things: impl Iterator<Item = (K, V)>) -> Vec<(K, V)> {
    let mut things: Vec<_> = things.collect();
    things.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    things
}

impl Sum {
    fn new(domain: &[u8]) -> Self {
        Self {
            to: To::Hash(Context::new(&SHA256)),
            gathered: domain.to_vec(),
        }
    }

    fn into(pieces: SyncSender<Vec<u8>>) -> Self {
        Self {
            to: To::Thread(pieces),
            gathered: Vec::new(),
        }
    }

    fn flush(&mut self) {
        match &mut self.to {
            To::Nowhere => {}
            To::Hash(context) => {
                context.update(&self.gathered);
                self.gathered.clear();
            }
            To::Thread(pieces) => {
                // Whoever hashes them went wrong, and says so itself.
                let _ = pieces.send(std::mem::take(&mut self.gathered));
            }
        }
    }

    /// Bytes that were written down elsewhere.
    fn piece(&mut self, piece: &[u8]) {
        self.flush();
        if let To::Hash(context) = &mut self.to {
            context.update(piece);
        }
    }

    fn pieces(&mut self, pieces: &Receiver<Vec<u8>>) {
        for piece in pieces {
            self.piece(&piece);
        }
    }

    fn finish(mut self) -> [u8; 32] {
        self.flush();
        let mut digest = [0; 32];
        if let To::Hash(context) = self.to {
            digest.copy_from_slice(context.finish().as_ref());
        }
        digest
    }

    /// CBOR tells each value's end, so that no two different states give the same input.
    fn add(&mut self, value: impl Encode<()>) -> &mut Self {
        match Encoder::new(&mut self.gathered).encode(value) {
            Ok(_) => {}
            Err(error) => unreachable!("writing to memory does not fail: {error}"),
        }
        if self.gathered.len() >= GATHERED {
            self.flush();
        }
        self
    }

    fn balances(&mut self, state: &State) {
        let balances = sorted(state.book.iter());
        self.add(balances.len());
        for (account, balance) in balances {
            self.add(account).add(balance.posted).add(balance.held);
        }
    }

    /// Of the subscribers, so many by id.
    fn block(&mut self, state: &State, block: usize) {
        let first = block * BLOCK;
        let ids = first..state.subscribers.len().min(first + BLOCK);
        for id in ids {
            let one = state.subscribers.get(SubscriberId(id as u64 + 1));
            self.subscriber(one.expect("ids have no gap"));
        }
    }

    fn numbers(&mut self, state: &State) {
        self.pairs(sorted(state.numbers.iter(&state.subscribers)));
    }

    fn state(&mut self, state: &State, sections: &mut Sections<'_>) {
        let State {
            settings,
            rules,
            // By `sections`.
            book: _,
            numbers: _,
            subscribers,
            merchants,
            operators,
            devices,
            enrolments,
            number_enrolments,
            lots,
            mandates,
            payments,
            refunds,
            effects,
            repeats,
            archive,
            ended_sessions,
            deadlines,
            open_prompts,
            sealed_days,
            tokens,
            terminals,
            exchanges,
            ..
        } = state;
        self.settings(settings.as_ref()).add(rules);
        sections.balances(self);
        self.add(subscribers.len());
        sections.subscribers(self, subscribers.len());
        self.add(merchants.len());
        merchants.iter().for_each(|one| self.merchant(one));
        self.add(operators.by_id.len());
        operators.by_id.values().for_each(|one| self.operator(one));
        self.add(operators.proposals.len());
        operators
            .proposals
            .values()
            .for_each(|one| self.proposal(one));
        let mut imported: Vec<_> = operators.imported_rows().collect();
        imported.sort_unstable();
        self.add(operators.next_proposal()).add(imported);
        sections.numbers(self);
        self.each(sorted(devices.iter()), Self::device);
        self.each(sorted(enrolments.iter()), Self::enrolment);
        self.pairs(sorted(number_enrolments.iter()));
        self.pairs(sorted(lots.iter()));
        self.each(sorted(mandates.iter()), Self::mandate);
        // What the first release did not know is not under its digest.
        let with_change = state.level() > 1;
        self.each(sorted(payments.iter()), |sum, payment| {
            sum.payment(payment);
            if with_change {
                sum.add(payment.changed_at);
            }
        });
        self.each(sorted(refunds.iter()), Self::refund);
        self.pairs(sorted(effects.iter()));
        self.add(repeats.len());
        for (at, key, body, answer) in repeats.iter() {
            self.add(at).add(key).add(body).add(answer);
        }
        let deadlines: Vec<_> = deadlines.iter().collect();
        self.add(deadlines.len());
        for (at, due) in deadlines {
            self.add(at).add(Fallen::from(due));
        }
        self.add(open_prompts).add(state.next_numbers());
        // Journals of before there were any keep their digest.
        if !sealed_days.is_empty() {
            self.add(sealed_days);
        }
        if archive.evictions > 0 {
            self.add(archive.evictions);
        }
        // Journals from which no key has left keep theirs.
        if repeats.left_before() > paytone_domain::time::Timestamp::default() {
            self.add(repeats.left_before());
        }
        // What the first release did not know is not under its digest.
        if ended_sessions.iter().len() > 0 {
            self.pairs(ended_sessions.iter().collect());
        }
        // Journals of before there were tills keep theirs.
        if state.level() >= paytone_domain::till::LEVEL {
            self.add(tokens.len());
            for token in tokens.iter() {
                self.add(token);
            }
            for store in terminals.stores() {
                self.add(store);
            }
            for terminal in terminals.iter() {
                self.add(terminal);
            }
            self.add(exchanges.len());
            for (at, exchange) in exchanges.iter() {
                self.add(at).add(exchange);
            }
        }
    }

    /// What belongs to no number, and how much there is of everything.
    fn common(&mut self, state: &State) {
        self.settings(state.settings.as_ref()).add(&state.rules);
        for account in [
            Account::SafeguardingBank,
            Account::BankClearing,
            Account::Collected,
            Account::FeeIncome,
            Account::FeeTax,
            Account::CampaignExpense,
            Account::Suspense,
            Account::OpeningBalances,
            Account::WriteOff,
        ] {
            self.account(state, account);
        }
        let counts = [
            state.subscribers.len(),
            state.merchants.len(),
            state.operators.by_id.len(),
            state.operators.proposals.len(),
            state.numbers.len(),
            state.devices.len(),
            state.enrolments.len(),
            state.number_enrolments.len(),
            state.lots.len(),
            state.mandates.len(),
            state.payments.len(),
            state.refunds.len(),
            state.effects.len(),
            state.repeats.len(),
            state.sealed_days.len(),
        ];
        self.add(counts).add(state.deadlines.earliest());
        self.add(state.open_prompts).add(state.next_numbers());
    }

    fn account(&mut self, state: &State, account: Account) {
        let balance = state.book.balance(account);
        self.add(account).add(balance.posted).add(balance.held);
    }

    fn pairs<K: Encode<()>, V: Encode<()>>(&mut self, things: Vec<(K, V)>) {
        self.add(things.len());
        for (key, thing) in things {
            self.add(key).add(thing);
        }
    }

    fn each<K, V>(&mut self, things: Vec<(K, &V)>, add: impl Fn(&mut Self, &V)) {
        self.add(things.len());
        for (_, thing) in things {
            add(self, thing);
        }
    }

    fn settings(&mut self, settings: Option<&Settings>) -> &mut Self {
        let Some(Settings {
            currency,
            zone,
            cut_off_minutes,
            keyring,
            level,
        }) = settings
        else {
            return self.add(false);
        };
        self.add(true)
            .add(currency)
            .add(zone)
            .add(cut_off_minutes)
            .add(keyring)
            .add(level)
    }

    fn subscriber(&mut self, subscriber: &Subscriber) {
        let Subscriber {
            id,
            status,
            subject,
            number,
            generation,
            profile_hash,
            // Both are told by methods of their own, and all of a payer is below.
            line: _,
            profile: _,
            payer: _,
        } = subscriber;
        let Payer {
            bank,
            pin,
            pin_failures,
            reduced_until,
            sources,
            devices,
            lots,
            // Follows from the lots and the book.
            funded_lots: _,
            mandates,
            prompts,
            blocked_merchants,
            spent,
            billed,
            attention,
        } = &**subscriber;
        self.add(id).add(status).add(subject).add(number);
        self.add(generation)
            .add(subscriber.line())
            .add(subscriber.profile())
            .add(profile_hash);
        self.add(bank).add(pin).add(pin_failures).add(reduced_until);
        self.add(sources).add(devices).add(lots).add(mandates);
        self.add(prompts).add(blocked_merchants).add(spent);
        self.add(billed).add(attention);
    }

    fn merchant(&mut self, merchant: &Merchant) {
        let Merchant {
            id,
            subject,
            name,
            category,
            blocked,
            limits,
            plan,
            keys,
            endpoints,
            taken,
            prompts,
            wrong_codes,
            open,
        } = merchant;
        self.add(id).add(subject).add(name).add(category);
        self.add(blocked).add(limits).add(plan).add(keys.len());
        for ClientKey {
            id,
            hash,
            label,
            revoked,
        } in keys
        {
            self.add(id).add(hash).add(label).add(revoked);
        }
        self.add(endpoints.len());
        for Endpoint {
            id,
            url,
            secret,
            previous,
        } in endpoints
        {
            self.add(id).add(url).add(secret).add(previous);
        }
        self.add(taken).add(prompts).add(wrong_codes).add(open);
    }

    fn operator(&mut self, operator: &Operator) {
        let Operator {
            id,
            name,
            role,
            password,
            passwords_before,
            removed,
        } = operator;
        self.add(id).add(name).add(role).add(password).add(removed);
        if *passwords_before > 0 {
            self.add(passwords_before);
        }
    }

    fn proposal(&mut self, proposal: &Proposal) {
        let Proposal {
            id,
            by,
            operation,
            proposed_at,
        } = proposal;
        self.add(id).add(by).add(operation).add(proposed_at);
    }

    fn device(&mut self, device: &Device) {
        let Device {
            id,
            subscriber,
            key,
            label,
            status,
            created_at,
            active_from,
            expires_at,
        } = device;
        self.add(id).add(subscriber).add(key).add(label);
        self.add(status).add(created_at).add(active_from);
        // Devices of the first release have none, and what was not there then is not under their digest.
        if let Some(at) = expires_at {
            self.add(at);
        }
    }

    fn enrolment(&mut self, enrolment: &Enrolment) {
        let Enrolment {
            number,
            subscriber,
            expires_at,
            wrong_codes,
            proven,
        } = enrolment;
        self.add(number).add(subscriber).add(expires_at);
        self.add(wrong_codes).add(proven);
    }

    fn mandate(&mut self, mandate: &Mandate) {
        let Mandate {
            id,
            merchant,
            payer,
            terms,
            text,
            codes,
            status,
            veto,
            created_at,
            deadline,
            approved_at,
            charged,
        } = mandate;
        self.add(id).add(merchant).add(payer).add(terms).add(text);
        self.add(codes).add(status).add(veto).add(created_at);
        self.add(deadline).add(approved_at).add(charged);
    }

    fn payment(&mut self, payment: &Payment) {
        let Payment {
            id,
            merchant,
            payer,
            amount,
            whose,
            capture,
            text,
            codes,
            mandate,
            created_at,
            deadline,
            status,
            veto,
            decline,
            legs,
            approved_on,
            capture_deadline,
            captured,
            captured_on,
            refunded,
            fee,
            tax,
            refunds,
            changed_at: _,
            till,
        } = payment;
        self.add(id).add(merchant).add(payer).add(amount).add(whose);
        self.add(capture).add(text).add(codes).add(mandate);
        self.add(created_at).add(deadline).add(status).add(veto);
        self.add(decline).add(legs.len());
        for FundingLeg {
            source,
            amount,
            state,
            captured,
            refunded,
            effect,
        } in legs
        {
            self.add(source).add(amount).add(state).add(captured);
            self.add(refunded).add(effect);
        }
        self.add(approved_on).add(capture_deadline).add(captured);
        self.add(captured_on).add(refunded).add(fee).add(tax);
        self.add(refunds);
        if let Some(till) = till {
            self.add(till);
        }
    }

    fn refund(&mut self, refund: &Refund) {
        let Refund {
            id,
            payment,
            amount,
            text,
            status,
            created_at,
        } = refund;
        self.add(id).add(payment).add(amount).add(text);
        self.add(status).add(created_at);
    }
}

#[cfg(test)]
mod tests {
    use paytone_domain::{
        Actor, Answer, Command,
        ids::{KeyringFingerprint, NumberHash, OperatorId, Sealed},
        money::{Amount, Currency},
        operator::{BalanceRow, HeldAs, Operation, OperatorCommand, Role},
        subscriber::{Line, LineKind, LineRow, LineStatus},
        time::Timestamp,
    };

    use super::*;
    use crate::Core;

    /// So many subscribers, each with some money.
    fn state(count: u64) -> State {
        let mut core = Core::new();
        let now = Timestamp(1_793_491_200_000);
        core.advance(now);
        core.decide(
            Actor::Console,
            0,
            Command::Initialize {
                currency: Currency::new("CNY", 2).expect("a currency"),
                zone: "UTC".to_owned(),
                cut_off_minutes: 0,
                keyring: KeyringFingerprint([0; 32]),
            },
        );
        let operate = |core: &mut Core, actor, operation| {
            let command = OperatorCommand::Do(Box::new(operation));
            core.decide(actor, 0, Command::Operator(command));
        };
        let ann = Operation::AddOperator {
            name: "ann".to_owned(),
            role: Role::Admin,
            password: Sealed::default(),
        };
        operate(&mut core, Actor::Console, ann);
        let staff = Actor::Operator(OperatorId(1));
        for subscriber in 1..=count {
            // In no order.
            let number =
                u128::from(subscriber).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            let row = LineRow {
                number: NumberHash(number.to_be_bytes()),
                renumbered_from: None,
                recycled: false,
                line: Line {
                    activated: Timestamp(0),
                    sim_changed: None,
                    device_changed: None,
                    kind: LineKind::Prepaid,
                    status: LineStatus::Active,
                    bill_limit: Amount::clamped(0),
                    as_of: now,
                },
                subject: subscriber,
                profile: Sealed(vec![7; 40].into()),
                profile_hash: subscriber,
                bank: None,
            };
            let answer = core.decide(staff, 0, Command::Line(Box::new(row)));
            assert!(matches!(answer, Answer::Line(Ok(_))), "{answer:?}");
            let balance = BalanceRow {
                row: subscriber,
                subscriber: SubscriberId(subscriber),
                amount: Amount::clamped(subscriber.cast_signed()),
                held_as: HeldAs::Cash,
            };
            operate(
                &mut core,
                staff,
                Operation::ImportBalance(Box::new(balance)),
            );
        }
        core.into_state()
    }

    fn here(state: &State) -> [u8; 32] {
        let mut sum = Sum::new(DOMAIN);
        sum.state(state, &mut Sections::here(state));
        sum.finish()
    }

    fn on_threads(state: &State) -> [u8; 32] {
        std::thread::scope(|scope| {
            let mut sum = Sum::new(DOMAIN);
            sum.state(state, &mut Sections::on_threads(state, scope));
            sum.finish()
        })
    }

    #[test]
    fn threads_make_the_same_digest() {
        let block = BLOCK as u64;
        for count in [0, 1, block - 1, block, block + 1, 3 * block + 7] {
            let state = state(count);
            assert_eq!(state.subscribers.len() as u64, count);
            assert_eq!(state.book.iter().count() as u64 > count, count > 0);
            assert_eq!(here(&state), on_threads(&state), "{count} subscribers");
        }
    }
}
