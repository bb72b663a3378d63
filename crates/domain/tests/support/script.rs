//! The world with names for what is in it, and how one row of a table is run.
//!
//! Every world begins with the operators `ann` and `bea` (both admin), the merchants `shop` (no fee), `cafe` (1 % + 5, tax 10 %
//! on the fee), and the subscribers `alice`, `bob` and `carol`, each with one enrolled phone that is called as they are.

use std::collections::BTreeMap;

use paytone_domain::{
    Actor, Answer, Command,
    approval::Evidence,
    idempotency::Repeat,
    ids::{
        BodyHash, DeviceId, EffectId, EnrolmentId, KeyringFingerprint, LotId, MandateId,
        MerchantId, NumberHash, OperatorId, PaymentId, PinValue, PublicKey, RefundId, RepeatKey,
        Sealed, Signature, SubscriberId,
    },
    merchant::{MerchantLimits, PricePlan},
    money::{Amount, Currency},
    operator::{Done, Operation, OperatorCommand, OperatorRefusal, Role},
    subscriber::{
        EnrolmentCommand, Line, LineKind, LineRow, LineStatus, NextStep, RowOutcome, RowRefusal,
    },
    time::DAY,
};

use super::{show, words, world::World};

pub const ANN: Actor = Actor::Operator(OperatorId(1));
pub const BEA: Actor = Actor::Operator(OperatorId(2));

pub struct Script {
    pub world: World,
    pub merchants: BTreeMap<String, MerchantId>,
    /// As they were when first seen; a number's holder may be another by now.
    pub people: BTreeMap<String, SubscriberId>,
    pub devices: BTreeMap<String, DeviceId>,
    pub payments: BTreeMap<String, PaymentId>,
    pub refunds: BTreeMap<String, RefundId>,
    pub mandates: BTreeMap<String, MandateId>,
    pub lots: BTreeMap<String, LotId>,
    used: u64,
}

impl Default for Script {
    fn default() -> Self {
        let mut script = Self::empty();
        let limits = MerchantLimits {
            payment: amount(1_000_000),
            daily: amount(5_000_000),
        };
        script.add_merchant("shop", 5_411, limits, [0, 0, 0]);
        script.add_merchant("cafe", 5_812, limits, [100, 5, 1_000]);
        for name in ["alice", "bob", "carol"] {
            let added = script.import(&script.row(name));
            assert_eq!(added, Ok(RowOutcome::Added));
            script.enrol_first(name);
        }
        script
    }
}

impl Script {
    /// Without merchants and subscribers.
    pub fn empty() -> Self {
        let mut world = World::default();
        world.run(
            Actor::Console,
            Command::Initialize {
                currency: Currency::new("CNY", 2).expect("a currency"),
                zone: "Asia/Shanghai".to_owned(),
                cut_off_minutes: 0,
                keyring: KeyringFingerprint([7; 32]),
            },
        );
        let mut script = Self {
            world,
            merchants: BTreeMap::new(),
            people: BTreeMap::new(),
            devices: BTreeMap::new(),
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            mandates: BTreeMap::new(),
            lots: BTreeMap::new(),
            used: 0,
        };
        for (by, name) in [(Actor::Console, "ann"), (ANN, "bea")] {
            let operation = Operation::AddOperator {
                name: name.to_owned(),
                role: Role::Admin,
                password: Sealed::default(),
            };
            script.operate(by, operation).expect("an operator is added");
        }
        script
    }

    /// One row: `verb arguments`.
    pub fn run(&mut self, command: &str) -> String {
        words::run(self, command)
    }

    pub fn add_merchant(
        &mut self,
        name: &str,
        category: u16,
        limits: MerchantLimits,
        [fee_basis_points, fee_fixed, tax_basis_points]: [u32; 3],
    ) {
        let operation = Operation::AddMerchant {
            subject: 1_000 + self.merchants.len() as u64,
            name: sealed(name),
            category,
            limits,
            plan: PricePlan {
                version: 1,
                fee_basis_points,
                fee_fixed: amount(i64::from(fee_fixed)),
                tax_basis_points,
            },
        };
        let Ok(Done::MerchantAdded(id)) = self.operate(ANN, operation) else {
            panic!("a merchant is added");
        };
        self.merchants.insert(name.to_owned(), id);
    }

    /// Does an operation, with the second person where it needs one.
    pub fn act(&mut self, operation: Operation) -> Result<Done, OperatorRefusal> {
        match self.operate(ANN, operation) {
            Ok(Done::Proposed(proposal)) => {
                let command = OperatorCommand::Decide {
                    proposal,
                    approve: true,
                };
                self.staff(BEA, command)
            }
            done => done,
        }
    }

    /// Asks for an operation; it may become a proposal.
    pub fn operate(&mut self, by: Actor, operation: Operation) -> Result<Done, OperatorRefusal> {
        self.staff(by, OperatorCommand::Do(Box::new(operation)))
    }

    pub fn staff(&mut self, by: Actor, command: OperatorCommand) -> Result<Done, OperatorRefusal> {
        match self.world.run(by, Command::Operator(command)) {
            Answer::Operator(answer) => answer,
            other => panic!("not an operator's answer: {other:?}"),
        }
    }

    /// The row that tells what is known of a number: the line as it is, or that of a new one.
    pub fn row(&self, name: &str) -> LineRow {
        let holder = self.world.state.holder(&number(name));
        let now = self.world.moment.now;
        let line = holder.map_or_else(
            || Line {
                activated: now.plus(-400 * DAY),
                sim_changed: None,
                device_changed: None,
                kind: LineKind::Postpaid,
                status: LineStatus::Active,
                bill_limit: Amount::ZERO,
                as_of: now,
            },
            |holder| holder.line(),
        );
        LineRow {
            number: number(name),
            renumbered_from: None,
            recycled: false,
            line,
            subject: holder.map_or_else(|| self.new_subject(), |holder| holder.subject),
            profile: sealed(name),
            profile_hash: holder.map_or_else(
                || u64::from_be_bytes(spread(name)[8..].try_into().expect("eight bytes")) / 2,
                |holder| holder.profile_hash,
            ),
            bank: None,
        }
    }

    pub fn new_subject(&self) -> u64 {
        self.world.state.subscribers.len() as u64 + 1
    }

    pub fn import(&mut self, row: &LineRow) -> Result<RowOutcome, RowRefusal> {
        let command = Command::Line(Box::new(row.clone()));
        match self.world.run(ANN, command) {
            Answer::Line(outcome) => outcome,
            other => panic!("not a row's answer: {other:?}"),
        }
    }

    fn enrol_first(&mut self, name: &str) {
        let holder = self.holder(name).expect("a known number");
        self.people.insert(name.to_owned(), holder);
        let id = enrolment(name);
        let key = PublicKey([1; 65]);
        for command in [
            EnrolmentCommand::Ask {
                id,
                number: number(name),
            },
            EnrolmentCommand::TryCode { id, matches: true },
            EnrolmentCommand::Complete {
                id,
                key,
                pin: pin(holder),
                label: sealed(name),
                recovery: false,
            },
        ] {
            let answer = self
                .world
                .run(Actor::Enrolling, Command::Enrolment(command));
            if let Answer::Enrolment(Ok(NextStep::Enrolled { device, .. })) = answer {
                self.devices.insert(name.to_owned(), device);
            }
        }
    }

    pub fn holder(&self, name: &str) -> Option<SubscriberId> {
        self.world
            .state
            .holder(&number(name))
            .map(|holder| holder.id)
    }

    pub fn merchant(&self, name: &str) -> MerchantId {
        self.merchants[name]
    }

    /// Somebody by name, whoever holds that number now.
    pub fn person(&self, name: &str) -> SubscriberId {
        self.people[name]
    }

    /// A device, by default the one that is called as the payer is.
    pub fn device_of(&self, payer: Option<SubscriberId>) -> DeviceId {
        let named = self.people.iter().find(|(_, id)| Some(**id) == payer);
        named
            .and_then(|(name, _)| self.devices.get(name))
            .copied()
            .unwrap_or(DeviceId(999))
    }

    /// A new key each time, or the named one; the body is the row it came with.
    pub fn repeat(&mut self, key: Option<&str>, body: &str) -> Repeat {
        self.used += 1;
        let own = self.used.to_string();
        Repeat::new(
            RepeatKey(spread(key.unwrap_or(&own))),
            BodyHash(spread(body)),
        )
    }

    pub fn entropy(&mut self) -> u64 {
        self.used += 1;
        self.used.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// The oldest effect of a payment that is not settled.
    pub fn effect_of(&self, payment: PaymentId) -> EffectId {
        let effects = self.world.state.effects.values();
        effects
            .filter(|effect| effect.payment == payment)
            .map(|effect| effect.id)
            .min()
            .unwrap_or(EffectId(999))
    }

    pub fn show(&self, what: &str) -> String {
        show::named(self, what)
    }
}

pub fn amount(minor: i64) -> Amount {
    Amount::new(minor).expect("an amount")
}

pub fn sealed(text: &str) -> Sealed {
    Sealed::from(text.as_bytes().to_vec())
}

pub fn number(name: &str) -> NumberHash {
    NumberHash(spread(name))
}

pub fn enrolment(name: &str) -> EnrolmentId {
    EnrolmentId(spread(name))
}

pub fn pin(of: SubscriberId) -> PinValue {
    PinValue([of.0 as u8; 32])
}

pub fn evidence() -> Evidence {
    Evidence {
        document: sealed("what was shown"),
        signature: Signature([3; 64]),
    }
}

/// Sixteen bytes for a name.
fn spread(name: &str) -> [u8; 16] {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in name.bytes() {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B);
    }
    hash.to_be_bytes()
}
