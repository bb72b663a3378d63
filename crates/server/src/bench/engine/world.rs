//! The world that `paytone bench engine` runs in, made through the domain's own commands.
//!
//! Everybody has a line and money: cash, some a grant besides, some a phone bill. The payers among them have a device and a
//! mandate; of the mandates a share is for the first merchant, the hot one. What the edge would seal is drawn at random with
//! the length that it has sealed; nothing here reads it. One piece: its steps follow each other, each on what the last made.

use std::collections::VecDeque;

use paytone_domain::{
    Actor, Answer, Command,
    approval::{Evidence, SignatureCheck},
    grant::{ExpiredRefund, Origin, Scope},
    idempotency::Repeat,
    ids::{
        BodyHash, ClientKeyId, DeviceId, EnrolmentId, KeyringFingerprint, MandateId, MerchantId,
        NumberHash, OperatorId, PinValue, PublicKey, RepeatKey, Sealed, Signature, SubscriberId,
    },
    mandate::{MandateApproval, MandateCommand, MandateRequest, Terms},
    merchant::{MerchantLimits, PricePlan},
    money::{Amount, Currency},
    operator::{BalanceRow, Done, HeldAs, Operation, OperatorCommand, Role},
    payment::{CaptureMode, PayerRef, PaymentCommand, PaymentRequest, Whose},
    risk::{FourEyes, Rules},
    subscriber::{EnrolmentCommand, Line, LineKind, LineRow, LineStatus, NextStep},
    time::{BusinessDate, DAY, Timestamp},
};
use paytone_engine::{Engine, EngineError, Pending};

use super::Args;

/// How long texts are once they are sealed: key id, nonce and tag are 32 bytes of it.
const PROFILE_BYTES: usize = 32 + 71;
const PAYMENT_TEXT_BYTES: usize = 32 + 44;
const EVIDENCE_BYTES: usize = 32 + 420;
const LABEL_BYTES: usize = 32 + 16;

/// Commands that go to the engine together while the world is made.
const TOGETHER: usize = 256;
/// How many such groups wait for their answers at a time.
const UNDER_WAY: usize = 16;

/// Of a hundred mandates so many are for the hot merchant.
const HOT_PERCENT: u64 = 30;

#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{step} was answered {answer}")]
    Unexpected { step: &'static str, answer: String },
}

fn unexpected(step: &'static str, answer: &impl std::fmt::Debug) -> WorldError {
    WorldError::Unexpected {
        step,
        answer: format!("{answer:?}"),
    }
}

/// Splitmix64: quick, and the same in every run.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `count`, which is not zero.
    pub fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    pub fn bytes<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        self.fill(&mut bytes);
        bytes
    }

    fn sealed<const LENGTH: usize>(&mut self) -> Sealed {
        Sealed::from(&self.bytes::<LENGTH>()[..])
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.next().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}

/// A mandate that payments are charged under.
#[derive(Clone, Copy, Debug)]
struct Charge {
    mandate: MandateId,
    merchant: MerchantId,
}

/// What the load generator needs to know.
pub struct World {
    charges: Vec<Charge>,
}

impl World {
    /// The next payment: who pays whom, how much.
    pub fn payment(&self, random: &mut Random) -> (Actor, Command) {
        let place = random.below(self.charges.len() as u64);
        let charge = self.charges[usize::try_from(place).unwrap_or(0)];
        let request = PaymentRequest {
            merchant: charge.merchant,
            payer: PayerRef::Mandate(charge.mandate),
            amount: Amount::clamped(100 + i64::try_from(random.below(20_000)).unwrap_or(0)),
            whose: Whose::Own,
            capture: CaptureMode::Automatic,
            text: random.sealed::<PAYMENT_TEXT_BYTES>(),
            reference_hash: Some(random.next()),
            expires_in_seconds: None,
            entropy: random.next(),
            repeat: repeat(random),
        };
        let actor = Actor::Client(charge.merchant, ClientKeyId(charge.merchant.0));
        let command = Command::Payment(PaymentCommand::Request(Box::new(request)));
        (actor, command)
    }
}

fn repeat(random: &mut Random) -> Repeat {
    Repeat::new(RepeatKey(random.bytes()), BodyHash(random.bytes()))
}

/// Makes the world step by step; memory can be looked at in between.
pub struct Maker {
    engine: Engine,
    random: Random,
    operator: OperatorId,
    now: Timestamp,
    merchants: u64,
    subscribers: u64,
    payers: u64,
}

impl Maker {
    /// Initialises the journal, and adds staff and merchants.
    pub async fn begin(engine: &Engine, args: &Args) -> Result<Self, WorldError> {
        let mut maker = Self {
            engine: engine.clone(),
            random: Random(1),
            operator: OperatorId(1),
            now: crate::edge::time::now(),
            merchants: args.merchants.max(1),
            subscribers: args.subscribers.max(1),
            payers: args.payers.clamp(1, args.subscribers.max(1)),
        };
        let begin = Command::Initialize {
            currency: Currency::new("CNY", 2).ok_or_else(|| unexpected("a currency", &"CNY"))?,
            zone: "Asia/Shanghai".to_owned(),
            cut_off_minutes: 0,
            keyring: KeyringFingerprint([0; 32]),
        };
        maker.ask(Actor::Console, begin).await?;
        maker.staff().await?;
        maker.add_merchants().await?;
        Ok(maker)
    }

    async fn ask(&self, actor: Actor, command: Command) -> Result<Answer, WorldError> {
        Ok(self.engine.submit(actor, 0, command).await?.answer)
    }

    async fn operate(
        &self,
        by: OperatorId,
        operation: OperatorCommand,
    ) -> Result<Done, WorldError> {
        match self
            .ask(Actor::Operator(by), Command::Operator(operation))
            .await?
        {
            Answer::Operator(Ok(done)) => Ok(done),
            other => Err(unexpected("an operation", &other)),
        }
    }

    async fn staff(&mut self) -> Result<(), WorldError> {
        let add = |name: &str| {
            OperatorCommand::Do(Box::new(Operation::AddOperator {
                name: name.to_owned(),
                role: Role::Admin,
                password: Sealed::default(),
            }))
        };
        let first = self
            .ask(Actor::Console, Command::Operator(add("first")))
            .await?;
        let Answer::Operator(Ok(Done::OperatorAdded(first))) = first else {
            return Err(unexpected("the first operator", &first));
        };
        self.operator = first;
        let Done::OperatorAdded(second) = self.operate(first, add("second")).await? else {
            return Err(unexpected("the second operator", &first));
        };
        let rules = OperatorCommand::Do(Box::new(Operation::SetRules(Box::new(rules()))));
        let Done::Proposed(proposal) = self.operate(first, rules).await? else {
            return Err(unexpected("new rules", &first));
        };
        let approve = OperatorCommand::Decide {
            proposal,
            approve: true,
        };
        self.operate(second, approve).await?;
        Ok(())
    }

    async fn add_merchants(&mut self) -> Result<(), WorldError> {
        let limits = MerchantLimits {
            payment: Amount::clamped(100_000_000),
            daily: Amount::MAX,
        };
        let mut groups = Groups::new(&self.engine, Actor::Operator(self.operator));
        for subject in 0..self.merchants {
            let add = Operation::AddMerchant {
                // Merchants' keys are apart from subscribers'.
                subject: (1 << 62) | subject,
                name: self.random.sealed::<LABEL_BYTES>(),
                category: 5_411,
                limits,
                plan: PricePlan {
                    version: 1,
                    fee_basis_points: 60,
                    fee_fixed: Amount::ZERO,
                    tax_basis_points: 600,
                },
            };
            let add = Command::Operator(OperatorCommand::Do(Box::new(add)));
            groups.add(add, &mut no_answer).await?;
        }
        groups.finish(&mut no_answer).await
    }

    /// A line for everybody; every fourth may pay on the phone bill.
    pub async fn add_lines(&mut self) -> Result<(), WorldError> {
        let mut groups = Groups::new(&self.engine, Actor::Operator(self.operator));
        for place in 0..self.subscribers {
            let postpaid = place % 4 == 3;
            let row = LineRow {
                number: number(place),
                renumbered_from: None,
                recycled: false,
                line: Line {
                    activated: Timestamp(self.now.0 - 400 * DAY),
                    sim_changed: None,
                    device_changed: None,
                    kind: if postpaid {
                        LineKind::Postpaid
                    } else {
                        LineKind::Prepaid
                    },
                    status: LineStatus::Active,
                    bill_limit: if postpaid { Amount::MAX } else { Amount::ZERO },
                    as_of: self.now,
                },
                subject: Random(place << 8).next() >> 2,
                profile: self.random.sealed::<PROFILE_BYTES>(),
                profile_hash: self.random.next(),
                bank: None,
            };
            groups
                .add(Command::Line(Box::new(row)), &mut no_answer)
                .await?;
        }
        groups.finish(&mut no_answer).await
    }

    /// Cash for everybody but those with a phone bill, who have little; every fourth has a grant besides.
    pub async fn add_balances(&mut self) -> Result<(), WorldError> {
        let mut groups = Groups::new(&self.engine, Actor::Operator(self.operator));
        for place in 0..self.subscribers {
            let row = |kind: u64, amount, held_as| BalanceRow {
                row: Random(place << 8 | kind).next(),
                subscriber: SubscriberId(place + 1),
                amount,
                held_as,
            };
            let minor = if place % 4 == 3 { 5_000 } else { 1_000_000_000 };
            let cash = row(1, Amount::clamped(minor), HeldAs::Cash);
            groups.add(import(cash), &mut no_answer).await?;
            if place % 4 == 1 {
                let held_as = HeldAs::Grant {
                    origin: Origin::Campaign,
                    label: self.random.sealed::<LABEL_BYTES>(),
                    tax_class: 0,
                    expires_at: Some(self.now.plus(90 * DAY)),
                    scope: Scope::default(),
                    expired_refund: ExpiredRefund::Cash,
                };
                let grant = row(2, Amount::clamped(50_000), held_as);
                groups.add(import(grant), &mut no_answer).await?;
            }
        }
        groups.finish(&mut no_answer).await
    }

    /// A device and a mandate for each payer. Payers are spread over all subscribers.
    pub async fn add_mandates(&mut self) -> Result<World, WorldError> {
        let step = self.subscribers / self.payers;
        let payers: Vec<u64> = (0..self.payers).map(|place| place * step).collect();
        let mut charges = Vec::with_capacity(payers.len());
        // Some at a time, so that no prompt waits until its deadline.
        for payers in payers.chunks(8_192) {
            let devices = self.enrol(payers).await?;
            let asked = self.request_mandates(payers).await?;
            self.approve_mandates(payers, &devices, &asked).await?;
            charges.extend(asked.into_iter().map(|(charge, _)| charge));
        }
        Ok(World { charges })
    }

    async fn enrol(&mut self, payers: &[u64]) -> Result<Vec<DeviceId>, WorldError> {
        let mut devices = Vec::with_capacity(payers.len());
        let mut groups = Groups::new(&self.engine, Actor::Enrolling);
        let mut enrolled = |answer: Answer| {
            if let Answer::Enrolment(Ok(NextStep::Enrolled { device, .. })) = answer {
                devices.push(device);
            }
        };
        for place in payers {
            let id = EnrolmentId(self.random.bytes());
            let number = number(*place);
            let complete = EnrolmentCommand::Complete {
                id,
                key: PublicKey(self.random.bytes()),
                pin: pin(*place),
                label: self.random.sealed::<LABEL_BYTES>(),
                recovery: false,
            };
            for command in [
                EnrolmentCommand::Ask { id, number },
                EnrolmentCommand::TryCode { id, matches: true },
                complete,
            ] {
                let command = Command::Enrolment(command);
                groups.add(command, &mut enrolled).await?;
            }
        }
        groups.finish(&mut enrolled).await?;
        all("enrolments", devices, payers.len())
    }

    /// The mandates asked for, each with the code that its checkout shows.
    async fn request_mandates(&mut self, payers: &[u64]) -> Result<Vec<(Charge, u8)>, WorldError> {
        let mut merchants = VecDeque::with_capacity(payers.len());
        let mut asked = Vec::with_capacity(payers.len());
        let mut groups = Groups::new(&self.engine, Actor::System);
        let mut seen = |answer: Answer| {
            if let Answer::Mandate(Ok(facts)) = answer {
                asked.push((facts.id, facts.match_code));
            }
        };
        for place in payers {
            let merchant = if self.random.below(100) < HOT_PERCENT {
                MerchantId(1)
            } else {
                MerchantId(1 + self.random.below(self.merchants))
            };
            merchants.push_back(merchant);
            let request = MandateRequest {
                merchant,
                number: number(*place),
                terms: Terms {
                    payment_limit: Amount::clamped(10_000_000),
                    monthly_limit: Amount::MAX,
                    ends_on: BusinessDate(100_000),
                },
                text: self.random.sealed::<PAYMENT_TEXT_BYTES>(),
                entropy: self.random.next(),
                repeat: repeat(&mut self.random),
            };
            let request = MandateCommand::Request(Box::new(request));
            groups.add(Command::Mandate(request), &mut seen).await?;
        }
        groups.finish(&mut seen).await?;
        let charges = asked.into_iter().zip(merchants);
        let charges =
            charges.map(|((mandate, code), merchant)| (Charge { mandate, merchant }, code));
        all("mandates", charges.collect(), payers.len())
    }

    async fn approve_mandates(
        &mut self,
        payers: &[u64],
        devices: &[DeviceId],
        asked: &[(Charge, u8)],
    ) -> Result<(), WorldError> {
        let mut active = Vec::with_capacity(payers.len());
        let mut approved = |answer: Answer| {
            if matches!(answer, Answer::MandateOnPhone(Ok(_))) {
                active.push(());
            }
        };
        let mut groups = Groups::new(&self.engine, Actor::System);
        for ((place, device), (charge, code)) in payers.iter().zip(devices).zip(asked) {
            let approval = MandateApproval {
                device: *device,
                id: charge.mandate,
                pin: pin(*place),
                code: *code,
                check: SignatureCheck::Valid,
                evidence: Evidence {
                    document: self.random.sealed::<EVIDENCE_BYTES>(),
                    signature: Signature(self.random.bytes()),
                },
            };
            let approval = MandateCommand::Approve(Box::new(approval));
            let approval = Command::Mandate(approval);
            groups.add(approval, &mut approved).await?;
        }
        groups.finish(&mut approved).await?;
        all("approvals", active, payers.len()).map(drop)
    }
}

fn all<T>(step: &'static str, made: Vec<T>, expected: usize) -> Result<Vec<T>, WorldError> {
    if made.len() == expected {
        Ok(made)
    } else {
        Err(unexpected(step, &made.len()))
    }
}

/// Real limits, so high that a benchmark does not meet them.
fn rules() -> Rules {
    Rules {
        payment_limit: Amount::clamped(100_000_000),
        daily_limit: Amount::MAX,
        monthly_limit: Amount::MAX,
        merchant_prompts_per_hour: u32::MAX,
        merchant_open: u32::MAX,
        open_payments: u32::MAX,
        enrolments: u32::MAX,
        four_eyes: FourEyes {
            adjustments: false,
            rules: false,
            client_keys: false,
            unblocking: false,
        },
        ..Rules::default()
    }
}

fn number(place: u64) -> NumberHash {
    NumberHash(Random(place.wrapping_mul(3)).bytes())
}

fn pin(place: u64) -> PinValue {
    PinValue(Random(place.wrapping_mul(5)).bytes())
}

fn import(row: BalanceRow) -> Command {
    Command::Operator(OperatorCommand::Do(Box::new(Operation::ImportBalance(
        Box::new(row),
    ))))
}

fn no_answer(_: Answer) {}

/// Sends commands in groups, several under way at a time.
struct Groups<'a> {
    engine: &'a Engine,
    actor: Actor,
    group: Vec<Command>,
    under_way: VecDeque<Pending<Vec<Answer>>>,
}

impl<'a> Groups<'a> {
    fn new(engine: &'a Engine, actor: Actor) -> Self {
        Self {
            engine,
            actor,
            group: Vec::with_capacity(TOGETHER),
            under_way: VecDeque::new(),
        }
    }

    async fn add(
        &mut self,
        command: Command,
        seen: &mut impl FnMut(Answer),
    ) -> Result<(), WorldError> {
        self.group.push(command);
        if self.group.len() == TOGETHER {
            self.send(seen).await?;
        }
        Ok(())
    }

    async fn send(&mut self, seen: &mut impl FnMut(Answer)) -> Result<(), WorldError> {
        let group = std::mem::replace(&mut self.group, Vec::with_capacity(TOGETHER));
        let pending = self.engine.ask_many(self.actor, group)?;
        self.under_way.push_back(pending);
        if self.under_way.len() == UNDER_WAY {
            self.wait(seen).await?;
        }
        Ok(())
    }

    async fn wait(&mut self, seen: &mut impl FnMut(Answer)) -> Result<(), WorldError> {
        if let Some(pending) = self.under_way.pop_front() {
            pending.answered().await?.answer.into_iter().for_each(seen);
        }
        Ok(())
    }

    async fn finish(mut self, seen: &mut impl FnMut(Answer)) -> Result<(), WorldError> {
        self.send(seen).await?;
        while !self.under_way.is_empty() {
            self.wait(seen).await?;
        }
        Ok(())
    }
}
