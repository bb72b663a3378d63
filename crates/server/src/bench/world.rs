//! The world a benchmark runs in: merchants with keys, subscribers with money, devices and mandates.
//!
//! Made through the engine's own commands, so that every one of them is decided and journaled as in real life.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use paytone_domain::{
    Actor, Answer, Command,
    approval::{Evidence, SignatureCheck},
    idempotency::Repeat,
    ids::{
        BodyHash, ClientKeyHash, DeviceId, EnrolmentId, MandateId, MerchantId, NumberHash,
        OperatorId, PinValue, PublicKey, RepeatKey, Sealed, Signature, SubscriberId,
    },
    mandate::{MandateApproval, MandateCommand, MandateRequest, Terms},
    merchant::{MerchantLimits, PricePlan},
    money::Amount,
    operator::{BalanceRow, Done, HeldAs, Operation, OperatorCommand, Role},
    risk::{FourEyes, Rules},
    subscriber::{EnrolmentCommand, Line, LineKind, LineRow, LineStatus, NextStep},
    time::{BusinessDate, DAY, Timestamp},
};

use crate::{
    edge::{
        ids::Public as _,
        text::{self, PaymentText, Place, Profile},
    },
    node::{Node, random},
};

pub const PIN: &str = "274183";

/// A merchant and the key its client signs in with.
pub struct Shop {
    pub id: MerchantId,
    pub secret: String,
}

/// A subscriber with a device of which the benchmark has the key, and a mandate for one shop.
pub struct Payer {
    pub number: String,
    pub subscriber: SubscriberId,
    pub device: DeviceId,
    pub key: EcdsaKeyPair,
    /// As clients name it.
    pub mandate: String,
    pub shop: usize,
}

pub struct World {
    pub shops: Vec<Shop>,
    pub payers: Vec<Payer>,
}

#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error("{0}")]
    Engine(#[from] paytone_engine::EngineError),
    #[error("{0}")]
    Keys(String),
    #[error("{step} was answered {answer}")]
    Unexpected { step: &'static str, answer: String },
}

fn unexpected(step: &'static str, answer: &impl std::fmt::Debug) -> WorldError {
    WorldError::Unexpected {
        step,
        answer: format!("{answer:?}"),
    }
}

/// Amounts and counts so large that no limit is in the way.
fn wide_rules() -> Rules {
    Rules {
        payment_limit: Amount::MAX,
        daily_limit: Amount::MAX,
        monthly_limit: Amount::MAX,
        other_person_limit: Amount::MAX,
        merchant_prompts_per_hour: u32::MAX,
        merchant_open: u32::MAX,
        open_payments: u32::MAX,
        payer_open_prompts: 1_000,
        four_eyes: FourEyes {
            adjustments: false,
            rules: false,
            client_keys: false,
            unblocking: false,
        },
        ..Rules::default()
    }
}

impl World {
    /// `shops` merchants and `payers` subscribers, payer `i` with a mandate for shop `i % shops`.
    pub async fn make(node: &Node, shops: usize, payers: usize) -> Result<Self, WorldError> {
        let operator = staff(node).await?;
        let mut made = Self {
            shops: Vec::new(),
            payers: Vec::new(),
        };
        for place in 0..shops {
            made.shops.push(shop(node, operator, place).await?);
        }
        for place in 0..payers {
            made.payers
                .push(payer(node, operator, &made.shops, place).await?);
        }
        Ok(made)
    }
}

async fn do_operation(
    node: &Node,
    operator: OperatorId,
    operation: Operation,
) -> Result<Done, WorldError> {
    let command = Command::Operator(OperatorCommand::Do(Box::new(operation)));
    match node
        .submit(Actor::Operator(operator), command)
        .await?
        .answer
    {
        Answer::Operator(Ok(done)) => Ok(done),
        other => Err(unexpected("an operation", &other)),
    }
}

/// Two administrators, and rules that are not in the way.
async fn staff(node: &Node) -> Result<OperatorId, WorldError> {
    let add = |name: &str| Operation::AddOperator {
        name: name.to_owned(),
        role: Role::Admin,
        password: Sealed::default(),
    };
    let first = Command::Operator(OperatorCommand::Do(Box::new(add("first"))));
    let first = match node.submit(Actor::Console, first).await?.answer {
        Answer::Operator(Ok(Done::OperatorAdded(id))) => id,
        other => return Err(unexpected("the first operator", &other)),
    };
    let Done::OperatorAdded(second) = do_operation(node, first, add("second")).await? else {
        return Err(unexpected("the second operator", &()));
    };
    let proposed = do_operation(node, first, Operation::SetRules(Box::new(wide_rules()))).await?;
    let Done::Proposed(proposal) = proposed else {
        return Err(unexpected("new rules", &proposed));
    };
    let approve = Command::Operator(OperatorCommand::Decide {
        proposal,
        approve: true,
    });
    match node.submit(Actor::Operator(second), approve).await?.answer {
        Answer::Operator(Ok(Done::RulesSet(_))) => Ok(first),
        other => Err(unexpected("approval of the rules", &other)),
    }
}

fn subject() -> u64 {
    u64::from_le_bytes(random()[..8].try_into().expect("eight of sixteen bytes")) >> 1
}

async fn key(
    node: &Node,
    subject: u64,
) -> Result<paytone_journal::subject_keys::SubjectKey, WorldError> {
    node.subjects
        .create_many(&[subject])
        .await
        .map_err(|error| WorldError::Keys(error.to_string()))?;
    node.subjects
        .get(subject)
        .await
        .map_err(|error| WorldError::Keys(error.to_string()))
}

async fn shop(node: &Node, operator: OperatorId, place: usize) -> Result<Shop, WorldError> {
    let subject = subject();
    let key = key(node, subject).await?;
    let add = Operation::AddMerchant {
        subject,
        name: text::seal(&key, subject, Place::MerchantName, &format!("Shop {place}")),
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
    let added = do_operation(node, operator, add).await?;
    let Done::MerchantAdded(id) = added else {
        return Err(unexpected("a merchant", &added));
    };
    let secret = format!(
        "sk_{}{}",
        data_encoding::BASE64URL_NOPAD.encode(&random()),
        data_encoding::BASE64URL_NOPAD.encode(&random())
    );
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    let hash = ClientKeyHash(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"));
    do_operation(
        node,
        operator,
        Operation::AddClientKey {
            merchant: id,
            hash,
            label: "bench".to_owned(),
        },
    )
    .await?;
    Ok(Shop { id, secret })
}

async fn payer(
    node: &Node,
    operator: OperatorId,
    shops: &[Shop],
    place: usize,
) -> Result<Payer, WorldError> {
    let number = format!("+86138{place:08}");
    let subject = subject();
    let subject_key = key(node, subject).await?;
    let hash = NumberHash(node.keyring.number_hash(&number));
    let profile = Profile {
        number: number.clone(),
        name: format!("Payer {place}"),
        birth_date: None,
    };
    let profile =
        serde_json::to_string(&profile).map_err(|error| WorldError::Keys(error.to_string()))?;
    let now = crate::edge::time::now();
    let row = LineRow {
        number: hash,
        renumbered_from: None,
        recycled: false,
        line: Line {
            activated: Timestamp(now.0 - 400 * DAY),
            sim_changed: None,
            device_changed: None,
            kind: LineKind::Prepaid,
            status: LineStatus::Active,
            bill_limit: Amount::ZERO,
            as_of: now,
        },
        subject,
        profile: text::seal(&subject_key, subject, Place::Profile, &profile),
        profile_hash: subject,
        bank: None,
    };
    node.submit(Actor::Operator(operator), Command::Line(Box::new(row)))
        .await?;
    let subscriber = node
        .engine
        .read(move |state, _| state.holder(&hash).map(|holder| holder.id))
        .await?
        .answer;
    let subscriber = subscriber.ok_or_else(|| unexpected("a line", &number))?;
    let cash = BalanceRow {
        row: subject,
        subscriber,
        amount: Amount::MAX,
        held_as: HeldAs::Cash,
    };
    do_operation(node, operator, Operation::ImportBalance(Box::new(cash))).await?;
    let (device, key) = enrol(node, hash, subscriber).await?;
    let shop = place % shops.len();
    let mandate = mandate(node, &shops[shop], hash, device, subscriber).await?;
    Ok(Payer {
        number,
        subscriber,
        device,
        key,
        mandate: mandate.show(&node.ids),
        shop,
    })
}

async fn enrol(
    node: &Node,
    number: NumberHash,
    subscriber: SubscriberId,
) -> Result<(DeviceId, EcdsaKeyPair), WorldError> {
    let id = EnrolmentId(random());
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .map_err(|error| WorldError::Keys(error.to_string()))?;
    let public = PublicKey(
        pair.public_key()
            .as_ref()
            .try_into()
            .expect("an uncompressed P-256 point has 65 bytes"),
    );
    let complete = EnrolmentCommand::Complete {
        id,
        key: public,
        pin: PinValue(node.keyring.pin_value(subscriber.0, PIN)),
        label: Sealed::default(),
        recovery: false,
    };
    let commands = [
        EnrolmentCommand::Ask { id, number },
        EnrolmentCommand::TryCode { id, matches: true },
        complete,
    ];
    let commands = commands.into_iter().map(Command::Enrolment).collect();
    let answers = node
        .engine
        .submit_many(Actor::Enrolling, commands)
        .await?
        .answer;
    match answers.last() {
        Some(Answer::Enrolment(Ok(NextStep::Enrolled { device, .. }))) => Ok((*device, pair)),
        other => Err(unexpected("an enrolment", &other)),
    }
}

async fn mandate(
    node: &Node,
    shop: &Shop,
    number: NumberHash,
    device: DeviceId,
    subscriber: SubscriberId,
) -> Result<MandateId, WorldError> {
    let card = node
        .directory
        .merchant(shop.id, &node.subjects)
        .await
        .map_err(|error| WorldError::Keys(error.to_string()))?;
    let card = card.ok_or_else(|| unexpected("a merchant's card", &shop.id))?;
    let words = PaymentText {
        description: "Monthly".to_owned(),
        ..PaymentText::default()
    };
    let request = MandateRequest {
        merchant: shop.id,
        number,
        terms: Terms {
            payment_limit: Amount::MAX,
            monthly_limit: Amount::MAX,
            ends_on: BusinessDate(100_000),
        },
        text: text::seal_payment(&card.key, card.subject, Place::Mandate, &words),
        entropy: device.0,
        repeat: Repeat::new(RepeatKey(random()), BodyHash(random())),
    };
    let requested = node
        .submit(
            Actor::System,
            Command::Mandate(MandateCommand::Request(Box::new(request))),
        )
        .await?;
    let Answer::Mandate(Ok(facts)) = requested.answer else {
        return Err(unexpected("a mandate", &requested.answer));
    };
    let approval = MandateApproval {
        device,
        id: facts.id,
        pin: PinValue(node.keyring.pin_value(subscriber.0, PIN)),
        code: facts.match_code,
        check: SignatureCheck::Valid,
        evidence: Evidence {
            document: Sealed::default(),
            signature: Signature([0; 64]),
        },
    };
    let approved = node
        .submit(
            Actor::Device(device),
            Command::Mandate(MandateCommand::Approve(Box::new(approval))),
        )
        .await?;
    match approved.answer {
        Answer::MandateOnPhone(Ok(_)) => Ok(facts.id),
        other => Err(unexpected("a mandate's approval", &other)),
    }
}

/// Signs as a phone does.
pub fn sign(key: &EcdsaKeyPair, words: &str) -> Result<String, WorldError> {
    let signature = key
        .sign(&SystemRandom::new(), words.as_bytes())
        .map_err(|error| WorldError::Keys(error.to_string()))?;
    Ok(data_encoding::BASE64URL_NOPAD.encode(signature.as_ref()))
}
