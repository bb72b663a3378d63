//! One-time payment codes that a cashier scans, through the real link.

use paytone::pos::player::Player;
use paytone_wire::{
    qr::payment_code::{CodeKey, PaymentCode, step_at},
    till::{Code, terminal::Heard},
};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    ALICE, PIN, Scene,
    scene::{ACCEPTOR, TERMINAL},
    storm,
    support::{PATIENCE, Phone},
};

/// What a phone keeps of its pass.
struct Pass {
    index: u64,
    key: CodeKey,
    step: u64,
}

async fn open(scene: &Scene, phone: &Phone, replace: bool) -> Pass {
    let asked = json!({"replace": replace});
    let path = "/phone/api/pass";
    let answer = scene.test.post(path, Some(&phone.token), &asked).await;
    let shown = answer.expect(200).body;
    let key = shown["key"].as_str().expect("a key");
    let key = data_encoding::BASE64URL_NOPAD.decode(key.as_bytes());
    let key = key.expect("base64url").try_into().expect("32 bytes");
    let index = shown["index"].as_str().expect("an index");
    assert!(index.len() == 10 && index.starts_with("28"), "{index}");
    let now = shown["now"].as_u64().expect("milliseconds");
    Pass {
        index: index.parse().expect("digits"),
        key: CodeKey::new(key),
        step: step_at(now / 1_000),
    }
}

impl Pass {
    fn code(&self, counter: u8) -> String {
        let code = PaymentCode::make(&self.key, self.index, self.step, counter);
        code.expect("a code").to_string()
    }
}

async fn scan(player: &mut Player, code: &str, minor: u64) -> Heard {
    let message = player.scan(code, minor);
    player.exchange(&message).await.expect("an answer")
}

#[tokio::test]
async fn a_scanned_code_pays_once_and_its_repeat_and_reversal_are_as_a_taps() {
    let scene = Scene::open().await;
    let phone = Phone::enrol(&scene.test, ALICE, PIN).await;
    let mut events = phone.events(&scene.test).await;
    let pass = open(&scene, &phone, false).await;
    let mut player = scene.player().await;
    let message = player.scan(&pass.code(0), 1_250);
    let heard = player.exchange(&message).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved), "{:?}", heard.remark);
    assert_eq!(heard.approval.as_ref().map(String::len), Some(6));
    assert_eq!(scene.cash().await, 498_750);
    let told = timeout(PATIENCE, events.next_of("payment"))
        .await
        .expect("news");
    assert_eq!(told["purpose"], "The corner of Moon Street", "{told}");
    let repeat = player.terminal.repeat(&message);
    let again = player.exchange(&repeat).await.expect("an answer");
    assert!(again == heard, "{again:?} after {heard:?}");
    // At another moment, as another sale, the code is used.
    let copied = scan(&mut player, &pass.code(0), 1_250).await;
    assert_eq!(copied.code, Some(Code::SecurityViolation));
    assert_eq!(copied.remark.as_deref(), Some("code_used"));
    let reversal = player.at_the_moment(|terminal, now| terminal.reversal(&message, now));
    let heard = player.exchange(&reversal).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved));
    assert_eq!(scene.cash().await, 500_000);
    scene.close().await;
}

#[tokio::test]
async fn two_tills_with_one_code_at_once_are_paid_once() {
    let scene = Scene::open().await;
    let phone = Phone::enrol(&scene.test, ALICE, PIN).await;
    let pass = open(&scene, &phone, false).await;
    let (mut one, mut other) = (scene.player().await, scene.player().await);
    let code = pass.code(0);
    let (one, other) = tokio::join!(scan(&mut one, &code, 500), scan(&mut other, &code, 500));
    let mut codes = [one.code, other.code];
    codes.sort_by_key(|code| *code != Some(Code::Approved));
    assert_eq!(codes, [Some(Code::Approved), Some(Code::SecurityViolation)]);
    assert_eq!(scene.cash().await, 499_500);
    scene.close().await;
}

#[tokio::test]
async fn codes_of_others_are_refused_and_wrong_ones_lock_index_and_terminal() {
    let scene = Scene::open().await;
    let phone = Phone::enrol(&scene.test, ALICE, PIN).await;
    let pass = open(&scene, &phone, false).await;
    let mut player = scene.player().await;
    // Another wallet's, and no code at all: not counted.
    for foreign in ["13456789012345678901", "28123", "2812345678901234567x"] {
        let heard = scan(&mut player, foreign, 100).await;
        assert_eq!(heard.code, Some(Code::UnknownCard), "{foreign}");
        assert_eq!(heard.remark, None);
    }
    let mut old = pass.code(0);
    let good = old.clone();
    let last = old.pop().expect("a digit");
    old.push(if last == '0' { '1' } else { '0' });
    for _ in 0..5 {
        let heard = scan(&mut player, &old, 100).await;
        assert_eq!(heard.code, Some(Code::UnknownCard));
        assert_eq!(heard.remark.as_deref(), Some("wrong_code"));
    }
    // The pass has ended: a right code of it is nobody's.
    for _ in 0..5 {
        let heard = scan(&mut player, &good, 100).await;
        assert_eq!(heard.code, Some(Code::UnknownCard));
    }
    let fresh = open(&scene, &phone, false).await;
    assert_ne!(fresh.index, pass.index);
    let heard = scan(&mut player, &fresh.code(0), 100).await;
    assert_eq!(heard.code, Some(Code::PinTriesExceeded));
    // Cards go on.
    let mut scene = scene;
    assert_eq!(scene.tap(100).await.code, Some(Code::Approved));
    assert_eq!(scene.cash().await, 499_900);
    scene.close().await;
}

#[tokio::test]
async fn above_the_limit_the_till_waits_for_the_phone_that_shows_the_code() {
    let scene = Scene::open().await;
    let phone = Phone::enrol(&scene.test, ALICE, PIN).await;
    let mut events = phone.events(&scene.test).await;
    let pass = open(&scene, &phone, false).await;
    let mut player = scene.player().await;
    let message = player.scan(&pass.code(0), 60_000);
    player.send(&message).await.expect("it is sent");
    let prompt = timeout(PATIENCE, events.next_of("prompt"))
        .await
        .expect("a prompt");
    assert_eq!(prompt["amount"], "600.00");
    phone
        .approve_device(&scene.test, &prompt, PIN)
        .await
        .expect(200);
    let answer = player.receive().await.expect("an answer");
    assert_eq!(answer.text(39), Some("00"));
    assert_eq!(scene.cash().await, 440_000);
    scene.close().await;
}

#[tokio::test]
async fn a_code_pays_once_across_kills_whether_its_answer_came_or_not() {
    let scene = Scene::open().await;
    let phone = Phone::enrol(&scene.test, ALICE, PIN).await;
    let pass = open(&scene, &phone, false).await;
    let (_folder, settings) = storm::settings(scene).await;
    let connect = async |link| {
        let player = Player::connect(link, "1987-ascii", ACCEPTOR, TERMINAL);
        player.await.expect("the link takes connections")
    };
    let (mut server, link) = storm::serve(&settings).await;
    let mut player = connect(link).await;
    let paid = player.scan(&pass.code(0), 700);
    let first = player.exchange(&paid).await.expect("an answer");
    assert_eq!(first.code, Some(Code::Approved), "{:?}", first.remark);
    // Nobody hears what becomes of this one.
    let unheard = player.scan(&pass.code(1), 900);
    player.send(&unheard).await.expect("it is sent");
    server.kill().await.expect("it is killed");
    let (mut server, link) = storm::serve(&settings).await;
    let mut player = connect(link).await;
    let repeat = player.terminal.repeat(&paid);
    let again = player.exchange(&repeat).await.expect("an answer");
    assert!(again == first, "{again:?} after {first:?}");
    let copied = scan(&mut player, &pass.code(0), 700).await;
    assert_eq!(copied.remark.as_deref(), Some("code_used"));
    let repeat = player.terminal.repeat(&unheard);
    let heard = player.exchange(&repeat).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved), "{:?}", heard.remark);
    let copied = scan(&mut player, &pass.code(1), 900).await;
    assert_eq!(copied.remark.as_deref(), Some("code_used"));
    server.kill().await.expect("it is killed");
}
