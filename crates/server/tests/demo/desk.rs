//! What staff see and do at the command line, over payments that were really made.

use std::{path::Path, time::Duration};

use paytone::demo::{Demo, http::Http, phone::Phone};
use paytone_domain::funding::EffectState;
use serde_json::{Value, json};

use crate::world::{PIN, expect, look, start};

/// Pays the most of what costs more from a bank account.
const BANKED: &str = "+8613800138004";

/// The demo with its staff signed in.
struct Desk {
    demo: Demo,
    http: Http,
    tokens: Vec<String>,
}

impl Desk {
    async fn open(data: &Path) -> Self {
        let demo = start(data).await;
        let http = Http::new(demo.origin());
        let world = expect(http.get("/demo/api/world").send().await.expect("it"), 200);
        let mut tokens = Vec::new();
        for operator in world["operators"].as_array().expect("operators") {
            let who = json!({"name": operator["name"], "password": operator["password"]});
            let session = http.post("/admin/api/sessions", who).send().await;
            let session = expect(session.expect("it"), 200);
            tokens.push(session["token"].as_str().expect("a token").to_owned());
        }
        Self { demo, http, tokens }
    }

    /// What the program prints for this member of staff.
    async fn says(&self, who: usize, args: &[&str]) -> Result<String, String> {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_paytone"))
            .args(args)
            .env("PAYTONE_SERVER", self.demo.origin())
            .env("PAYTONE_TOKEN", &self.tokens[who])
            .env_remove("PAYTONE_CONFIG")
            .env("NO_COLOR", "1")
            .output()
            .await
            .expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    async fn json(&self, who: usize, args: &[&str]) -> Value {
        let said = self.says(who, &[args, &["--json"]].concat()).await;
        let said = said.unwrap_or_else(|error| panic!("{args:?}: {error}"));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Waits until every effect is over, or one needs a person.
    async fn settled(&self, stuck: bool) {
        let mut durable = self.demo.node().engine.follow();
        let is_so = move |state: &paytone_domain::State| {
            let mut effects = state.effects.values();
            if stuck {
                effects.any(|effect| effect.state == EffectState::Stuck)
            } else {
                effects.next().is_none()
            }
        };
        while !look(&self.demo, is_so).await {
            durable.recv().await.expect("the engine runs");
        }
    }
}

#[tokio::test]
async fn money_that_the_bank_would_not_take_back_is_seen_and_settled_at_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::open(folder.path()).await;
    let (http, origin) = (&desk.http, desk.demo.origin());
    desk.settled(false).await;
    let phone = Phone::enrol(http, origin, BANKED, PIN).await;
    let phone = phone.unwrap_or_else(|error| panic!("{error}"));
    let addresses = desk.demo.addresses();
    let key = addresses.split("the shop's key ").nth(1);
    let key = key.and_then(|rest| rest.lines().next()).expect("a key");
    let token = std::fs::read_to_string(folder.path().join("stand-in-bank.token"));
    let token = token.expect("a token");
    let bank = Http::new(desk.demo.bank());

    let mut refunded = Vec::new();
    for item in ["river-atlas", "tea-year"] {
        let asked = json!({"item": item, "phone_number": BANKED, "whose": "mine"});
        let bought = http.post("/shop/api/checkout", asked).send().await;
        let bought = expect(bought.expect("an answer"), 201);
        let payment = bought["payment"]["id"].as_str().expect("an id").to_owned();
        let code = bought["payment"]["match_code"].as_str().expect("a code");
        let approved = phone.approve(&payment, code).await;
        approved.unwrap_or_else(|error| panic!("{error}"));
        desk.settled(false).await;
        let no = json!({"behaviour": {"kind": "refuse", "reason": "account_closed"}, "times": 1});
        expect(
            bank.put("/behaviour", no)
                .token(&token)
                .send()
                .await
                .expect("it"),
            200,
        );
        let path = format!("/v1/payments/{payment}/refunds");
        let refund = http.post(path, json!({})).token(key).key(item).send().await;
        expect(refund.expect("an answer"), 201);
        desk.settled(true).await;

        let waiting = desk.json(0, &["worklist"]).await;
        let [stuck] = waiting["data"].as_array().expect("a list").as_slice() else {
            panic!("{waiting}");
        };
        assert_eq!(stuck["kind"], "reversal_pending");
        assert_eq!(stuck["payment"], payment.as_str());
        assert_eq!(stuck["may"], json!(["repeat", "to-balance"]));
        let effect = stuck["id"].as_str().expect("an id");
        let told = desk.says(0, &["worklist"]).await.expect("it is told");
        assert!(
            told.contains(effect) && told.contains("to go back"),
            "{told}"
        );
        if item == "river-atlas" {
            let told = desk.says(0, &["effect", "repeat", effect]).await;
            assert_eq!(told, Ok(format!("{effect} repeat: done\n")));
        } else {
            // It costs the operator nothing, and is an adjustment all the same: it takes two.
            let asked = desk.json(0, &["effect", "to-balance", effect]).await;
            assert_eq!(asked["outcome"], "proposed");
            let proposal = asked["proposal"].as_str().expect("a proposal");
            let refused = desk.says(0, &["approve", proposal]).await;
            assert!(refused.is_err_and(|why| why.contains("same_person")));
            let told = desk.says(1, &["approve", proposal]).await;
            assert_eq!(told, Ok(format!("{proposal}: done\n")));
        }
        desk.settled(false).await;
        let again = desk.says(0, &["effect", "repeat", effect]).await;
        assert!(again.is_err_and(|why| why.contains("not_found")));
        refunded.push(payment);
    }
    let nothing = desk.says(0, &["worklist"]).await;
    assert_eq!(nothing, Ok("Nothing waits for a person.\n".to_owned()));

    let node = desk.demo.node();
    let position = *node.engine.position().borrow();
    assert!(node.views.reached(position, Duration::from_secs(30)).await);
    for payment in &refunded {
        let shown = desk.json(0, &["payment", "show", payment]).await;
        assert_eq!(
            (&shown["status"], &shown["id"]),
            (&json!("captured"), &json!(payment))
        );
        assert_eq!(shown["refunded_amount"], shown["captured_amount"]);
        let sources: Vec<_> = shown["legs"].as_array().expect("legs").iter().collect();
        assert!(sources.iter().any(|leg| leg["source"] == "bank"), "{shown}");
        let told = desk.says(0, &["payment", "show", payment]).await;
        let told = told.expect("it is told");
        for words in [
            payment.as_str(),
            BANKED,
            "requested",
            "approved",
            "captured",
            "refunded",
        ] {
            assert!(told.contains(words), "{words} is not in {told}");
        }
    }
    let listed = desk
        .says(0, &["payment", "list", "--status", "captured"])
        .await;
    let listed = listed.expect("a list");
    assert!(
        refunded
            .iter()
            .all(|payment| listed.contains(payment.as_str())),
        "{listed}"
    );
    let unknown = desk.says(0, &["payment", "show", "pay_nothing"]).await;
    assert!(unknown.is_err_and(|why| why.contains("not_found")));
    desk.demo.stop().await;
}
