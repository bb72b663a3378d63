//! Fills the demo's world: staff, merchants, lines, money. Each part looks first whether it is there already.

use paytone_domain::{
    Actor, Answer, Command,
    grant::{ExpiredRefund, Origin, Scope},
    ids::{ClientKeyHash, MerchantId, NumberHash, OperatorId, ProposalId, SubscriberId},
    merchant::{MerchantLimits, PricePlan},
    money::Amount,
    operator::{BalanceRow, Done, HeldAs, Operation, OperatorCommand, Role},
    subscriber::{Line, LineKind, LineRow, LineStatus, RowRefusal},
    time::{DAY, HOUR, Timestamp},
};
use paytone_journal::subject_keys::SubjectKey;

use super::{
    DemoError,
    people::{DemoGrant, DemoMerchant, DemoSubscriber, GrantKind, MERCHANTS, SUBSCRIBERS},
    world_file::WorldFile,
};
use crate::{
    admin,
    edge::{
        text::{self, Place, Profile},
        time,
    },
    node::{Node, random},
};

/// Makes what is missing. `progress` is told each part before it begins.
pub async fn fill(
    node: &Node,
    world: &WorldFile,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<Staff, DemoError> {
    progress("staff");
    let staff = Staff::of(node, world).await?;
    let filler = Filler { node, world, staff };
    progress("merchants");
    for (place, merchant) in MERCHANTS.iter().enumerate() {
        filler.merchant(place, merchant).await?;
    }
    progress("subscribers, lines and money");
    for person in &SUBSCRIBERS {
        filler.subscriber(person).await?;
    }
    Ok(filler.staff)
}

/// What the network tells of the lines today; who is not there any more is left alone.
pub async fn refresh_lines(node: &Node, world: &WorldFile) -> Result<(), DemoError> {
    for person in &SUBSCRIBERS {
        if let Some((_, subject)) = holder(node, person.number).await? {
            import_line(node, world, Actor::Console, person, subject).await?;
        }
    }
    Ok(())
}

/// The two administrators, each the other's second person.
#[derive(Clone, Copy, Debug)]
pub struct Staff {
    pub first: OperatorId,
    pub second: OperatorId,
}

impl Staff {
    pub async fn of(node: &Node, world: &WorldFile) -> Result<Self, DemoError> {
        let [first, second] = world.operators.as_slice() else {
            return Err(DemoError::World(
                "the demo has two operators, its file says otherwise".to_owned(),
            ));
        };
        let first = operator(node, Actor::Console, first).await?;
        let second = operator(node, Actor::Operator(first), second).await?;
        Ok(Self { first, second })
    }

    /// Does it, with the second person's approval where that is needed.
    pub async fn operate(&self, node: &Node, operation: Operation) -> Result<Done, DemoError> {
        let name = operation.name();
        match submit(node, Actor::Operator(self.first), operation).await? {
            Ok(Done::Proposed(proposal)) => self.approve(node, name, proposal).await,
            Ok(done) => Ok(done),
            Err(refusal) => Err(DemoError::unexpected(name, &refusal)),
        }
    }

    async fn approve(
        &self,
        node: &Node,
        name: &'static str,
        proposal: ProposalId,
    ) -> Result<Done, DemoError> {
        let command = Command::Operator(OperatorCommand::Decide {
            proposal,
            approve: true,
        });
        let answered = node.submit(Actor::Operator(self.second), command).await?;
        match answered.answer {
            Answer::Operator(Ok(done)) => Ok(done),
            other => Err(DemoError::unexpected(name, &other)),
        }
    }
}

async fn submit(
    node: &Node,
    actor: Actor,
    operation: Operation,
) -> Result<Result<Done, paytone_domain::operator::OperatorRefusal>, DemoError> {
    let name = operation.name();
    let command = Command::Operator(OperatorCommand::Do(Box::new(operation)));
    match node.submit(actor, command).await?.answer {
        Answer::Operator(answer) => Ok(answer),
        other => Err(DemoError::unexpected(name, &other)),
    }
}

async fn operator(
    node: &Node,
    by: Actor,
    wanted: &super::world_file::Operator,
) -> Result<OperatorId, DemoError> {
    let name = wanted.name.clone();
    let known = node
        .engine
        .read(move |state, _| state.operators.named(&name).map(|operator| operator.id))
        .await?
        .answer;
    if let Some(known) = known {
        return Ok(known);
    }
    let password = admin::password::seal(&node.keyring, &wanted.password)
        .map_err(|problem| DemoError::World(problem.detail))?;
    let add = Operation::AddOperator {
        name: wanted.name.clone(),
        role: Role::Admin,
        password,
    };
    match submit(node, by, add).await? {
        Ok(Done::OperatorAdded(id)) => Ok(id),
        other => Err(DemoError::unexpected("add_operator", &other)),
    }
}

/// Merchants are made in order, by the demo alone, before anybody else can make one.
pub fn merchant_id(place: usize) -> MerchantId {
    MerchantId(place as u64 + 1)
}

/// Who holds a number.
pub async fn holder(node: &Node, number: &str) -> Result<Option<(SubscriberId, u64)>, DemoError> {
    let hash = NumberHash(node.keyring.number_hash(number));
    let look = move |state: &paytone_domain::State, _: &_| {
        state
            .holder(&hash)
            .map(|holder| (holder.id, holder.subject))
    };
    Ok(node.engine.read(look).await?.answer)
}

struct Filler<'a> {
    node: &'a Node,
    world: &'a WorldFile,
    staff: Staff,
}

impl Filler<'_> {
    async fn merchant(&self, place: usize, merchant: &DemoMerchant) -> Result<(), DemoError> {
        let (id, node) = (merchant_id(place), self.node);
        let known = node
            .engine
            .read(move |state, _| state.merchants.get(id).is_some())
            .await?
            .answer;
        if !known {
            let subject = subject();
            let key = subject_key(node, subject).await?;
            let add = Operation::AddMerchant {
                subject,
                name: text::seal(&key, subject, Place::MerchantName, merchant.name),
                category: merchant.category,
                limits: MerchantLimits {
                    payment: Amount::clamped(merchant.payment_limit_minor),
                    daily: Amount::clamped(merchant.daily_limit_minor),
                },
                plan: PricePlan {
                    version: 1,
                    fee_basis_points: merchant.fee_basis_points,
                    fee_fixed: Amount::ZERO,
                    tax_basis_points: 600,
                },
            };
            match self.staff.operate(node, add).await? {
                Done::MerchantAdded(added) if added == id => {}
                other => return Err(DemoError::unexpected("add_merchant", &other)),
            }
        }
        let hash = client_key_hash(&self.world.client_keys[place]);
        if node.directory.client(&hash).is_none() {
            let add = Operation::AddClientKey {
                merchant: id,
                hash,
                label: "demo".to_owned(),
            };
            self.staff.operate(node, add).await?;
        }
        Ok(())
    }

    /// The line as the network tells of it today, and what the subscriber had when the world began.
    async fn subscriber(&self, person: &DemoSubscriber) -> Result<(), DemoError> {
        let node = self.node;
        let subject = match holder(node, person.number).await? {
            Some((_, subject)) => subject,
            None => subject(),
        };
        let actor = Actor::Operator(self.staff.first);
        let key = import_line(node, self.world, actor, person, subject).await?;
        let Some((subscriber, _)) = holder(node, person.number).await? else {
            return Err(DemoError::World(format!("{} was not bound", person.name)));
        };
        if person.cash_minor > 0 {
            self.balance(subscriber, person, "cash", person.cash_minor, HeldAs::Cash)
                .await?;
        }
        for grant in person.grants {
            let held_as = self.grant(grant, &key, subject);
            self.balance(subscriber, person, grant.label, grant.amount_minor, held_as)
                .await?;
        }
        Ok(())
    }

    fn grant(&self, grant: &DemoGrant, key: &SubjectKey, subject: u64) -> HeldAs {
        let began = Timestamp(self.world.began_ms);
        HeldAs::Grant {
            origin: match grant.kind {
                GrantKind::Gift => Origin::Gift,
                GrantKind::Voucher => Origin::Voucher,
                GrantKind::Campaign => Origin::Campaign,
                GrantKind::Welfare => Origin::Welfare,
            },
            label: text::seal(key, subject, Place::LotLabel, grant.label),
            tax_class: match grant.kind {
                GrantKind::Gift => 1,
                GrantKind::Voucher | GrantKind::Campaign => 2,
                GrantKind::Welfare => 3,
            },
            expires_at: grant.expires_in_days.map(|days| began.plus(days * DAY)),
            scope: Scope {
                merchants: grant.merchants.iter().copied().map(merchant_id).collect(),
                categories: grant.categories.to_vec(),
            },
            expired_refund: match grant.kind {
                GrantKind::Welfare => ExpiredRefund::Extend(7),
                GrantKind::Gift => ExpiredRefund::Cash,
                GrantKind::Voucher | GrantKind::Campaign => ExpiredRefund::Forfeit,
            },
        }
    }

    async fn balance(
        &self,
        subscriber: SubscriberId,
        person: &DemoSubscriber,
        what: &str,
        amount_minor: i64,
        held_as: HeldAs,
    ) -> Result<(), DemoError> {
        let row = hash(self.node, &format!("demo balance {} {what}", person.number));
        let import = Operation::ImportBalance(Box::new(BalanceRow {
            row,
            subscriber,
            amount: Amount::clamped(amount_minor),
            held_as,
        }));
        match self.staff.operate(self.node, import).await? {
            Done::Done | Done::LotGiven(_) | Done::Unchanged => Ok(()),
            other => Err(DemoError::unexpected("import_balance", &other)),
        }
    }
}

/// The account at the stand-in bank, of those who have one.
pub fn bank_account(person: &DemoSubscriber) -> Option<String> {
    person
        .bank_minor
        .map(|_| format!("6217{}", person.number.trim_start_matches('+')))
}

fn client_key_hash(secret: &str) -> ClientKeyHash {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    ClientKeyHash(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

fn subject() -> u64 {
    u64::from_le_bytes(*random().first_chunk().expect("16 random bytes")) >> 1
}

async fn subject_key(node: &Node, subject: u64) -> Result<SubjectKey, DemoError> {
    let failed = |error: &dyn std::fmt::Display| DemoError::World(error.to_string());
    let made = node.subjects.create_many(&[subject]).await;
    made.map_err(|error| failed(&error))?;
    let key = node.subjects.get(subject).await;
    key.map_err(|error| failed(&error))
}

async fn import_line(
    node: &Node,
    world: &WorldFile,
    actor: Actor,
    person: &DemoSubscriber,
    subject: u64,
) -> Result<SubjectKey, DemoError> {
    let key = subject_key(node, subject).await?;
    let profile = Profile {
        number: person.number.to_owned(),
        name: person.name.to_owned(),
        birth_date: Some(person.birth_date.to_owned()),
    };
    let profile =
        serde_json::to_string(&profile).map_err(|error| DemoError::World(error.to_string()))?;
    let account = bank_account(person);
    let row = LineRow {
        number: NumberHash(node.keyring.number_hash(person.number)),
        renumbered_from: None,
        recycled: false,
        line: line(world, person),
        subject,
        profile_hash: hash(node, &format!("{profile}{account:?}")),
        profile: text::seal(&key, subject, Place::Profile, &profile),
        bank: account.map(|account| text::seal(&key, subject, Place::Bank, &account)),
    };
    match node
        .submit(actor, Command::Line(Box::new(row)))
        .await?
        .answer
    {
        // Somebody may have imported a newer export.
        Answer::Line(Ok(_) | Err(RowRefusal::OlderThanKnown)) => Ok(key),
        other => Err(DemoError::unexpected("a line", &other)),
    }
}

fn line(world: &WorldFile, person: &DemoSubscriber) -> Line {
    let began = Timestamp(world.began_ms);
    let ago = |time: Option<i64>, unit: i64| time.map(|count| began.plus(-count * unit));
    Line {
        activated: began.plus(-person.activated_days_ago * DAY),
        sim_changed: ago(person.sim_changed_hours_ago, HOUR),
        device_changed: ago(person.device_changed_days_ago, DAY),
        kind: if person.bill_limit_minor > 0 {
            LineKind::Postpaid
        } else {
            LineKind::Prepaid
        },
        status: LineStatus::Active,
        bill_limit: Amount::clamped(person.bill_limit_minor),
        as_of: time::now(),
    }
}

/// A keyed hash, so that it tells nothing.
fn hash(node: &Node, text: &str) -> u64 {
    let hash = node.keyring.number_hash(text);
    u64::from_be_bytes(*hash.first_chunk().expect("a hash has 16 bytes"))
}
