//! The operator's staff: two people, the network's exports, limits, blocks, and what waits for a person.

use std::collections::BTreeMap;

use paytone_connectors::stand_in_bank::{Arrival, Request};
use paytone_domain::{
    Actor, Answer, Command, State,
    funding::EffectState,
    grant::{ExpiredRefund, Origin, Scope},
    ids::{
        KeyringFingerprint, MerchantId, NumberHash, OperatorId, ProposalId, Sealed, SubscriberId,
    },
    merchant::{MerchantLimits, PricePlan},
    money::{Amount, Currency},
    operator::{BalanceRow, Done, HeldAs, Operation, OperatorCommand, Role},
    risk::Rules,
    subscriber::{Line, LineKind, LineRow, LineStatus},
};

use crate::{
    exchange::CURRENCY,
    happening::{Ask, CallId, Happening, Owner, Told},
    merchants::MERCHANTS,
    phones::Phone,
    violation::{Check, Checked, require},
    world::World,
};

const SUBSCRIBERS: u8 = 6;
const DAY: i64 = 86_400_000;

#[derive(Default)]
pub struct Staff {
    /// Every number that was ever somebody's.
    pub numbers: Vec<NumberHash>,
    next_subject: u64,
    next_row: u64,
    /// Opening balances that the answers say were taken in.
    imported: BTreeMap<u64, i64>,
}

fn person(place: usize) -> Actor {
    Actor::Operator(OperatorId(1 + place as u64 % 2))
}

impl World {
    fn state(&self) -> Option<&State> {
        self.process
            .as_ref()
            .map(|process| process.pipeline.state())
    }

    /// The world before the first payment. Sent in order, each once the one before is answered.
    pub fn opening(&self) -> Vec<(Actor, Command)> {
        let operator = |operation| {
            let command = OperatorCommand::Do(Box::new(operation));
            (person(0), Command::Operator(command))
        };
        let admin = |name: &str| Operation::AddOperator {
            name: name.to_owned(),
            role: Role::Admin,
            password: Sealed::default(),
        };
        let initialize = Command::Initialize {
            currency: Currency::new(CURRENCY, 2).expect("three capitals"),
            zone: "Asia/Shanghai".to_owned(),
            cut_off_minutes: 30,
            keyring: KeyringFingerprint([1; 32]),
        };
        let (_, first) = operator(admin("first"));
        let mut commands = vec![
            (Actor::Console, initialize),
            (Actor::Console, first),
            operator(admin("second")),
        ];
        for subject in 0..MERCHANTS as u64 {
            commands.push(operator(Operation::AddMerchant {
                subject: 1_000 + subject,
                name: Sealed::default(),
                category: 5_000 + u16::try_from(subject).unwrap_or(0),
                limits: MerchantLimits {
                    payment: Amount::clamped(500_000),
                    daily: Amount::clamped(5_000_000),
                },
                plan: PricePlan {
                    version: 1,
                    fee_basis_points: 60,
                    fee_fixed: Amount::clamped(i64::try_from(subject).unwrap_or(0)),
                    tax_basis_points: 600,
                },
            }));
        }
        // Limits that a lively day does not use up at once; by the second person.
        let rules = Rules {
            cooling_off_hours: 0,
            attention_per_day: 300,
            merchant_wrong_codes_per_day: 500,
            monthly_limit: Amount::clamped(90_000_000),
            ..Rules::default()
        };
        commands.push(operator(Operation::SetRules(Box::new(rules))));
        let decide = OperatorCommand::Decide {
            proposal: ProposalId(1),
            approve: true,
        };
        commands.push((person(1), Command::Operator(decide)));
        commands
    }

    /// Lines, balances, phones and bank accounts.
    pub fn open_lines(&mut self) {
        for place in 0..SUBSCRIBERS {
            let number = NumberHash([place + 1; 16]);
            self.new_number(number);
            let row = self.line_row(number, 60);
            self.import(row);
            let now = self.queue.now();
            let open = Request::OpenAccount {
                account: format!("account{}", place + 1),
                balance_minor: if place == 0 { 20_000 } else { 5_000_000 },
                currency: CURRENCY.to_owned(),
            };
            self.bank
                .step(open, Arrival::Fresh, u64::try_from(now).unwrap_or(0));
        }
    }

    fn new_number(&mut self, number: NumberHash) {
        self.staff.numbers.push(number);
        for _ in 0..1 + self.random.below(2) {
            self.phones.push(Phone::of(number));
            let phone = self.phones.len() - 1;
            let after = self.random.between(500, 60_000);
            self.queue.push(after, Happening::Phone(phone));
        }
    }

    /// A row as the edge hands it in: sealed under the holder's key, or a new one's.
    fn line_row(&mut self, number: NumberHash, age_days: i64) -> LineRow {
        let now = self.wall();
        self.staff.next_subject += 1;
        let subject = self.staff.next_subject;
        let bank = self.random.chance(85);
        LineRow {
            number,
            renumbered_from: None,
            recycled: false,
            line: Line {
                activated: now.plus(-age_days * DAY),
                sim_changed: None,
                device_changed: None,
                kind: LineKind::Postpaid,
                status: LineStatus::Active,
                bill_limit: Amount::clamped(self.random.between(0, 20_000)),
                as_of: now,
            },
            subject,
            profile: Sealed::from(vec![1]),
            profile_hash: self.random.number(),
            bank: bank.then(|| {
                let account = format!("account{}", number.0[0]);
                Sealed::from(account.into_bytes())
            }),
        }
    }

    fn import(&mut self, row: LineRow) {
        self.command(Owner::Staff, person(0), Command::Line(Box::new(row)));
    }

    fn operation(&mut self, operation: Operation) {
        let by = person(self.random.below(2));
        let command = Command::Operator(OperatorCommand::Do(Box::new(operation)));
        self.command(Owner::Staff, by, command);
    }

    fn import_balance(&mut self, subscriber: SubscriberId) {
        self.staff.next_row += 1;
        let expiry = self.random.between(60_000, 3 * DAY);
        let expires_at = self.random.chance(70).then(|| self.wall().plus(expiry));
        let merchants = self.random.chance(30).then_some(MerchantId(1));
        let expired_refund = match self.random.below(3) {
            0 => ExpiredRefund::Cash,
            1 => ExpiredRefund::Forfeit,
            _ => ExpiredRefund::Extend(1),
        };
        let held_as = if self.random.chance(50) {
            HeldAs::Cash
        } else {
            HeldAs::Grant {
                origin: Origin::Gift,
                label: Sealed::default(),
                tax_class: 1,
                expires_at,
                scope: Scope {
                    merchants: merchants.into_iter().collect(),
                    categories: Vec::new(),
                },
                expired_refund,
            }
        };
        let row = BalanceRow {
            row: self.staff.next_row,
            subscriber,
            amount: Amount::clamped(self.random.between(100, 60_000)),
            held_as,
        };
        self.operation(Operation::ImportBalance(Box::new(row)));
    }

    /// Somebody of the staff does something.
    pub fn staff(&mut self) {
        if !self.settling {
            let after = self.random.between(1_000, 20_000);
            self.queue.push(after, Happening::Staff);
        }
        self.decide_proposals();
        self.see_to_worklist();
        let Some(state) = self.state() else { return };
        let (subscribers, rules) = (state.subscribers.len(), state.rules.clone());
        if self.settling || subscribers == 0 {
            return;
        }
        let subscriber = SubscriberId(1 + self.random.below(subscribers) as u64);
        let merchant = MerchantId(1 + self.random.below(MERCHANTS) as u64);
        match self.random.below(40) {
            0 if self.random.chance(40) => {
                self.operation(Operation::BlockSubscriber(subscriber));
            }
            1..=3 => self.operation(Operation::UnblockSubscriber(subscriber)),
            4 => self.operation(Operation::BlockMerchant(merchant)),
            5..=7 => self.operation(Operation::UnblockMerchant(merchant)),
            8 | 9 => self.change_rules(rules),
            10 | 11 => self.operation(Operation::UnlockPin(subscriber)),
            12 => self.operation(Operation::ResetPhone(subscriber)),
            13 if self.random.chance(10) => {
                self.operation(Operation::EraseSubscriber(subscriber));
            }
            14..=16 => {
                let minor = self.random.between(-20_000, 40_000);
                let reason = Sealed::default();
                let adjust = Operation::Adjust {
                    subscriber,
                    minor,
                    reason,
                };
                // Somebody looks before doing this a second time.
                let ask = Ask::Command(Command::Operator(OperatorCommand::Do(Box::new(adjust))));
                self.call(Owner::Staff, person(1), ask, false);
            }
            17..=24 => self.import_balance(subscriber),
            25..=33 => self.network_export(),
            34 => {
                let plan = PricePlan {
                    version: 0,
                    fee_basis_points: u32::try_from(self.random.below(300)).unwrap_or(0),
                    fee_fixed: Amount::clamped(self.random.between(0, 30)),
                    tax_basis_points: 600,
                };
                self.operation(Operation::SetPlan { merchant, plan });
            }
            _ => {}
        }
    }

    fn change_rules(&mut self, mut rules: Rules) {
        rules.payment_limit = Amount::clamped(self.random.between(10_000, 2_000_000));
        rules.daily_limit = Amount::clamped(self.random.between(200_000, 9_000_000));
        rules.monthly_limit = Amount::clamped(90_000_000);
        rules.prompt_seconds = u32::try_from(self.random.between(20, 300)).unwrap_or(180);
        rules.cooling_off_hours = u32::try_from(self.random.below(3)).unwrap_or(0);
        rules.attention_per_day = u32::try_from(self.random.between(10, 400)).unwrap_or(10);
        rules.pin_tries = if self.random.chance(50) { 5 } else { 9 };
        rules.capture_days = u32::try_from(self.random.between(1, 7)).unwrap_or(7);
        rules.merchant_wrong_codes_per_day = 500;
        rules.four_eyes.adjustments = self.random.chance(70);
        self.operation(Operation::SetRules(Box::new(rules)));
    }

    /// SIM changes, renumbering, recycling, suspended lines, new numbers.
    fn network_export(&mut self) {
        let Some(number) = self.random.pick(&self.staff.numbers).copied() else {
            return;
        };
        let mut row = self.line_row(number, 60);
        let now = self.wall();
        let known = self.state().and_then(|state| {
            let holder = state.holder(&number)?;
            Some((holder.subject, holder.line()))
        });
        if let Some((subject, line)) = known {
            row.subject = subject;
            row.line.activated = line.activated;
            row.line.sim_changed = line.sim_changed;
        }
        match self.random.below(12) {
            0 | 1 => row.line.sim_changed = Some(now),
            2 => row.line.status = LineStatus::Suspended,
            3 => {
                row.recycled = true;
                row.line.activated = row.line.activated.plus(DAY);
                self.staff.next_subject += 1;
                row.subject = self.staff.next_subject;
            }
            4 if self.staff.numbers.len() < 12 => {
                let fresh =
                    NumberHash([100 + u8::try_from(self.staff.numbers.len()).unwrap_or(0); 16]);
                self.new_number(fresh);
                row.renumbered_from = Some(number);
                row.number = fresh;
            }
            5 if self.staff.numbers.len() < 12 => {
                let fresh =
                    NumberHash([100 + u8::try_from(self.staff.numbers.len()).unwrap_or(0); 16]);
                self.new_number(fresh);
                row = self.line_row(fresh, 30);
            }
            _ => {}
        }
        self.import(row);
    }

    fn decide_proposals(&mut self) {
        let Some(state) = self.state() else { return };
        let proposals: Vec<_> = state
            .operators
            .proposals
            .values()
            .map(|proposal| (proposal.id, proposal.by))
            .collect();
        for (proposal, by) in proposals {
            let approve = self.random.chance(80);
            let other = OperatorId(3 - by.0.min(2));
            let command = OperatorCommand::Decide { proposal, approve };
            self.command(
                Owner::Staff,
                Actor::Operator(other),
                Command::Operator(command),
            );
        }
    }

    /// What the bank would not take back is tried again or put on the payer's balance.
    fn see_to_worklist(&mut self) {
        let Some(state) = self.state() else { return };
        let mut stuck: Vec<_> = state
            .effects
            .values()
            .filter(|effect| effect.state == EffectState::Stuck)
            .map(|effect| effect.id)
            .collect();
        stuck.sort();
        for id in stuck {
            let operation = if self.random.chance(40) {
                Operation::RepeatEffect(id)
            } else {
                Operation::PayEffectToBalance(id)
            };
            self.operation(operation);
        }
    }

    pub fn staff_told(&mut self, id: CallId, told: Told) {
        let Some(Ask::Command(Command::Operator(OperatorCommand::Do(operation)))) =
            self.calls.get(&id).map(|call| &call.ask)
        else {
            return;
        };
        if let (
            Operation::ImportBalance(row),
            Told::Answer(Answer::Operator(Ok(Done::Done | Done::Unchanged | Done::LotGiven(_)))),
        ) = (&**operation, told)
        {
            self.staff.imported.insert(row.row, row.amount.minor());
        }
    }

    /// Every opening balance was taken in exactly once.
    pub fn openings_fit(&self) -> Checked {
        let Some(state) = self.state() else {
            return Ok(());
        };
        let imported: i64 = self.staff.imported.values().sum();
        let opening = state
            .book
            .balance(paytone_domain::ledger::Account::OpeningBalances)
            .posted;
        let back = self.follower.back_to_openings;
        require(opening == back - imported, Check::Settled, || {
            format!("rows of {imported} were taken in and {back} expired, the books have {opening}")
        })
    }
}
