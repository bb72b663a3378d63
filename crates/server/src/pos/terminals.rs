//! What the edge needs of a terminal: whose it is, and the store's name for the payer's phone.

use std::sync::Arc;

use parking_lot::RwLock;
use paytone_domain::ids::TerminalKey;
use paytone_engine::EngineError;
use paytone_journal::subject_keys::SubjectKeyError;
use rustc_hash::FxHashMap;

use crate::{
    edge::{
        directory::MerchantCard,
        short_hash::short_hash,
        text::{self, Place},
    },
    node::Node,
};

/// By which a terminal is found, as messages name it: fields 42 and 41 without the spaces after them.
pub fn terminal_key(acceptor: &str, terminal: &str) -> TerminalKey {
    let parts: [&[u8]; 4] = [
        b"terminal\0",
        acceptor.as_bytes(),
        b"\0",
        terminal.as_bytes(),
    ];
    TerminalKey(short_hash(&parts))
}

/// A terminal of a store.
pub struct Known {
    pub merchant: Arc<MerchantCard>,
    pub store: Arc<str>,
}

/// Terminals that were seen. One never changes store, and a store never its name, so what is here stays right.
#[derive(Default)]
pub struct Seen(RwLock<FxHashMap<TerminalKey, Arc<Known>>>);

#[derive(Debug, thiserror::Error)]
pub enum SeenError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Subject(#[from] SubjectKeyError),
}

impl Seen {
    /// `None` if nobody has such a terminal.
    pub async fn find(
        &self,
        node: &Node,
        key: TerminalKey,
    ) -> Result<Option<Arc<Known>>, SeenError> {
        if let Some(known) = self.0.read().get(&key) {
            return Ok(Some(Arc::clone(known)));
        }
        let read = node.engine.read(move |state, _| {
            let terminal = state.terminals.find(&key)?;
            let store = state.terminals.store(terminal.store)?;
            Some((store.merchant, store.name.clone()))
        });
        let Some((merchant, name)) = read.await?.answer else {
            return Ok(None);
        };
        let Some(merchant) = node.directory.merchant(merchant, &node.subjects).await? else {
            return Ok(None);
        };
        let store = text::open(&merchant.key, merchant.subject, Place::StoreName, &name);
        let store = store.ok_or(SubjectKeyError::Damaged(merchant.subject))?;
        let known = Arc::new(Known {
            merchant,
            store: store.into(),
        });
        self.0.write().insert(key, Arc::clone(&known));
        Ok(Some(known))
    }
}
