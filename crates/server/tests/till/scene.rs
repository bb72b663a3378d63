//! A shop with one terminal, and Alice with 5,000 yuan, a phone and a token.

use std::net::SocketAddr;

use paytone::{
    config::{Till, TillLink},
    edge::text::{self, Place},
    node::random,
    pos::{
        IssuerKeys, Links,
        player::{PhoneFile, Player},
        terminal_key, token,
    },
};
use paytone_domain::{
    ids::{StoreId, SubscriberId, TokenId},
    ledger::Account,
    money::Amount,
    operator::{Done, Operation},
};
use paytone_journal::Keyring;
use paytone_wire::{emv::Phone as Card, till::terminal::Heard};

use crate::{ALICE, support::TestNode};

pub const ACCEPTOR: &str = "CORNER1";
pub const TERMINAL: &str = "T0001";

pub struct Scene {
    pub test: TestNode,
    pub alice: SubscriberId,
    pub token: TokenId,
    pub address: SocketAddr,
    pub file: PhoneFile,
    pub card: Card,
    /// The merchant's client key.
    pub shop: String,
    links: Links,
}

impl Scene {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// With some settings of the link changed.
    pub async fn open_with(change: impl FnOnce(&mut TillLink)) -> Self {
        let mut link = TillLink::new("counter", SocketAddr::from(([127, 0, 0, 1], 0)));
        change(&mut link);
        Self::open_links(vec![link]).await
    }

    /// With these links.
    pub async fn open_links(wanted: Vec<TillLink>) -> Self {
        Self::open_till(|till| till.links = wanted).await
    }

    /// With some settings of tills changed.
    pub async fn open_till(change: impl FnOnce(&mut Till)) -> Self {
        let test = TestNode::start_with(|config| {
            config.till.range = "88880012".to_owned();
            config.till.key_file = config.keyring.with_file_name("issuer-keys.toml");
            let keyring = Keyring::load(&config.keyring).expect("a keyring");
            let path = &config.till.key_file;
            let added = IssuerKeys::add(path, &keyring, 1, "visa-18", &random());
            added.expect("an issuer key");
            let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
            config.till.links = vec![TillLink::new("counter", anywhere)];
            change(&mut config.till);
        })
        .await;
        let links = Links::open(&test.node).await.expect("the link opens");
        let address = links.addresses[0].1;
        let shop = test.merchant("Corner shops", 5411).await;
        let alice = test.line(ALICE).await;
        test.give_cash(alice, 500_000).await;
        let directory = &test.node.directory;
        let card = directory.merchant(shop.id, &test.node.subjects).await;
        let card = card.expect("the keys are there").expect("a merchant");
        let store = Operation::AddStore {
            merchant: shop.id,
            acceptor: ACCEPTOR.to_owned(),
            name: text::seal(
                &card.key,
                card.subject,
                Place::StoreName,
                "The corner of Moon Street",
            ),
        };
        assert_eq!(test.operate(store).await, Done::StoreAdded(StoreId(1)));
        let terminal = Operation::AddTerminal {
            store: StoreId(1),
            key: terminal_key(ACCEPTOR, TERMINAL),
            code: TERMINAL.to_owned(),
            limit: Amount::clamped(200_000),
        };
        test.operate(terminal).await;
        let drawn = token::draw(&test.node, alice, paytone_journal::random())
            .await
            .expect("a number");
        let issue = Operation::IssueToken {
            subscriber: alice,
            new: drawn.new.clone(),
        };
        let Done::TokenIssued(token) = test.operate(issue).await else {
            panic!("no token was issued");
        };
        let file: PhoneFile =
            serde_json::from_value(drawn.personalisation()).expect("a phone's file");
        let card = file.phone().expect("a phone");
        Self {
            test,
            alice,
            token,
            address,
            file,
            card,
            shop: shop.key,
            links,
        }
    }

    /// Where the link of this name listens.
    pub fn link(&self, name: &str) -> SocketAddr {
        let mut links = self.links.addresses.iter();
        let found = links.find(|(known, _)| known == name);
        found.expect("a link of this name").1
    }

    pub async fn player(&self) -> Player {
        let player = Player::connect(self.address, "1987-ascii", ACCEPTOR, TERMINAL);
        player.await.expect("the link takes connections")
    }

    /// A tap on a connection of its own.
    pub async fn tap(&mut self, minor: u64) -> Heard {
        let mut player = self.player().await;
        let bought = player.purchase(&self.file, &mut self.card, minor, false);
        let (message, _) = bought.expect("chip data");
        player.exchange(&message).await.expect("an answer")
    }

    pub async fn cash(&self) -> i64 {
        let account = Account::SubscriberCash(self.alice);
        let read = self
            .test
            .node
            .engine
            .read(move |state, _| state.book.available(account).minor());
        read.await.expect("the engine runs").answer
    }

    /// Stops everything; what was made is in the folder.
    pub async fn close(self) -> tempfile::TempDir {
        self.links.stop(crate::support::PATIENCE).await;
        self.test.stop().await
    }
}
