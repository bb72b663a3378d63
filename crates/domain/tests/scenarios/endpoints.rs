//! A merchant's webhook endpoints and the rotation of their secrets.

use paytone_domain::{
    Actor, Answer, Command,
    ids::{EndpointId, MerchantId},
    merchant::{ClientCommand, ClientRefusal},
    time::DAY,
};

use crate::support::script::{Script, sealed};

fn client(script: &mut Script, command: ClientCommand) -> Result<EndpointId, ClientRefusal> {
    match script.world.run(Actor::System, Command::Client(command)) {
        Answer::Client(answer) => answer,
        other => panic!("not a client's answer: {other:?}"),
    }
}

fn add(merchant: MerchantId) -> ClientCommand {
    ClientCommand::AddEndpoint {
        merchant,
        url: sealed("address"),
        secret: sealed("first"),
    }
}

#[test]
fn a_merchant_has_ten_endpoints_at_most_and_touches_only_its_own() {
    let mut script = Script::default();
    let (shop, cafe) = (script.merchant("shop"), script.merchant("cafe"));
    let ids: Vec<_> = (0..10).map(|_| client(&mut script, add(shop))).collect();
    assert!(ids.iter().all(Result::is_ok));
    assert_eq!(
        client(&mut script, add(shop)),
        Err(ClientRefusal::TooManyEndpoints)
    );
    assert_eq!(
        client(&mut script, add(MerchantId(99))),
        Err(ClientRefusal::NotFound)
    );
    let endpoint = ids[0].expect("an endpoint");
    let remove = |merchant| ClientCommand::RemoveEndpoint { merchant, endpoint };
    assert_eq!(
        client(&mut script, remove(cafe)),
        Err(ClientRefusal::NotFound)
    );
    assert_eq!(client(&mut script, remove(shop)), Ok(endpoint));
    assert_eq!(
        client(&mut script, remove(shop)),
        Err(ClientRefusal::NotFound)
    );
    assert!(
        client(&mut script, add(shop)).is_ok(),
        "there is room again"
    );
}

#[test]
fn an_old_secret_signs_beside_the_new_one_for_a_day() {
    let mut script = Script::default();
    let merchant = script.merchant("shop");
    let endpoint = client(&mut script, add(merchant)).expect("an endpoint");
    let rotate = ClientCommand::RotateSecret {
        merchant,
        endpoint,
        secret: sealed("second"),
    };
    assert_eq!(client(&mut script, rotate), Ok(endpoint));
    let shop = script
        .world
        .state
        .merchants
        .get(merchant)
        .expect("a merchant");
    let known = paytone_domain::merchant::endpoint(shop, endpoint).expect("an endpoint");
    let until = script.world.moment.now.plus(DAY);
    assert_eq!(known.secret, sealed("second"));
    assert_eq!(known.previous, Some((sealed("first"), until)));
}
