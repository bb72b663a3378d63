//! A small world that lives for some days: everything that can happen to payments, mandates, money and people does, in an
//! order that follows from a seed.
//!
//! **Not here:** anything checked. Tests look at the rows it leaves and at the state it ends with.

mod archiving;
mod steps;
mod tills;

use std::collections::BTreeMap;

use paytone_domain::{
    Actor, Answer, Command, State,
    approval::{Evidence, SignatureCheck},
    archive::{ArchiveCommand, Closed, QUIET},
    funding::{EffectCommand, EffectOutcome, EffectState, SourceKind},
    grant::{ExpiredRefund, Origin, Scope},
    idempotency::Repeat,
    ids::{
        BodyHash, ClientKeyHash, ClientKeyId, DayHash, DayKey, DeviceId, EffectId, EnrolmentId,
        KeyringFingerprint, MandateId, MerchantId, NumberHash, OperatorId, PaymentId, PinValue,
        ProposalId, PublicKey, RepeatKey, Sealed, SessionId, Signature, SubscriberId,
    },
    mandate::{MandateApproval, MandateCommand, MandateRequest, MandateStatus, Terms},
    merchant::{ClientCommand, MerchantLimits, PricePlan},
    money::{Amount, Currency},
    operator::{BalanceRow, HeldAs, Operation, OperatorCommand, Role},
    payment::{
        CaptureMode, PayerRef, PaymentApproval, PaymentCommand, PaymentRequest, Status, Whose,
    },
    risk::{FourEyes, Rules},
    sealed_day::SealedDay,
    subscriber::{
        DeviceCommand, DeviceStatus, EnrolmentCommand, Line, LineKind, LineRow, LineStatus,
        PhoneCommand,
    },
    time::{BusinessDate, DAY, HOUR, SECOND, Timestamp},
};
use paytone_engine::Core;
use paytone_journal::Row;

/// 2026-11-23T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_795_392_000_000);
const SUBSCRIBERS: u8 = 12;
const MERCHANTS: u64 = 3;
/// Of a number that is nobody's.
const STRANGER: NumberHash = NumberHash([200; 16]);

pub struct Scenario {
    core: Core,
    now: Timestamp,
    random: u64,
    keys: u64,
    rows: Vec<Row>,
    /// Now and then a day is sealed, with a made-up signature.
    pub seals_days: bool,
    /// Now and then what is over leaves memory, and something comes back.
    pub archives: bool,
    left: BTreeMap<PaymentId, Closed>,
    /// Now and then somebody pays at a till.
    pub tills: bool,
    counter: tills::Counter,
}

impl Scenario {
    /// The world at its beginning: staff, merchants, subscribers with phones and money.
    pub fn begin(seed: u64) -> Self {
        let mut scenario = Self {
            core: Core::new(),
            now: BEGIN,
            random: seed,
            keys: 0,
            rows: Vec::new(),
            seals_days: true,
            archives: false,
            left: BTreeMap::new(),
            tills: false,
            counter: tills::Counter::default(),
        };
        scenario.staff();
        scenario.merchants();
        for subscriber in 1..=SUBSCRIBERS {
            scenario.subscriber(subscriber);
        }
        scenario.seal();
        scenario
    }

    /// Lives on for that many steps.
    pub fn live(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            if self.archives && self.draw(12) == 0 {
                self.archive();
            }
            if self.tills && self.draw(2) == 0 {
                self.till();
            }
            if self.draw(3) == 0 {
                self.seal();
                let pause = match self.draw(40) {
                    0 => DAY,
                    1 => 5 * HOUR,
                    _ => SECOND * (1 + i64::from(self.draw(40))),
                };
                self.pass(pause);
            }
        }
        self.seal();
    }

    /// Time passes; what is due falls.
    pub fn pass(&mut self, milliseconds: i64) {
        self.now = self.now.plus(milliseconds);
        self.core.advance(self.now);
        while self.core.tick(100) > 0 {}
        self.seal();
    }

    pub fn state(&self) -> &State {
        self.core.state()
    }

    /// Every row so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Closes the open batch.
    pub fn seal(&mut self) {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(self.rows.len() as u64).to_be_bytes());
        if let Some(sealed) = self.core.seal(id) {
            self.rows.push(sealed.row);
        }
        self.core.advance(self.now);
    }

    pub fn decide(&mut self, actor: Actor, command: Command) -> Answer {
        let mut command = command;
        // No key here was ever used before.
        command.say_checked(self.core.state().repeats.left_before());
        self.core.decide(actor, 0, command)
    }

    /// SplitMix64, Steele, Lea and Flood 2014: the same everywhere and forever.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn draw(&mut self, below: u32) -> u32 {
        u32::try_from(self.next() % u64::from(below)).expect("a remainder of 32 bits")
    }

    fn repeat(&mut self) -> Repeat {
        self.keys += 1;
        let mut key = [0; 16];
        key[8..].copy_from_slice(&self.keys.to_be_bytes());
        Repeat::new(RepeatKey(key), BodyHash(key))
    }

    fn operate(&mut self, operator: u64, operation: Operation) {
        self.decide(
            Actor::Operator(OperatorId(operator)),
            Command::Operator(OperatorCommand::Do(Box::new(operation))),
        );
    }

    fn staff(&mut self) {
        self.core.advance(self.now);
        let begin = Command::Initialize {
            currency: Currency::new("CNY", 2).expect("a currency"),
            zone: "Asia/Shanghai".to_owned(),
            cut_off_minutes: 0,
            keyring: KeyringFingerprint([7; 32]),
        };
        self.decide(Actor::Console, begin);
        let add = |name: &str| Operation::AddOperator {
            name: name.to_owned(),
            role: Role::Admin,
            password: sealed(1),
        };
        self.decide(
            Actor::Console,
            Command::Operator(OperatorCommand::Do(Box::new(add("ada")))),
        );
        self.operate(1, add("bo"));
        let no_second_person = FourEyes {
            adjustments: false,
            rules: false,
            client_keys: false,
            unblocking: false,
        };
        let rules = Rules {
            four_eyes: no_second_person,
            attention_per_day: 100,
            ..Rules::default()
        };
        self.operate(1, Operation::SetRules(Box::new(rules)));
        let approve = OperatorCommand::Decide {
            proposal: ProposalId(1),
            approve: true,
        };
        self.decide(Actor::Operator(OperatorId(2)), Command::Operator(approve));
    }

    fn merchants(&mut self) {
        for merchant in 1..=MERCHANTS {
            let limits = MerchantLimits {
                payment: yuan(2_000),
                daily: yuan(1_000_000),
            };
            let plan = PricePlan {
                version: 1,
                fee_basis_points: 60,
                fee_fixed: Amount::clamped(10),
                tax_basis_points: 600,
            };
            self.operate(
                1,
                Operation::AddMerchant {
                    subject: 1_000 + merchant,
                    name: sealed(2),
                    category: 5_411,
                    limits,
                    plan,
                },
            );
            let key = Operation::AddClientKey {
                merchant: MerchantId(merchant),
                hash: ClientKeyHash([u8::try_from(merchant).expect("few"); 32]),
                label: "till".to_owned(),
            };
            self.operate(1, key);
            let endpoint = ClientCommand::AddEndpoint {
                merchant: MerchantId(merchant),
                url: sealed(3),
                secret: sealed(4),
            };
            self.decide(client(MerchantId(merchant)), Command::Client(endpoint));
        }
    }

    fn subscriber(&mut self, subscriber: u8) {
        let row = self.line(subscriber, false);
        self.decide(Actor::Operator(OperatorId(1)), Command::Line(Box::new(row)));
        let id = SubscriberId(u64::from(subscriber));
        for (row, amount, held_as) in [
            (1, 30_000, HeldAs::Cash),
            (2, 200, grant(None, ExpiredRefund::Cash)),
            (
                3,
                150,
                grant(Some(self.now.plus(2 * DAY)), ExpiredRefund::Extend(5)),
            ),
        ] {
            let row = BalanceRow {
                row: u64::from(subscriber) * 10 + row,
                subscriber: id,
                amount: yuan(amount),
                held_as,
            };
            self.operate(1, Operation::ImportBalance(Box::new(row)));
        }
        // One has no phone.
        if subscriber != SUBSCRIBERS {
            self.enrol(subscriber, false);
        }
        if subscriber.is_multiple_of(3)
            && let Some(device) = self.device_of(id)
        {
            self.decide(
                Actor::Device(device),
                Command::Phone(PhoneCommand::OrderSources {
                    device,
                    order: [
                        SourceKind::Bank,
                        SourceKind::Grant,
                        SourceKind::Bill,
                        SourceKind::Balance,
                    ],
                }),
            );
        }
    }

    fn line(&mut self, number: u8, recycled: bool) -> LineRow {
        let line = Line {
            activated: self.now.plus(if recycled { -20 * DAY } else { -400 * DAY }),
            sim_changed: None,
            device_changed: None,
            kind: LineKind::Postpaid,
            status: LineStatus::Active,
            bill_limit: yuan(500),
            as_of: self.now,
        };
        LineRow {
            number: NumberHash([number; 16]),
            renumbered_from: None,
            recycled,
            line,
            subject: self.core.state().subscribers.len() as u64 + 1,
            profile: sealed(5),
            profile_hash: u64::from(number),
            bank: number.is_multiple_of(3).then(|| sealed(6)),
        }
    }

    fn enrol(&mut self, number: u8, recovery: bool) {
        self.keys += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.keys.to_be_bytes());
        let id = EnrolmentId(id);
        let number = NumberHash([number; 16]);
        let Some(holder) = self.state().holder(&number).map(|holder| holder.id) else {
            return;
        };
        let chosen = if self.draw(8) == 0 {
            PinValue([254; 32])
        } else {
            pin(holder)
        };
        let mut key = [4; 65];
        key[1] = u8::try_from(self.keys % 256).expect("a byte");
        for command in [
            EnrolmentCommand::Ask { id, number },
            EnrolmentCommand::TryCode { id, matches: false },
            EnrolmentCommand::TryCode { id, matches: true },
            EnrolmentCommand::Complete {
                id,
                key: PublicKey(key),
                pin: chosen,
                label: sealed(7),
                recovery,
            },
        ] {
            self.decide(Actor::Enrolling, Command::Enrolment(command));
        }
    }

    fn device_of(&self, subscriber: SubscriberId) -> Option<DeviceId> {
        let state = self.core.state();
        let devices = &state.subscribers.get(subscriber)?.devices;
        devices.iter().copied().find(|id| {
            state
                .devices
                .get(id)
                .is_some_and(|device| device.status == DeviceStatus::Active)
        })
    }
}

fn client(merchant: MerchantId) -> Actor {
    Actor::Client(merchant, ClientKeyId(merchant.0))
}

fn sealed(what: u8) -> Sealed {
    Sealed(vec![what; 24].into())
}

fn pin(subscriber: SubscriberId) -> PinValue {
    PinValue([u8::try_from(subscriber.0 % 250).expect("below 250"); 32])
}

fn evidence() -> Evidence {
    Evidence {
        document: sealed(12),
        signature: Signature([13; 64]),
    }
}

fn grant(expires_at: Option<Timestamp>, expired_refund: ExpiredRefund) -> HeldAs {
    HeldAs::Grant {
        origin: Origin::Campaign,
        label: sealed(14),
        tax_class: 1,
        expires_at,
        scope: Scope::default(),
        expired_refund,
    }
}

fn yuan(whole: i64) -> Amount {
    Amount::clamped(whole * 100)
}
