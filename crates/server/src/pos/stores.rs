//! A merchant's stores with their terminals and what these took, as the merchant and the operator read them.

use paytone_domain::{
    ids::MerchantId,
    money::Currency,
    till::{self, Terminal},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    edge::{
        amount,
        ids::Public as _,
        problem::Problem,
        text::{self, Place},
    },
    node::Node,
};

/// A place where you are paid.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Store)]
pub struct StoreShown {
    pub id: String,
    /// As people see it on their phones.
    #[schema(example = "Moon Street")]
    pub name: String,
    /// What its terminals send as card acceptor (ISO 8583 field 42).
    #[schema(example = "CORNER1")]
    pub acceptor: String,
    pub terminals: Vec<TerminalShown>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Terminal)]
pub struct TerminalShown {
    pub id: String,
    /// What it sends as its name (ISO 8583 field 41).
    #[schema(example = "T0001")]
    pub code: String,
    /// Most for one payment.
    #[schema(example = "2000.00")]
    pub per_payment: String,
    /// Blocked by the operator: it takes and refunds nothing.
    pub blocked: bool,
    /// Since the last reconciliation.
    pub shift: ShiftShown,
    /// The one that the last reconciliation ended.
    pub closed_shift: Option<ShiftShown>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Shift)]
pub struct ShiftShown {
    /// Counts up from zero.
    pub number: u32,
    pub purchases: TotalShown,
    /// Purchases that were undone after they had been counted.
    pub reversals: TotalShown,
    pub refunds: TotalShown,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Total)]
pub struct TotalShown {
    pub count: u64,
    #[schema(example = "1280.00")]
    pub amount: String,
}

impl TotalShown {
    fn of(total: till::Total, currency: Currency) -> Self {
        Self {
            count: total.count,
            amount: amount::show_signed(total.minor, currency),
        }
    }
}

impl ShiftShown {
    fn of(shift: &till::Shift, currency: Currency) -> Self {
        Self {
            number: shift.number,
            purchases: TotalShown::of(shift.purchases, currency),
            reversals: TotalShown::of(shift.reversals, currency),
            refunds: TotalShown::of(shift.refunds, currency),
        }
    }
}

impl TerminalShown {
    fn of(node: &Node, terminal: &Terminal) -> Self {
        let currency = node.currency();
        let closed = terminal.closed.as_ref();
        Self {
            id: terminal.id.show(&node.ids),
            code: terminal.code.clone(),
            per_payment: amount::show(terminal.limit, currency),
            blocked: terminal.blocked,
            shift: ShiftShown::of(&terminal.shift, currency),
            closed_shift: closed.map(|shift| ShiftShown::of(shift, currency)),
        }
    }
}

/// Those of `merchant`, oldest first, with the position that this rests on.
pub async fn of_merchant(
    node: &Node,
    merchant: MerchantId,
) -> Result<(Vec<StoreShown>, u64), Problem> {
    let read = node.engine.read(move |state, _| {
        let stores = state.terminals.stores();
        let stores = stores.filter(|one| one.merchant == merchant);
        let stores = stores.map(|store| {
            let terminals = state.terminals.iter();
            let terminals = terminals.filter(|one| one.store == store.id);
            (store.clone(), terminals.cloned().collect::<Vec<_>>())
        });
        stores.collect::<Vec<_>>()
    });
    let read = read.await?;
    let card = node.directory.merchant(merchant, &node.subjects).await?;
    let card = card.ok_or_else(Problem::not_found)?;
    let shown = read.answer.into_iter().map(|(store, terminals)| {
        let name = text::open(&card.key, card.subject, Place::StoreName, &store.name);
        let terminals = terminals.iter();
        StoreShown {
            id: store.id.show(&node.ids),
            name: name.unwrap_or_default(),
            acceptor: store.acceptor,
            terminals: terminals.map(|one| TerminalShown::of(node, one)).collect(),
        }
    });
    Ok((shown.collect(), read.position))
}
