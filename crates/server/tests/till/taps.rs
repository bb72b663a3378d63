//! What terminals and customers do every day.

use paytone::{
    metrics::{Reading, exposition},
    pos::player::Player,
};
use paytone_domain::operator::{Done, Operation};
use paytone_wire::{
    emv::ChipData,
    iso8583::{Message, MessageType, Original},
    till::{
        Code,
        request::{Total, Totals},
    },
};
use tokio::time::timeout;

use crate::{
    ALICE, PIN, Scene,
    support::{PATIENCE, Phone},
};

/// The phone is held to the terminal: what it sends.
fn buy(player: &mut Player, scene: &mut Scene, message_type: u16, minor: u64) -> Message {
    let bought = player.purchase(&scene.file, &mut scene.card, minor, false);
    let mut message = bought.expect("chip data").0;
    message.message_type = MessageType::new(message_type);
    message
}

/// The same, and it was approved.
async fn approved(
    player: &mut Player,
    scene: &mut Scene,
    message_type: u16,
    minor: u64,
) -> Message {
    let message = buy(player, scene, message_type, minor);
    let heard = player.exchange(&message).await.expect("an answer");
    assert_eq!(
        (heard.code, heard.message_type),
        (Some(Code::Approved), MessageType::new(message_type + 10))
    );
    message
}

#[tokio::test]
async fn a_tap_is_approved_with_the_issuers_cryptogram_and_the_phone_is_told_with_the_stores_name()
{
    let mut scene = Scene::open().await;
    let phone = Phone::enrol(&scene.test, ALICE, PIN).await;
    let mut events = phone.events(&scene.test).await;
    let mut player = scene.player().await;
    let bought = player.purchase(&scene.file, &mut scene.card, 1_250, false);
    let (message, chip) = bought.expect("chip data");
    let heard = player.exchange(&message).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved), "{:?}", heard.remark);
    assert_eq!(heard.message_type, MessageType::new(210));
    assert_eq!(heard.approval.as_ref().map(String::len), Some(6));
    let authentication = heard.issuer_authentication.as_ref().expect("tag 91");
    let right = scene.card.keys.verify_answer(&chip, authentication);
    assert_eq!(right, Ok(true));
    assert_eq!(scene.cash().await, 498_750);
    let told = timeout(PATIENCE, events.next_of("payment"))
        .await
        .expect("news");
    assert_eq!(told["amount"], "12.50");
    assert_eq!(told["merchant"]["name"], "Corner shops");
    assert_eq!(told["purpose"], "The corner of Moon Street", "{told}");
    scene.close().await;
}

#[tokio::test]
async fn what_a_link_is_asked_and_answers_is_counted() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    let paid = approved(&mut player, &mut scene, 200, 1_000).await;
    let mut copied = paid.clone();
    copied.set(11, "000777");
    let heard = player.exchange(&copied).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::SecurityViolation));
    let page = exposition::text(&Reading::of(&scene.test.node).await);
    for sample in [
        r#"paytone_till_connections{link="counter"} 1"#,
        r#"paytone_till_messages_total{link="counter",type="0200",code="00"} 1"#,
        r#"paytone_till_messages_total{link="counter",type="0200",code="63"} 1"#,
        r#"paytone_till_answer_seconds_count{link="counter"} 2"#,
        r#"paytone_till_unanswered_total{link="counter"} 0"#,
    ] {
        assert!(
            page.lines().any(|line| line == sample),
            "{sample} in {page}"
        );
    }
    scene.close().await;
}

#[tokio::test]
async fn a_merchant_sees_its_stores_and_what_each_terminal_took() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    let paid = approved(&mut player, &mut scene, 200, 2_000).await;
    approved(&mut player, &mut scene, 200, 1_250).await;
    let reversal = player.at_the_moment(|terminal, now| terminal.reversal(&paid, now));
    player.exchange(&reversal).await.expect("an answer");
    let asked = scene.test.get("/v1/stores", Some(&scene.shop)).await;
    let stores = asked.expect(200).body;
    assert_eq!(stores["data"][0]["name"], "The corner of Moon Street");
    assert_eq!(stores["data"][0]["acceptor"], "CORNER1");
    let terminal = &stores["data"][0]["terminals"][0];
    assert_eq!(terminal["code"], "T0001");
    assert_eq!(terminal["per_payment"], "2000.00");
    assert_eq!(
        terminal["shift"],
        serde_json::json!({
            "number": 0,
            "purchases": {"count": 2, "amount": "32.50"},
            "reversals": {"count": 1, "amount": "20.00"},
            "refunds": {"count": 0, "amount": "0.00"},
        })
    );
    assert_eq!(terminal["closed_shift"], serde_json::Value::Null);
    // Those of another merchant are its own.
    let other = scene.test.merchant("Elsewhere", 5411).await;
    let none = scene.test.get("/v1/stores", Some(&other.key)).await;
    assert_eq!(none.expect(200).body, serde_json::json!({"data": []}));
    scene.close().await;
}

#[tokio::test]
async fn a_repeat_gets_the_same_answer_and_a_copied_cryptogram_nothing() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    let bought = player.purchase(&scene.file, &mut scene.card, 1_000, false);
    let (message, _) = bought.expect("chip data");
    let first = player.exchange(&message).await.expect("an answer");
    assert_eq!(first.code, Some(Code::Approved));
    // Over another connection, as a terminal that lost its own does.
    let mut other = scene.player().await;
    let repeat = other.terminal.repeat(&message);
    let again = other.exchange(&repeat).await.expect("an answer");
    assert!(again == first, "{again:?} after {first:?}");
    let mut copied = message.clone();
    copied.set(11, "000777");
    let heard = other.exchange(&copied).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::SecurityViolation));
    assert_eq!(scene.cash().await, 499_000);
    scene.close().await;
}

#[tokio::test]
async fn reversals_before_and_after_give_everything_back_once() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    let paid = approved(&mut player, &mut scene, 200, 2_000).await;
    for _ in 0..2 {
        let reversal = player.at_the_moment(|terminal, now| terminal.reversal(&paid, now));
        let heard = player.exchange(&reversal).await.expect("an answer");
        assert_eq!(heard.code, Some(Code::Approved));
        assert_eq!(heard.message_type, MessageType::new(430));
        assert_eq!(scene.cash().await, 500_000);
    }
    let late = buy(&mut player, &mut scene, 200, 2_000);
    let reversal = player.at_the_moment(|terminal, now| terminal.reversal(&late, now));
    let heard = player.exchange(&reversal).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved));
    let heard = player.exchange(&late).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Declined));
    assert_eq!(heard.remark.as_deref(), Some("undone"));
    assert_eq!(scene.cash().await, 500_000);
    scene.close().await;
}

#[tokio::test]
async fn above_the_tap_limit_the_till_waits_for_the_phone() {
    let mut scene = Scene::open().await;
    let phone = Phone::enrol(&scene.test, ALICE, PIN).await;
    let mut events = phone.events(&scene.test).await;
    let mut player = scene.player().await;
    let bought = player.purchase(&scene.file, &mut scene.card, 60_000, false);
    let (message, _) = bought.expect("chip data");
    player.send(&message).await.expect("it is sent");
    let prompt = timeout(PATIENCE, events.next_of("prompt"))
        .await
        .expect("a prompt");
    assert_eq!(prompt["amount"], "600.00");
    assert_eq!(prompt["purpose"], "The corner of Moon Street");
    assert_eq!(
        prompt["codes"],
        serde_json::json!([]),
        "the phone was there"
    );
    phone
        .approve_device(&scene.test, &prompt, PIN)
        .await
        .expect(200);
    let answer = player.receive().await.expect("an answer");
    assert_eq!(answer.text(39), Some("00"));
    assert_eq!(scene.cash().await, 440_000);
    // Refused on the phone it is declined at the till.
    let bought = player.purchase(&scene.file, &mut scene.card, 70_000, false);
    player
        .send(&bought.expect("chip data").0)
        .await
        .expect("it is sent");
    let prompt = timeout(PATIENCE, events.next_of("prompt"))
        .await
        .expect("a prompt");
    phone.refuse(&scene.test, &prompt, false).await.expect(200);
    let answer = player.receive().await.expect("an answer");
    assert_eq!(answer.text(39), Some("05"));
    // Verified with the phone nobody is asked.
    let bought = player.purchase(&scene.file, &mut scene.card, 60_000, true);
    let heard = player.exchange(&bought.expect("chip data").0).await;
    assert_eq!(heard.expect("an answer").code, Some(Code::Approved));
    assert_eq!(scene.cash().await, 380_000);
    scene.close().await;
}

#[tokio::test]
async fn an_authorisation_is_held_and_captured_by_an_advice_that_names_it() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    let asked = approved(&mut player, &mut scene, 100, 8_000).await;
    assert_eq!(scene.cash().await, 492_000);
    let mut advice = player.at_the_moment(|terminal, now| terminal.reversal(&asked, now));
    advice.message_type = MessageType::new(220);
    advice.set(4, "000000007500");
    let heard = player.exchange(&advice).await.expect("an answer");
    assert_eq!(
        (heard.code, heard.message_type),
        (Some(Code::Approved), MessageType::new(230))
    );
    assert_eq!(scene.cash().await, 492_500);
    scene.close().await;
}

#[tokio::test]
async fn a_refund_and_a_stand_ins_refusal_name_what_they_are_about() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    let paid = approved(&mut player, &mut scene, 200, 3_000).await;
    let original = Original::elements_of(&paid);
    for (named, code, cash) in [
        (false, Code::OriginalNotFound, 497_000),
        (true, Code::Approved, 498_000),
    ] {
        let mut refund = player.at_the_moment(|terminal, now| terminal.reversal(&paid, now));
        refund.message_type = MessageType::new(200);
        refund.set(3, "200000").set(4, "000000001000");
        if named {
            refund.set(90, original.value());
        } else {
            refund.remove(90);
        }
        let heard = player.exchange(&refund).await.expect("an answer");
        assert_eq!(
            (heard.code, heard.message_type),
            (Some(code), MessageType::new(210))
        );
        assert_eq!(scene.cash().await, cash);
    }
    let asked = approved(&mut player, &mut scene, 100, 5_000).await;
    assert_eq!(scene.cash().await, 493_000);
    let mut advice = player.at_the_moment(|terminal, now| terminal.reversal(&asked, now));
    advice.message_type = MessageType::new(120);
    advice.set(39, "91");
    let heard = player.exchange(&advice).await.expect("an answer");
    assert_eq!(
        (heard.code, heard.message_type),
        (Some(Code::Approved), MessageType::new(130))
    );
    assert_eq!(scene.cash().await, 498_000);
    scene.close().await;
}

#[tokio::test]
async fn the_stripe_a_wrong_key_and_another_amount_than_signed_are_refused() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    let mut fallback = buy(&mut player, &mut scene, 200, 2_000);
    fallback.set(22, "801").remove(55);
    let mut other_amount = buy(&mut player, &mut scene, 200, 2_000);
    other_amount.set(4, "000000002001");
    let mut forged = buy(&mut player, &mut scene, 200, 2_000);
    let mut chip = forged.get(55).expect("field 55").to_vec();
    chip[5] ^= 1;
    forged.set(55, chip);
    let mut elsewhere = buy(&mut player, &mut scene, 200, 2_000);
    elsewhere.set(41, "T0009   ");
    for (message, code) in [
        (fallback, Code::NotAllowedForCard),
        (other_amount, Code::SuspectedFraud),
        (forged, Code::WrongCryptogram),
        (elsewhere, Code::NotAllowedForTerminal),
    ] {
        let heard = player.exchange(&message).await.expect("an answer");
        assert_eq!(heard.code, Some(code));
    }
    assert_eq!(scene.cash().await, 500_000);
    scene.close().await;
}

#[tokio::test]
async fn a_suspended_token_pays_no_more_and_a_shift_is_reconciled() {
    let mut scene = Scene::open().await;
    assert_eq!(scene.tap(1_500).await.code, Some(Code::Approved));
    let done = scene
        .test
        .operate(Operation::SuspendToken(scene.token))
        .await;
    assert_eq!(done, Done::Done);
    assert_eq!(scene.tap(1_500).await.code, Some(Code::Restricted));
    let mut player = scene.player().await;
    let totals = |count, amount| Totals {
        debits: Total { count, amount },
        ..Totals::default()
    };
    for (totals, code) in [
        (totals(1, 1_500), Code::Approved),
        (totals(1, 1_500), Code::ReconciliationDiffers),
    ] {
        let message = player.at_the_moment(|terminal, now| terminal.reconciliation(&totals, now));
        let heard = player.exchange(&message).await.expect("an answer");
        assert_eq!(heard.code, Some(code));
    }
    scene.close().await;
}

#[tokio::test]
async fn a_link_lets_in_its_own_acceptors_after_they_have_signed_on() {
    let mut scene = Scene::open_with(|link| {
        link.sign_on_first = true;
        link.acceptors = vec!["OTHER".to_owned()];
    })
    .await;
    assert_eq!(scene.tap(100).await.code, Some(Code::NotAllowedForTerminal));
    let mut player = scene.player().await;
    let sign_on = player.at_the_moment(|terminal, now| terminal.sign_on(now));
    let heard = player.exchange(&sign_on).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved));
    let bought = player.purchase(&scene.file, &mut scene.card, 100, false);
    let heard = player.exchange(&bought.expect("chip data").0).await;
    assert_eq!(
        heard.expect("an answer").code,
        Some(Code::NotAllowedForTerminal)
    );
    assert_eq!(scene.cash().await, 500_000);
    scene.close().await;
}

#[tokio::test]
async fn a_trace_number_that_begins_again_is_a_sale_of_its_own() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    let first = approved(&mut player, &mut scene, 200, 1_000).await;
    let mut other = buy(&mut player, &mut scene, 200, 2_000);
    let trace = first.text(11).expect("a trace number").to_owned();
    other.set(11, trace).set(7, "0101000001");
    let heard = player.exchange(&other).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved));
    // Both have been paid: an approval of the first is no answer to the second.
    assert_eq!(scene.cash().await, 497_000);
    scene.close().await;
}

#[tokio::test]
async fn what_follows_a_sale_is_in_its_currency_whole_and_not_of_one_that_was_declined() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    let asked = approved(&mut player, &mut scene, 100, 8_000).await;
    let part = format!("{:012}{:012}{:018}", 3_000, 0, 0);
    for (message_type, field, value, code, cash) in [
        (220, 49, "840", Code::InvalidAmount, 492_000),
        (420, 95, part.as_str(), Code::FormatError, 492_000),
        // The terminal's own processor has declined it since.
        (220, 39, "05", Code::Approved, 500_000),
    ] {
        let mut follows = player.at_the_moment(|terminal, now| terminal.reversal(&asked, now));
        follows.message_type = MessageType::new(message_type);
        follows.set(field, value);
        let heard = player.exchange(&follows).await.expect("an answer");
        assert_eq!(
            (heard.code, scene.cash().await),
            (Some(code), cash),
            "{message_type} with field {field}"
        );
    }
    scene.close().await;
}

/// Lets the terminal and the card say something else, and signs it as the card would.
fn saying(
    player: &mut Player,
    scene: &mut Scene,
    minor: u64,
    change: impl FnOnce(&mut ChipData),
) -> Message {
    let bought = player.purchase(&scene.file, &mut scene.card, minor, false);
    let (mut message, mut chip) = bought.expect("chip data");
    change(&mut chip);
    chip.cryptogram = scene.card.keys.cryptogram(&chip).expect("a cryptogram");
    message.set(55, chip.write());
    message
}

#[tokio::test]
async fn a_terminal_that_says_the_phone_was_unlocked_is_believed_no_more_than_the_phone() {
    let mut scene = Scene::open().await;
    let phone = Phone::enrol(&scene.test, ALICE, PIN).await;
    let mut events = phone.events(&scene.test).await;
    let mut player = scene.player().await;
    for claim in [
        |chip: &mut ChipData| chip.cvm_results = Some([0x01, 0, 2]),
        |chip: &mut ChipData| chip.qualifiers = Some([0, 0x80]),
    ] {
        let message = saying(&mut player, &mut scene, 60_000, claim);
        player.send(&message).await.expect("it is sent");
        let prompt = timeout(PATIENCE, events.next_of("prompt"))
            .await
            .expect("a prompt");
        phone.refuse(&scene.test, &prompt, false).await.expect(200);
        let answer = player.receive().await.expect("an answer");
        assert_eq!(answer.text(39), Some("05"));
    }
    // The same in the results that the phone signs.
    let signed = |chip: &mut ChipData| chip.issuer_data[4] |= 0x04;
    let mut message = saying(&mut player, &mut scene, 60_000, signed);
    let heard = player.exchange(&message).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved));
    assert_eq!(scene.cash().await, 440_000);
    // Written in by somebody else, it is no longer what was signed.
    let unsigned = player.purchase(&scene.file, &mut scene.card, 60_000, false);
    let (bought, mut chip) = unsigned.expect("chip data");
    chip.issuer_data[4] |= 0x04;
    message = bought;
    message.set(55, chip.write());
    let heard = player.exchange(&message).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::WrongCryptogram));
    scene.close().await;
}

#[tokio::test]
async fn what_terminal_or_card_found_wrong_declines_even_a_small_payment() {
    let mut scene = Scene::open().await;
    let mut player = scene.player().await;
    type Change = fn(&mut ChipData);
    let cases: [(&str, Change, Code); 11] = [
        ("dynamic data", |chip| chip.tvr.0[0] = 0x08, Code::Declined),
        ("expired", |chip| chip.tvr.0[1] = 0x40, Code::Expired),
        ("service", |chip| chip.tvr.0[1] = 0x10, Code::Declined),
        ("holder", |chip| chip.tvr.0[2] = 0x80, Code::Declined),
        (
            "an answer before",
            |chip| chip.tvr.0[4] = 0x40,
            Code::Declined,
        ),
        (
            "method failed",
            |chip| chip.cvm_results = Some([0x01, 0, 1]),
            Code::Declined,
        ),
        (
            "card declined",
            |chip| chip.issuer_data[4] = 0x80,
            Code::Declined,
        ),
        (
            "card approved",
            |chip| chip.information = Some(0x40),
            Code::Declined,
        ),
        (
            "PIN failed",
            |chip| chip.issuer_data[4] |= 0x06,
            Code::Declined,
        ),
        (
            "PIN tries",
            |chip| chip.issuer_data[5] |= 0x40,
            Code::Declined,
        ),
        // What was before this payment: its answers did not reach the phone.
        (
            "last one not completed",
            |chip| chip.issuer_data[5] |= 0x8C,
            Code::Approved,
        ),
    ];
    for (what, change, code) in cases {
        let message = saying(&mut player, &mut scene, 100, change);
        let heard = player.exchange(&message).await.expect("an answer");
        assert_eq!(heard.code, Some(code), "{what}");
    }
    assert_eq!(scene.cash().await, 499_900);
    scene.close().await;
}
