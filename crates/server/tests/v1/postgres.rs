//! What PostgreSQL changes for a node; all else is tried with `PAYTONE_TEST_STORE=postgres`.

use paytone::{config::Store, node::Node, stores};
use private_postgres::Cluster;

use crate::{
    ALICE, PIN,
    support::{Ask, Phone, TestNode, code_of},
};

fn name_of(url: &str) -> &str {
    url.rsplit_once('/').expect("a path").1
}

#[tokio::test]
async fn a_node_whose_role_cannot_change_the_journal_does_everything() {
    let cluster = Cluster::shared();
    let owner = cluster.database();
    let name = name_of(&owner);
    let role = format!("node_{name}");
    cluster.sql(name, &format!("CREATE ROLE {role} LOGIN"));
    cluster.sql(name, &stores::script(&role, false));
    let url = cluster.url(name, &role);
    let test = TestNode::start_with(|config| {
        config.store = Store {
            url,
            ..Store::default()
        }
    })
    .await;
    let shop = test.merchant("Bookshop", 5942).await;
    let alice = test.line(ALICE).await;
    test.give_cash(alice, 50_000).await;
    let phone = Phone::enrol(&test, ALICE, PIN).await;
    let payment = test.ask(&shop, Ask::of(ALICE, 12_800)).await;
    let prompt = phone.prompt(&test, payment.id).await;
    let answer = phone.approve(&test, &prompt, &code_of(&payment), PIN).await;
    assert_eq!(answer.body["status"], "captured");
    let made = test.node.snapshots.make(&test.node.config, |_, _| {}).await;
    let made = made.expect("a snapshot").listed.seq;
    // And again, with tables that are there, from the snapshot that is in them.
    let test = test.restart().await;
    let start = test.node.snapshots.start;
    assert_eq!((start.snapshot, start.rows), (made, 0));
    assert!(test.node.views.position() > 0);
    test.stop().await;
    let allowed = format!(
        "SELECT string_agg(table_name || ' ' || privilege_type, ', ' ORDER BY table_name, privilege_type)
         FROM information_schema.role_table_grants
         WHERE table_schema = 'paytone' AND privilege_type <> 'SELECT' AND grantee = '{role}'"
    );
    assert_eq!(
        cluster.sql(name, &allowed),
        "confirmations INSERT, journal INSERT, snapshot_pages DELETE, snapshot_pages INSERT, \
         snapshots DELETE, snapshots INSERT, snapshots UPDATE, subject_key_changes UPDATE, subject_keys INSERT, subject_keys UPDATE"
    );
}

#[tokio::test]
async fn high_availability_without_a_standby_is_refused_unless_it_is_allowed() {
    let url = Cluster::shared().database();
    let test = TestNode::start_with(|config| {
        config.store = Store {
            url: url.clone(),
            ha: true,
            allow_without_standby: true,
            ..Store::default()
        };
    })
    .await;
    let mut config = test.node.config.clone();
    let _folder = test.stop().await;
    config.store.allow_without_standby = false;
    let error = Node::start(config, true).await.err().expect("no standby");
    assert!(
        error
            .to_string()
            .contains("synchronous_standby_names is empty"),
        "{error}"
    );
}
