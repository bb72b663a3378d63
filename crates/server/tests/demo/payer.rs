//! A node with one shop and one payer whose bank account pays for everything; approvals go to the engine directly.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use paytone::{
    config::{Bank, Config},
    edge::text::{self, Place},
    node::{Node, Started, random},
    workers::{Workers, stand_in_bank::StandInBank},
};
use paytone_domain::{
    Actor, Answer, Command, State,
    approval::{Evidence, SignatureCheck},
    idempotency::Repeat,
    ids::{
        BodyHash, DeviceId, EnrolmentId, MerchantId, NumberHash, OperatorId, PaymentId, PinValue,
        PublicKey, RepeatKey, Sealed, Signature, SubscriberId,
    },
    ledger::Account,
    merchant::{MerchantLimits, PricePlan},
    money::Amount,
    operator::{Done, Operation, OperatorCommand, Role},
    payment::{CaptureMode, PayerRef, PaymentApproval, PaymentCommand, PaymentRequest, Whose},
    subscriber::{EnrolmentCommand, Line, LineKind, LineRow, LineStatus, NextStep},
    time::{DAY, Timestamp},
};
use paytone_journal::Keyring;
use serde_json::{Value, json};

pub const ACCOUNT: &str = "6217000000000001";
pub const OPENING_MINOR: i64 = 1_000_000;
const NUMBER: &str = "+8613800138021";
const PIN: &str = "408173";

const BANK_TOKEN: &str = "a-token-of-this-town-alone";

/// The bank, the folder and what is in it; the node can be stopped and started over them.
pub struct Town {
    pub folder: tempfile::TempDir,
    pub bank: StandInBank,
}

pub struct Running {
    pub node: Arc<Node>,
    started: Started,
    workers: Workers,
    pub staff: OperatorId,
    merchant: MerchantId,
    device: DeviceId,
    subscriber: SubscriberId,
}

impl Town {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let token = folder.path().join("bank.token");
        std::fs::write(&token, format!("{BANK_TOKEN}\n")).expect("a token");
        let bank = StandInBank::start(
            Path::new(env!("CARGO_BIN_EXE_paytone")),
            SocketAddr::from(([127, 0, 0, 1], 0)),
            &folder.path().join("bank.jsonl"),
            &token,
        )
        .await
        .expect("a bank");
        let town = Self { folder, bank };
        let open = json!({"balance_minor": OPENING_MINOR, "currency": "CNY"});
        town.ask_bank("PUT", &format!("/accounts/{ACCOUNT}"), open)
            .await;
        town
    }

    pub async fn ask_bank(&self, method: &str, path: &str, body: Value) -> Value {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.bank.url()))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {BANK_TOKEN}"))
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request");
        let answer = client.request(request).await.expect("the bank answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let body = answer.into_body().collect().await.expect("a body");
        serde_json::from_slice(&body.to_bytes()).expect("JSON")
    }

    /// How the bank treats the next `times` orders.
    pub async fn behave(&self, behaviour: Value, times: u32) {
        let body = json!({"behaviour": behaviour, "account": ACCOUNT, "times": times});
        self.ask_bank("PUT", "/behaviour", body).await;
    }

    pub async fn statement(&self) -> Value {
        self.ask_bank("GET", "/statement", Value::Null).await
    }

    pub async fn start(&self) -> Running {
        let data = self.folder.path().join("data");
        let keyring = self.folder.path().join("keyring.toml");
        if !keyring.exists() {
            Keyring::create(&keyring).expect("a keyring");
        }
        let config = Config {
            data,
            keyring,
            bank: Some(Bank {
                url: self.bank.url(),
                token_variable: None,
                token_file: Some(self.folder.path().join("bank.token")),
                timeout_seconds: 1,
                allow_http: true,
            }),
            ..Config::default()
        };
        let started = Node::start(config, true).await.expect("a node");
        let node = Arc::clone(&started.node);
        let people = People { node: &node };
        let (staff, merchant) = people.staff_and_merchant().await;
        let subscriber = people.payer(staff).await;
        let device = people.device(subscriber).await;
        // What is open from before is found by the worker itself.
        let workers = Workers::start(&node).expect("workers");
        Running {
            node,
            started,
            workers,
            staff,
            merchant,
            device,
            subscriber,
        }
    }
}

impl Running {
    pub async fn stop(self) {
        self.workers.stop(Duration::from_secs(5)).await;
        drop(self.node);
        let started = self.started;
        tokio::task::spawn_blocking(move || started.stop())
            .await
            .expect("it stops");
    }

    /// A payment of `minor` that the payer approves; it is then for the bank.
    pub async fn pay(&self, minor: i64, seconds: u32) -> PaymentId {
        let node = &self.node;
        let card = node
            .directory
            .merchant(self.merchant, &node.subjects)
            .await
            .expect("keys")
            .expect("a merchant");
        let text = text::PaymentText {
            description: "Books".to_owned(),
            ..text::PaymentText::default()
        };
        let request = PaymentRequest {
            merchant: self.merchant,
            payer: PayerRef::Number(NumberHash(node.keyring.number_hash(NUMBER))),
            amount: Amount::clamped(minor),
            whose: Whose::Own,
            capture: CaptureMode::Automatic,
            text: text::seal_payment(&card.key, card.subject, Place::Payment, &text),
            reference_hash: None,
            expires_in_seconds: Some(seconds),
            entropy: u64::from(seconds) * 7 + minor.unsigned_abs(),
            repeat: repeat(),
        };
        let command = Command::Payment(PaymentCommand::Request(Box::new(request)));
        let Answer::Payment(Ok(facts)) = self.submit(Actor::System, command).await else {
            panic!("no payment");
        };
        let approval = PaymentApproval {
            device: self.device,
            id: facts.id,
            pin: PinValue(node.keyring.pin_value(self.subscriber.0, PIN)),
            code: facts.match_code.expect("a code"),
            check: SignatureCheck::Valid,
            evidence: Evidence {
                document: Sealed::default(),
                signature: Signature([0; 64]),
            },
        };
        let command = Command::Payment(PaymentCommand::Approve(Box::new(approval)));
        match self.submit(Actor::Device(self.device), command).await {
            Answer::PaymentOnPhone(Ok(_)) => facts.id,
            other => panic!("{other:?}"),
        }
    }

    pub async fn refund(&self, id: PaymentId) {
        let command = Command::Payment(PaymentCommand::Refund {
            merchant: self.merchant,
            id,
            amount: None,
            text: Sealed::default(),
            repeat: repeat(),
        });
        match self.submit(Actor::System, command).await {
            Answer::Refund(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }

    pub async fn operate(&self, operation: Operation) -> Done {
        operate(&self.node, Actor::Operator(self.staff), operation).await
    }

    async fn submit(&self, actor: Actor, command: Command) -> Answer {
        let answered = self.node.submit(actor, command).await;
        answered.expect("the engine answers").answer
    }

    /// Waits until the state is as wanted: looks again whenever something became durable.
    pub async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&State) -> bool + Clone + Send + 'static,
    ) {
        let mut durable = self.node.engine.follow();
        let looking = async {
            loop {
                let wanted = wanted.clone();
                let look = self.node.engine.read(move |state, _| wanted(state));
                if look.await.expect("the engine answers").answer {
                    return;
                }
                drop(durable.recv().await);
            }
        };
        // The bank is asked again after pauses of real seconds, and others may use this machine.
        let patience = Duration::from_secs(120);
        let waited = tokio::time::timeout(patience, looking).await;
        assert!(waited.is_ok(), "waited in vain for: {what}");
    }

    pub async fn settled(&self) {
        self.until("no open effects", |state| state.effects.is_empty())
            .await;
    }

    /// What stands on an account.
    pub async fn posted(&self, account: Account) -> i64 {
        let look = move |state: &State, _: &_| state.book.balance(account).posted;
        self.node.engine.read(look).await.expect("a look").answer
    }

    pub async fn status(&self, id: PaymentId) -> &'static str {
        let look = move |state: &State, _: &_| state.payments.get(&id).map(|p| p.status.name());
        let found = self.node.engine.read(look).await.expect("a look").answer;
        found.expect("the payment is there")
    }
}

fn repeat() -> Repeat {
    Repeat::new(RepeatKey(random()), BodyHash(random()))
}

async fn operate(node: &Node, actor: Actor, operation: Operation) -> Done {
    let command = Command::Operator(OperatorCommand::Do(Box::new(operation)));
    match node.submit(actor, command).await.expect("an answer").answer {
        Answer::Operator(Ok(done)) => done,
        other => panic!("{other:?}"),
    }
}

/// Makes who is not there yet.
struct People<'a> {
    node: &'a Arc<Node>,
}

impl People<'_> {
    async fn staff_and_merchant(&self) -> (OperatorId, MerchantId) {
        let look = |state: &State, _: &_| !state.operators.by_id.is_empty();
        let known = self.node.engine.read(look).await.expect("a look").answer;
        if known {
            return (OperatorId(1), MerchantId(1));
        }
        let add = Operation::AddOperator {
            name: "staff".to_owned(),
            role: Role::Admin,
            password: Sealed::default(),
        };
        let Done::OperatorAdded(staff) = operate(self.node, Actor::Console, add).await else {
            panic!("no operator");
        };
        let subject = 11;
        let subjects = &self.node.subjects;
        subjects.create_many(&[subject]).await.expect("a key");
        let key = subjects.get(subject).await.expect("a key");
        let add = Operation::AddMerchant {
            subject,
            name: text::seal(&key, subject, Place::MerchantName, "Books"),
            category: 5942,
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
        let Done::MerchantAdded(merchant) = operate(self.node, Actor::Operator(staff), add).await
        else {
            panic!("no merchant");
        };
        (staff, merchant)
    }

    async fn payer(&self, staff: OperatorId) -> SubscriberId {
        let node = self.node;
        let number = NumberHash(node.keyring.number_hash(NUMBER));
        let subject = 12;
        node.subjects.create_many(&[subject]).await.expect("a key");
        let key = node.subjects.get(subject).await.expect("a key");
        let now = paytone::edge::time::now();
        let row = LineRow {
            number,
            renumbered_from: None,
            recycled: false,
            line: Line {
                activated: Timestamp(now.0 - 100 * DAY),
                sim_changed: None,
                device_changed: None,
                kind: LineKind::Prepaid,
                status: LineStatus::Active,
                bill_limit: Amount::ZERO,
                as_of: now,
            },
            subject,
            profile: text::seal(&key, subject, Place::Profile, "{}"),
            profile_hash: 1,
            bank: Some(text::seal(&key, subject, Place::Bank, ACCOUNT)),
        };
        let command = Command::Line(Box::new(row));
        let answered = node.submit(Actor::Operator(staff), command).await;
        assert!(matches!(
            answered.expect("an answer").answer,
            Answer::Line(Ok(_))
        ));
        let look = move |state: &State, _: &_| state.holder(&number).map(|holder| holder.id);
        let holder = node.engine.read(look).await.expect("a look").answer;
        holder.expect("the number is bound")
    }

    async fn device(&self, subscriber: SubscriberId) -> DeviceId {
        let node = self.node;
        let look = move |state: &State, _: &_| {
            let subscriber = state.subscribers.get(subscriber)?;
            subscriber.devices.first().copied()
        };
        if let Some(known) = node.engine.read(look).await.expect("a look").answer {
            return known;
        }
        let id = EnrolmentId(random());
        let number = NumberHash(node.keyring.number_hash(NUMBER));
        let commands = [
            EnrolmentCommand::Ask { id, number },
            EnrolmentCommand::TryCode { id, matches: true },
            EnrolmentCommand::Complete {
                id,
                key: PublicKey([4; 65]),
                pin: PinValue(node.keyring.pin_value(subscriber.0, PIN)),
                label: Sealed::default(),
                recovery: false,
            },
        ];
        let commands = commands.into_iter().map(Command::Enrolment).collect();
        let answers = node.engine.submit_many(Actor::Enrolling, commands).await;
        match answers.expect("answers").answer.last() {
            Some(Answer::Enrolment(Ok(NextStep::Enrolled { device, .. }))) => *device,
            other => panic!("{other:?}"),
        }
    }
}
