//! Merchants, lines, money and rules, put in through the engine as staff would; and what merchants ask.

use data_encoding::BASE64URL_NOPAD;
use paytone::{
    edge::text::{self, PaymentText, Place, Profile},
    node::random,
};
use paytone_domain::{
    Actor, Answer, Command,
    grant::{ExpiredRefund, Origin, Scope},
    idempotency::Repeat,
    ids::{
        BodyHash, ClientKeyHash, MandateId, MerchantId, NumberHash, OperatorId, PaymentId,
        RepeatKey, Sealed, SubscriberId,
    },
    mandate::{MandateCommand, MandateFacts, MandateRequest, Terms},
    merchant::{MerchantLimits, PricePlan},
    money::Amount,
    operator::{BalanceRow, Done, HeldAs, Operation, OperatorCommand, OperatorRefusal, Role},
    payment::{
        CaptureMode, ClientPaymentRefusal, PayerRef, PaymentCommand, PaymentFacts, PaymentRequest,
        RefundFacts, Whose,
    },
    risk::Rules,
    subscriber::{Line, LineKind, LineRow, LineStatus, RowOutcome},
    time::{BusinessDate, DAY, Timestamp},
};

use super::TestNode;

/// A merchant and its client key.
#[derive(Clone, Debug)]
pub struct Shop {
    pub id: MerchantId,
    /// `sk_…`
    pub key: String,
    subject: u64,
}

/// One row of a network export.
#[derive(Clone, Debug)]
pub struct TestLine {
    pub number: String,
    pub name: String,
    pub activated: Timestamp,
    pub sim_changed: Option<Timestamp>,
    pub recycled: bool,
    /// Minor units; zero for no phone bill.
    pub bill_limit: i64,
    pub bank: Option<String>,
}

impl TestLine {
    /// Two years old, without bill or bank.
    pub fn of(number: &str) -> Self {
        Self {
            number: number.to_owned(),
            name: "Alice Wang".to_owned(),
            activated: now().plus(-730 * DAY),
            sim_changed: None,
            recycled: false,
            bill_limit: 0,
            bank: None,
        }
    }
}

/// What a merchant asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub number: String,
    /// Minor units.
    pub amount: i64,
    pub description: String,
    /// Set if the number is somebody else's than the shopper's.
    pub asker_name: Option<String>,
    pub capture: CaptureMode,
    pub expires_in_seconds: Option<u32>,
}

impl Ask {
    pub fn of(number: &str, amount: i64) -> Self {
        Self {
            number: number.to_owned(),
            amount,
            description: "Two novels".to_owned(),
            asker_name: None,
            capture: CaptureMode::Automatic,
            expires_in_seconds: None,
        }
    }
}

/// The match code that the checkout shows.
pub fn code_of(payment: &PaymentFacts) -> String {
    format!("{:02}", payment.match_code.expect("a prompted payment"))
}

pub fn now() -> Timestamp {
    paytone::edge::time::now()
}

fn draw() -> u64 {
    let random = random();
    u64::from_be_bytes(*random.first_chunk().expect("16 bytes"))
}

fn amount(minor: i64) -> Amount {
    Amount::new(minor).expect("an amount in range")
}

impl TestNode {
    /// Asks the engine for one decision.
    pub async fn decide(&self, actor: Actor, command: Command) -> Answer {
        let answered = self.node.submit(actor, command).await;
        answered.expect("the engine runs").answer
    }

    /// Does what staff can do, with a second person where one is needed.
    pub async fn operate(&self, operation: Operation) -> Done {
        let (first, second) = self.admins().await;
        let operation = OperatorCommand::Do(Box::new(operation));
        let mut done = self.as_operator(first, operation).await;
        if let Ok(Done::Proposed(proposal)) = done {
            let approve = true;
            done = self
                .as_operator(second, OperatorCommand::Decide { proposal, approve })
                .await;
        }
        done.expect("the operation is allowed")
    }

    pub async fn as_operator(
        &self,
        operator: OperatorId,
        command: OperatorCommand,
    ) -> Result<Done, OperatorRefusal> {
        match self
            .decide(Actor::Operator(operator), Command::Operator(command))
            .await
        {
            Answer::Operator(answer) => answer,
            other => panic!("an operator was answered {other:?}"),
        }
    }

    /// Two administrators; made at the first call, without passwords.
    pub async fn admins(&self) -> (OperatorId, OperatorId) {
        let read = self.node.engine.read(|state, _| {
            let admins = state.operators.by_id.values();
            let admins = admins.filter(|admin| admin.role == Role::Admin && !admin.removed);
            admins.map(|admin| admin.id).take(2).collect::<Vec<_>>()
        });
        let mut admins = read.await.expect("the engine runs").answer;
        while admins.len() < 2 {
            let add = Operation::AddOperator {
                name: format!("admin-{}", admins.len()),
                role: Role::Admin,
                password: Sealed::default(),
            };
            let actor = admins
                .first()
                .map_or(Actor::Console, |first| Actor::Operator(*first));
            let command = Command::Operator(OperatorCommand::Do(Box::new(add)));
            match self.decide(actor, command).await {
                Answer::Operator(Ok(Done::OperatorAdded(id))) => admins.push(id),
                other => panic!("no administrator: {other:?}"),
            }
        }
        (admins[0], admins[1])
    }

    /// Changes the rules.
    pub async fn rules(&self, change: impl FnOnce(&mut Rules)) {
        let read = self.node.engine.read(|state, _| state.rules.clone()).await;
        let mut rules = read.expect("the engine runs").answer;
        change(&mut rules);
        self.operate(Operation::SetRules(Box::new(rules))).await;
    }

    async fn new_subject(&self) -> u64 {
        let subject = draw();
        let made = self.node.subjects.create_many(&[subject]).await;
        assert_eq!(made.expect("the keys can be written"), 1);
        subject
    }

    /// A merchant without fees and with high limits, and a key for its client.
    pub async fn merchant(&self, name: &str, category: u16) -> Shop {
        self.merchant_sealed(Place::MerchantName, name, category)
            .await
    }

    /// One whose name is sealed for `place`: readable only if that is where names stand.
    pub async fn merchant_sealed(&self, place: Place, name: &str, category: u16) -> Shop {
        let subject = self.new_subject().await;
        let key = self.node.subjects.get(subject).await.expect("a key");
        let add = Operation::AddMerchant {
            subject,
            name: text::seal(&key, subject, place, name),
            category,
            limits: MerchantLimits {
                payment: amount(100_000_000),
                daily: amount(10_000_000_000),
            },
            plan: PricePlan {
                version: 1,
                fee_basis_points: 0,
                fee_fixed: Amount::ZERO,
                tax_basis_points: 0,
            },
        };
        let Done::MerchantAdded(id) = self.operate(add).await else {
            panic!("no merchant was added");
        };
        let secret = [random(), random()].concat();
        let key = format!("sk_{}", BASE64URL_NOPAD.encode(&secret));
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
        let hash = ClientKeyHash(*digest.as_ref().first_chunk().expect("32 bytes"));
        let label = "test".to_owned();
        self.operate(Operation::AddClientKey {
            merchant: id,
            hash,
            label,
        })
        .await;
        Shop { id, key, subject }
    }

    pub fn number_hash(&self, number: &str) -> NumberHash {
        NumberHash(self.node.keyring.number_hash(number))
    }

    /// A subscriber with a line two years old, without bill or bank.
    pub async fn line(&self, number: &str) -> SubscriberId {
        self.import(&TestLine::of(number)).await.0
    }

    /// Takes one row of a network export in.
    pub async fn import(&self, line: &TestLine) -> (SubscriberId, RowOutcome) {
        let hash = self.number_hash(&line.number);
        let holder = |hash| {
            self.node.engine.read(move |state, _| {
                state
                    .holder(&hash)
                    .map(|holder| (holder.id, holder.subject))
            })
        };
        let known = holder(hash).await.expect("the engine runs").answer;
        let subject = match known {
            Some((_, subject)) if !line.recycled => subject,
            _ => self.new_subject().await,
        };
        let key = self.node.subjects.get(subject).await.expect("a key");
        let profile = Profile {
            number: line.number.clone(),
            name: line.name.clone(),
            birth_date: None,
        };
        let profile = serde_json::to_string(&profile).expect("JSON");
        let bank = line.bank.as_deref();
        let row = LineRow {
            number: hash,
            renumbered_from: None,
            recycled: line.recycled,
            line: Line {
                activated: line.activated,
                sim_changed: line.sim_changed,
                device_changed: None,
                kind: LineKind::Postpaid,
                status: LineStatus::Active,
                bill_limit: amount(line.bill_limit),
                as_of: now(),
            },
            subject,
            profile: text::seal(&key, subject, Place::Profile, &profile),
            profile_hash: draw(),
            bank: bank.map(|bank| text::seal(&key, subject, Place::Bank, bank)),
        };
        let answer = self
            .decide(Actor::Console, Command::Line(Box::new(row)))
            .await;
        let Answer::Line(Ok(outcome)) = answer else {
            panic!("the row was not taken: {answer:?}");
        };
        let (id, _) = holder(hash)
            .await
            .expect("the engine runs")
            .answer
            .expect("the number has a holder now");
        (id, outcome)
    }

    /// Cash in minor units.
    pub async fn give_cash(&self, subscriber: SubscriberId, minor: i64) {
        let row = BalanceRow {
            row: draw(),
            subscriber,
            amount: amount(minor),
            held_as: HeldAs::Cash,
        };
        self.operate(Operation::ImportBalance(Box::new(row))).await;
    }

    /// A lot of granted money that may be spent within `scope` for 90 days.
    pub async fn give_grant(
        &self,
        subscriber: SubscriberId,
        minor: i64,
        label: &str,
        scope: Scope,
    ) {
        let subject = self.node.directory.subject(subscriber).expect("a subject");
        let key = self.node.subjects.get(subject).await.expect("a key");
        let row = BalanceRow {
            row: draw(),
            subscriber,
            amount: amount(minor),
            held_as: HeldAs::Grant {
                origin: Origin::Gift,
                label: text::seal(&key, subject, Place::LotLabel, label),
                tax_class: 0,
                expires_at: Some(now().plus(90 * DAY)),
                scope,
                expired_refund: ExpiredRefund::Cash,
            },
        };
        self.operate(Operation::ImportBalance(Box::new(row))).await;
    }

    async fn seal_text(&self, shop: &Shop, place: Place, text: &PaymentText) -> Sealed {
        let key = self.node.subjects.get(shop.subject).await.expect("a key");
        text::seal_payment(&key, shop.subject, place, text)
    }

    /// The payment that `shop` asked for; its prompt is on the payer's phone if there is one.
    pub async fn ask(&self, shop: &Shop, ask: Ask) -> PaymentFacts {
        self.try_ask(shop, ask).await.expect("a payment")
    }

    pub async fn try_ask(
        &self,
        shop: &Shop,
        ask: Ask,
    ) -> Result<PaymentFacts, ClientPaymentRefusal> {
        let payer = PayerRef::Number(self.number_hash(&ask.number));
        self.request(shop, payer, ask).await
    }

    /// A charge under a mandate; `ask`'s number says nothing.
    pub async fn charge(&self, shop: &Shop, mandate: MandateId, ask: Ask) -> PaymentFacts {
        let payer = PayerRef::Mandate(mandate);
        self.request(shop, payer, ask).await.expect("a payment")
    }

    async fn request(
        &self,
        shop: &Shop,
        payer: PayerRef,
        ask: Ask,
    ) -> Result<PaymentFacts, ClientPaymentRefusal> {
        let whose = if ask.asker_name.is_some() {
            Whose::Other
        } else {
            Whose::Own
        };
        let written = PaymentText {
            description: ask.description,
            reference: None,
            asker_name: ask.asker_name,
        };
        let request = PaymentRequest {
            merchant: shop.id,
            payer,
            amount: amount(ask.amount),
            whose,
            capture: ask.capture,
            text: self.seal_text(shop, Place::Payment, &written).await,
            expires_in_seconds: ask.expires_in_seconds,
            reference_hash: None,
            entropy: draw(),
            repeat: once(),
        };
        match self
            .as_client(shop, PaymentCommand::Request(Box::new(request)))
            .await
        {
            Answer::Payment(answer) => answer,
            Answer::ClientRefused(refusal) => Err(refusal),
            other => panic!("a request was answered {other:?}"),
        }
    }

    async fn as_client(&self, shop: &Shop, command: PaymentCommand) -> Answer {
        let actor = Actor::Client(shop.id, paytone_domain::ids::ClientKeyId(1));
        self.decide(actor, Command::Payment(command)).await
    }

    pub async fn cancel(&self, shop: &Shop, id: PaymentId) -> PaymentFacts {
        let command = PaymentCommand::Cancel {
            merchant: shop.id,
            id,
            repeat: once(),
        };
        match self.as_client(shop, command).await {
            Answer::Payment(Ok(facts)) => facts,
            other => panic!("cancelling was answered {other:?}"),
        }
    }

    /// All of it, or `minor`.
    pub async fn refund(&self, shop: &Shop, id: PaymentId, minor: Option<i64>) -> RefundFacts {
        let key = self.node.subjects.get(shop.subject).await.expect("a key");
        let command = PaymentCommand::Refund {
            merchant: shop.id,
            id,
            amount: minor.map(amount),
            text: text::seal(&key, shop.subject, Place::Refund, "Sent back"),
            repeat: once(),
        };
        match self.as_client(shop, command).await {
            Answer::Refund(Ok(facts)) => facts,
            other => panic!("a refund was answered {other:?}"),
        }
    }

    /// A mandate of at most `payment_limit` a charge and ten times that a month, for a year.
    pub async fn ask_mandate(&self, shop: &Shop, number: &str, payment_limit: i64) -> MandateFacts {
        let written = PaymentText {
            description: "Music every month".to_owned(),
            ..PaymentText::default()
        };
        let read = self.node.engine.read(|_, moment| moment.date).await;
        let today = read.expect("the engine runs").answer;
        let request = MandateRequest {
            merchant: shop.id,
            number: self.number_hash(number),
            terms: Terms {
                payment_limit: amount(payment_limit),
                monthly_limit: amount(payment_limit * 10),
                ends_on: BusinessDate(today.0 + 365),
            },
            text: self.seal_text(shop, Place::Mandate, &written).await,
            entropy: draw(),
            repeat: once(),
        };
        let actor = Actor::Client(shop.id, paytone_domain::ids::ClientKeyId(1));
        let command = MandateCommand::Request(Box::new(request));
        match self.decide(actor, Command::Mandate(command)).await {
            Answer::Mandate(Ok(facts)) => facts,
            other => panic!("a mandate was answered {other:?}"),
        }
    }
}

/// An idempotency key that nobody used before.
fn once() -> Repeat {
    Repeat::new(RepeatKey(random()), BodyHash([0; 16]))
}
