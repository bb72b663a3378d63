//! The world of `paytone bench start`, decided command by command and appended in large batches.
//!
//! What the edge would seal is bytes of the length that it has sealed; nothing here reads it.

use paytone_domain::{
    Actor, Answer, Command,
    approval::{Evidence, SignatureCheck},
    idempotency::Repeat,
    ids::{
        BodyHash, ClientKeyId, DeviceId, EnrolmentId, KeyringFingerprint, MandateId, MerchantId,
        NumberHash, OperatorId, PinValue, PublicKey, RepeatKey, Sealed, Signature, SubscriberId,
    },
    mandate::{MandateApproval, MandateCommand, MandateRequest, Terms},
    merchant::{MerchantLimits, PricePlan},
    money::{Amount, Currency},
    operator::{BalanceRow, Done, HeldAs, Operation, OperatorCommand, Role},
    payment::{CaptureMode, PayerRef, PaymentCommand, PaymentRequest, Status, Whose},
    risk::{FourEyes, Rules},
    subscriber::{EnrolmentCommand, Line, LineKind, LineRow, LineStatus, NextStep},
    time::{BusinessDate, DAY, SECOND, Timestamp},
};
use paytone_engine::Core;
use paytone_journal::{Journal as _, SqliteJournal};

use super::StartError;

/// Commands of one batch.
const BATCH: usize = 1_000;
/// 1 November 2026.
const BEGINS: Timestamp = Timestamp(1_793_491_200_000);
const PROFILE_BYTES: usize = 103;
const TEXT_BYTES: usize = 76;
const EVIDENCE_BYTES: usize = 452;

/// Decides commands on a core and appends what they did.
struct Deciding<'a> {
    core: Core,
    journal: &'a mut SqliteJournal,
    now: Timestamp,
    /// Names batches, requests, keys.
    next: u64,
}

/// What is charged, and the time from which on.
pub struct Charges {
    merchant: MerchantId,
    mandates: Vec<MandateId>,
    now: Timestamp,
}

pub struct World(Charges);

fn unexpected(step: &'static str, answer: &Answer) -> StartError {
    StartError::Unexpected {
        step,
        answer: format!("{answer:?}"),
    }
}

/// Spread over all bytes, and another one for each number and use.
fn bytes<const LENGTH: usize>(number: u64, which: u64) -> [u8; LENGTH] {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ which;
    std::array::from_fn(|_| {
        mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) | 1;
        (mixed >> 48) as u8
    })
}

fn sealed<const LENGTH: usize>(number: u64) -> Sealed {
    Sealed(bytes::<LENGTH>(number, 7).into())
}

fn number(place: u64) -> NumberHash {
    let mut hash: [u8; 16] = bytes(place, 1);
    hash[..8].copy_from_slice(&place.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    NumberHash(hash)
}

impl Deciding<'_> {
    fn repeat(&mut self) -> Repeat {
        self.next += 1;
        let mut key: [u8; 16] = bytes(self.next, 2);
        key[8..].copy_from_slice(&self.next.to_le_bytes());
        Repeat::new(RepeatKey(key), BodyHash(bytes(self.next, 3)))
    }

    async fn decide(&mut self, actor: Actor, command: Command) -> Result<Answer, StartError> {
        if !self.core.has_open_batch() {
            self.now = self.now.plus(20);
            self.core.advance(self.now);
        }
        let answer = self.core.decide(actor, 0, command);
        if self.core.open_items() >= BATCH {
            self.append().await?;
        }
        Ok(answer)
    }

    async fn append(&mut self) -> Result<(), StartError> {
        self.next += 1;
        let id = u128::from(self.next).to_be_bytes();
        if let Some(sealed) = self.core.seal(id) {
            self.journal.append(&sealed.row).await?;
        }
        Ok(())
    }

    async fn operate(&mut self, by: OperatorId, operation: Operation) -> Result<Done, StartError> {
        let command = Command::Operator(OperatorCommand::Do(Box::new(operation)));
        match self.decide(Actor::Operator(by), command).await? {
            Answer::Operator(Ok(done)) => Ok(done),
            other => Err(unexpected("an operation", &other)),
        }
    }

    /// An administrator, and rules that are not in the way.
    async fn staff(&mut self) -> Result<OperatorId, StartError> {
        let add = |name: &str| Operation::AddOperator {
            name: name.to_owned(),
            role: Role::Admin,
            password: Sealed::default(),
        };
        let first = OperatorCommand::Do(Box::new(add("first")));
        let first = match self
            .decide(Actor::Console, Command::Operator(first))
            .await?
        {
            Answer::Operator(Ok(Done::OperatorAdded(id))) => id,
            other => return Err(unexpected("the first operator", &other)),
        };
        let second = self.operate(first, add("second")).await?;
        let rules = Operation::SetRules(Box::new(wide_rules()));
        let proposed = self.operate(first, rules).await?;
        let (Done::OperatorAdded(second), Done::Proposed(proposal)) = (second, proposed) else {
            let step = "new rules";
            let answer = "something else".to_owned();
            return Err(StartError::Unexpected { step, answer });
        };
        let approve = OperatorCommand::Decide {
            proposal,
            approve: true,
        };
        let decided = Command::Operator(approve);
        match self.decide(Actor::Operator(second), decided).await? {
            Answer::Operator(Ok(Done::RulesSet(_))) => Ok(first),
            other => Err(unexpected("approval of the rules", &other)),
        }
    }

    async fn merchant(&mut self, by: OperatorId) -> Result<MerchantId, StartError> {
        let add = Operation::AddMerchant {
            subject: u64::MAX >> 1,
            name: sealed::<48>(0),
            category: 5_411,
            limits: MerchantLimits {
                payment: Amount::MAX,
                daily: Amount::MAX,
            },
            plan: PricePlan {
                version: 1,
                fee_basis_points: 60,
                fee_fixed: Amount::ZERO,
                tax_basis_points: 600,
            },
        };
        match self.operate(by, add).await? {
            Done::MerchantAdded(id) => Ok(id),
            other => Err(StartError::Unexpected {
                step: "a merchant",
                answer: format!("{other:?}"),
            }),
        }
    }

    async fn line(&mut self, by: OperatorId, place: u64) -> Result<(), StartError> {
        let row = LineRow {
            number: number(place),
            renumbered_from: None,
            recycled: false,
            line: Line {
                activated: Timestamp(BEGINS.0 - 400 * DAY),
                sim_changed: None,
                device_changed: None,
                kind: LineKind::Prepaid,
                status: LineStatus::Active,
                bill_limit: Amount::ZERO,
                as_of: BEGINS,
            },
            subject: place,
            profile: sealed::<PROFILE_BYTES>(place),
            profile_hash: place,
            bank: None,
        };
        let line = Command::Line(Box::new(row));
        self.decide(Actor::Operator(by), line).await.map(|_| ())
    }

    async fn cash(&mut self, by: OperatorId, place: u64) -> Result<(), StartError> {
        let cash = BalanceRow {
            row: place,
            subscriber: SubscriberId(place),
            amount: Amount::clamped(1_000_000_000),
            held_as: HeldAs::Cash,
        };
        let import = Operation::ImportBalance(Box::new(cash));
        self.operate(by, import).await.map(|_| ())
    }

    async fn payer(&mut self, merchant: MerchantId, place: u64) -> Result<MandateId, StartError> {
        let id = EnrolmentId(bytes(place, 4));
        let pin = PinValue(bytes(place, 5));
        let complete = EnrolmentCommand::Complete {
            id,
            key: PublicKey(bytes(place, 6)),
            pin,
            label: Sealed::default(),
            recovery: false,
        };
        let ask = EnrolmentCommand::Ask {
            id,
            number: number(place),
        };
        let matches = EnrolmentCommand::TryCode { id, matches: true };
        for command in [ask, matches] {
            let command = Command::Enrolment(command);
            self.decide(Actor::Enrolling, command).await?;
        }
        let enrolled = Command::Enrolment(complete);
        let device = match self.decide(Actor::Enrolling, enrolled).await? {
            Answer::Enrolment(Ok(NextStep::Enrolled { device, .. })) => device,
            other => return Err(unexpected("an enrolment", &other)),
        };
        self.mandate(merchant, place, device, pin).await
    }

    async fn mandate(
        &mut self,
        merchant: MerchantId,
        place: u64,
        device: DeviceId,
        pin: PinValue,
    ) -> Result<MandateId, StartError> {
        let request = MandateRequest {
            merchant,
            number: number(place),
            terms: Terms {
                payment_limit: Amount::MAX,
                monthly_limit: Amount::MAX,
                ends_on: BusinessDate(100_000),
            },
            text: sealed::<TEXT_BYTES>(place),
            entropy: place,
            repeat: self.repeat(),
        };
        let request = Command::Mandate(MandateCommand::Request(Box::new(request)));
        let facts = match self.decide(Actor::System, request).await? {
            Answer::Mandate(Ok(facts)) => facts,
            other => return Err(unexpected("a mandate", &other)),
        };
        let approval = MandateApproval {
            device,
            id: facts.id,
            pin,
            code: facts.match_code,
            check: SignatureCheck::Valid,
            evidence: Evidence {
                document: sealed::<EVIDENCE_BYTES>(place),
                signature: Signature(bytes(place, 8)),
            },
        };
        let approve = Command::Mandate(MandateCommand::Approve(Box::new(approval)));
        match self.decide(Actor::Device(device), approve).await? {
            Answer::MandateOnPhone(Ok(_)) => Ok(facts.id),
            other => Err(unexpected("a mandate's approval", &other)),
        }
    }
}

impl World {
    /// Makes it in an empty journal; the first `payers` subscribers have a mandate each, and the first `with_money` have money.
    pub async fn open(
        journal: &mut SqliteJournal,
        subscribers: u64,
        payers: u64,
        with_money: u64,
    ) -> Result<Self, StartError> {
        let mut deciding = Deciding {
            core: Core::new(),
            journal,
            now: BEGINS,
            next: 0,
        };
        let begin = Command::Initialize {
            currency: Currency::new("CNY", 2).ok_or(StartError::NotUsed)?,
            zone: "Asia/Shanghai".to_owned(),
            cut_off_minutes: 0,
            keyring: KeyringFingerprint([0; 32]),
        };
        deciding.decide(Actor::Console, begin).await?;
        let operator = deciding.staff().await?;
        let merchant = deciding.merchant(operator).await?;
        for place in 1..=subscribers {
            deciding.line(operator, place).await?;
            if place <= with_money {
                deciding.cash(operator, place).await?;
            }
        }
        let mut mandates = Vec::new();
        for place in 1..=payers.min(subscribers) {
            mandates.push(deciding.payer(merchant, place).await?);
        }
        deciding.append().await?;
        Ok(Self(Charges {
            merchant,
            mandates,
            now: deciding.now,
        }))
    }

    pub fn into_charges(self) -> Charges {
        self.0
    }
}

/// Charges mandates in turn, `payments` times in all, on the state that the journal has.
pub async fn charge(
    core: Core,
    journal: &mut SqliteJournal,
    charges: &Charges,
    payments: u64,
) -> Result<(), StartError> {
    let next = core.tip().map_or(0, |tip| tip.seq) << 32;
    let mut deciding = Deciding {
        core,
        journal,
        now: charges.now.plus(SECOND),
        next,
    };
    let client = Actor::Client(charges.merchant, ClientKeyId(1));
    let mandates = charges.mandates.iter().copied().cycle();
    for (mandate, place) in mandates.zip(0..payments) {
        let request = PaymentRequest {
            merchant: charges.merchant,
            payer: PayerRef::Mandate(mandate),
            amount: Amount::clamped(100),
            whose: Whose::Own,
            capture: CaptureMode::Automatic,
            text: sealed::<TEXT_BYTES>(place),
            reference_hash: Some(place),
            expires_in_seconds: None,
            entropy: place,
            repeat: deciding.repeat(),
        };
        let request = Command::Payment(PaymentCommand::Request(Box::new(request)));
        match deciding.decide(client, request).await? {
            Answer::Payment(Ok(facts)) if facts.now.status == Status::Captured => {}
            other => return Err(unexpected("a charge", &other)),
        }
    }
    deciding.append().await
}

/// Amounts and counts so large that no limit is in the way.
fn wide_rules() -> Rules {
    Rules {
        payment_limit: Amount::MAX,
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
