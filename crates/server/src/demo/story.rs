//! What happened before anybody looked: payments made through the real APIs, with real signatures.
//!
//! Nothing is dated back: it all happened just now. Some requests are left to expire by themselves.

use serde_json::{Value, json};

use super::{
    DemoError,
    fill::{Staff, holder},
    http::Http,
    people::{
        CITY_RIDES, CLOUD_COFFEE, GALAXY_STREAMING, JIANGUO, JIAYI, KANGNING_PHARMACY,
        LANTERN_BOOKS, LI, MING, MORNING_MART, SUBSCRIBERS, WENBO, XIAOYU, YANG, YUTONG,
    },
    phone::{Phone, ok, text},
    world_file::WorldFile,
};
use crate::node::{Node, random};
use paytone_domain::operator::Operation;

/// PIN of the phones that nobody holds; it goes when they are reset.
const PIN: &str = "408173";

/// Tells it, then resets the phones, so that a person can enrol each of them.
pub async fn tell(
    node: &Node,
    world: &WorldFile,
    staff: Staff,
    origin: &str,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), DemoError> {
    progress("a little history");
    let http = Http::new(origin);
    let teller = Teller {
        http: &http,
        world,
        origin,
    };
    // An earlier start may have been cut off in the middle.
    reset_phones(node, staff).await?;
    teller.everybody().await?;
    progress("phones for you to set up");
    reset_phones(node, staff).await
}

async fn reset_phones(node: &Node, staff: Staff) -> Result<(), DemoError> {
    for person in &SUBSCRIBERS {
        if let Some((subscriber, _)) = holder(node, person.number).await? {
            let reset = Operation::ResetPhone(subscriber);
            staff.operate(node, reset).await?;
        }
    }
    Ok(())
}

struct Teller<'a> {
    http: &'a Http,
    world: &'a WorldFile,
    origin: &'a str,
}

impl Teller<'_> {
    async fn everybody(&self) -> Result<(), DemoError> {
        let (xiaoyu, jianguo, jiayi, ming, wenbo, yutong) = tokio::try_join!(
            self.phone(XIAOYU),
            self.phone(JIANGUO),
            self.phone(JIAYI),
            self.phone(MING),
            self.phone(WENBO),
            self.phone(YUTONG),
        )?;
        tokio::try_join!(
            self.xiaoyu(&xiaoyu),
            self.jianguo(&jianguo),
            self.jiayi(&jiayi),
            self.ming(&ming),
            self.wenbo(&wenbo),
            self.yutong(&yutong),
            self.nobody_answers(),
        )?;
        Ok(())
    }

    async fn phone(&self, person: usize) -> Result<Phone, DemoError> {
        Phone::enrol(self.http, self.origin, SUBSCRIBERS[person].number, PIN).await
    }

    async fn xiaoyu(&self, phone: &Phone) -> Result<(), DemoError> {
        self.paid(
            phone,
            CLOUD_COFFEE,
            payment(XIAOYU, "28.00", "两杯拿铁 Two lattes"),
        )
        .await?;
        self.paid(
            phone,
            MORNING_MART,
            payment(XIAOYU, "63.40", "日用杂货 Groceries"),
        )
        .await?;
        let ride = self
            .paid(
                phone,
                CITY_RIDES,
                payment(XIAOYU, "86.00", "去机场 To the airport"),
            )
            .await?;
        self.post(
            CITY_RIDES,
            &format!("/v1/payments/{ride}/refunds"),
            json!({"amount": "20.00", "reason": "绕路 A detour"}),
        )
        .await?;
        let asked = json!({
            "payer": {"phone_number": SUBSCRIBERS[XIAOYU].number},
            "max_per_payment": "30.00",
            "max_per_month": "90.00",
            "ends_on": in_a_year(),
            "description": "星河影音会员 Galaxy membership",
        });
        let mandate = self.post(GALAXY_STREAMING, "/v1/mandates", asked).await?;
        let id = text(&mandate, "id")?;
        phone.approve(id, text(&mandate, "match_code")?).await?;
        for month in [
            "十月会员 Membership, October",
            "十一月会员 Membership, November",
        ] {
            let charge = json!({"amount": "25.00", "mandate": id, "description": month});
            self.post(GALAXY_STREAMING, "/v1/payments", charge).await?;
        }
        let asked = other(XIAOYU, "199.00", "耳机 Headphones", "阿杰 Jay");
        self.refused(phone, GALAXY_STREAMING, asked).await
    }

    async fn jianguo(&self, phone: &Phone) -> Result<(), DemoError> {
        self.paid(
            phone,
            KANGNING_PHARMACY,
            payment(JIANGUO, "46.80", "降压药 Blood pressure tablets"),
        )
        .await?;
        self.paid(
            phone,
            MORNING_MART,
            payment(JIANGUO, "31.20", "米和鸡蛋 Rice and eggs"),
        )
        .await?;
        let asked = other(
            JIANGUO,
            "52.00",
            "给外公的花茶 Flower tea for Grandpa",
            "小雨 Xiaoyu",
        );
        self.paid(phone, LANTERN_BOOKS, asked).await.map(drop)
    }

    async fn jiayi(&self, phone: &Phone) -> Result<(), DemoError> {
        self.paid(
            phone,
            LANTERN_BOOKS,
            payment(JIAYI, "39.90", "夜市故事 Night Market Stories"),
        )
        .await?;
        self.paid(
            phone,
            CLOUD_COFFEE,
            payment(JIAYI, "16.00", "一杯美式 An americano"),
        )
        .await?;
        let asked = payment(JIAYI, "22.00", "奶茶 Milk tea");
        let made = self.post(CLOUD_COFFEE, "/v1/payments", asked).await?;
        let cancel = format!("/v1/payments/{}/cancel", text(&made, "id")?);
        self.post(CLOUD_COFFEE, &cancel, json!({})).await?;
        Ok(())
    }

    async fn ming(&self, phone: &Phone) -> Result<(), DemoError> {
        self.paid(
            phone,
            CITY_RIDES,
            payment(MING, "220.00", "包车一天 A car for the day"),
        )
        .await?;
        let mut asked = payment(MING, "158.00", "处方配药 Prescription");
        asked["capture"] = "manual".into();
        let id = self.approved(phone, KANGNING_PHARMACY, asked).await?;
        self.settled(KANGNING_PHARMACY, &id, "funding").await?;
        let capture = format!("/v1/payments/{id}/capture");
        self.post(KANGNING_PHARMACY, &capture, json!({"amount": "120.00"}))
            .await?;
        Ok(())
    }

    async fn wenbo(&self, phone: &Phone) -> Result<(), DemoError> {
        self.paid(
            phone,
            MORNING_MART,
            payment(WENBO, "88.80", "一周的菜 A week of vegetables"),
        )
        .await?;
        let book = self
            .paid(
                phone,
                LANTERN_BOOKS,
                payment(WENBO, "128.00", "慢河图志 An Atlas of Slow Rivers"),
            )
            .await?;
        let refunds = format!("/v1/payments/{book}/refunds");
        self.post(LANTERN_BOOKS, &refunds, json!({})).await?;
        Ok(())
    }

    async fn yutong(&self, phone: &Phone) -> Result<(), DemoError> {
        self.paid(
            phone,
            CLOUD_COFFEE,
            payment(YUTONG, "12.00", "豆浆 Soy milk"),
        )
        .await?;
        let asked = other(YUTONG, "480.00", "演唱会门票 Concert tickets", "小美 Mei");
        self.refused(phone, CITY_RIDES, asked).await
    }

    /// Beyond the merchant's limit; and those that wait unseen and expire in half a minute: a number too young, a SIM changed
    /// today, nobody's number.
    async fn nobody_answers(&self) -> Result<(), DemoError> {
        let asked = payment(XIAOYU, "900.00", "公司聚会 Catering");
        self.post(CLOUD_COFFEE, "/v1/payments", asked).await?;
        for (number, amount) in [
            (SUBSCRIBERS[YANG].number, "58.00"),
            (SUBSCRIBERS[LI].number, "320.00"),
            ("+8613800138099", "45.00"),
        ] {
            let asked = json!({
                "amount": amount,
                "payer": {"phone_number": number},
                "description": "晚餐 Dinner",
                "expires_in": 30,
            });
            self.post(MORNING_MART, "/v1/payments", asked).await?;
        }
        Ok(())
    }

    /// A payment that the phone approves and that is paid; gives its id.
    async fn paid(
        &self,
        phone: &Phone,
        merchant: usize,
        asked: Value,
    ) -> Result<String, DemoError> {
        let id = self.approved(phone, merchant, asked).await?;
        self.settled(merchant, &id, "funding").await?;
        Ok(id)
    }

    async fn approved(
        &self,
        phone: &Phone,
        merchant: usize,
        asked: Value,
    ) -> Result<String, DemoError> {
        let made = self.post(merchant, "/v1/payments", asked).await?;
        let id = text(&made, "id")?;
        phone.approve(id, text(&made, "match_code")?).await?;
        Ok(id.to_owned())
    }

    async fn refused(&self, phone: &Phone, merchant: usize, asked: Value) -> Result<(), DemoError> {
        let made = self.post(merchant, "/v1/payments", asked).await?;
        phone.refuse(text(&made, "id")?).await
    }

    /// Waits until a payment's status is another one than `status`.
    async fn settled(&self, merchant: usize, id: &str, status: &str) -> Result<(), DemoError> {
        let path = format!("/v1/payments/{id}?wait=10&status={status}");
        let key = &self.world.client_keys[merchant];
        ok(self.http.get(path).token(key).send().await?).map(drop)
    }

    async fn post(&self, merchant: usize, path: &str, body: Value) -> Result<Value, DemoError> {
        let key = data_encoding::HEXLOWER.encode(&random());
        let call = self.http.post(path, body).key(&key);
        ok(call.token(&self.world.client_keys[merchant]).send().await?)
    }
}

fn payment(payer: usize, amount: &str, description: &str) -> Value {
    json!({
        "amount": amount,
        "payer": {"phone_number": SUBSCRIBERS[payer].number},
        "description": description,
    })
}

/// What somebody else asks the payer to pay.
fn other(payer: usize, amount: &str, description: &str, asker_name: &str) -> Value {
    let mut asked = payment(payer, amount, description);
    asked["for"] = "other".into();
    asked["asker_name"] = asker_name.into();
    asked
}

fn in_a_year() -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    today
        .date()
        .saturating_add(jiff::Span::new().days(365))
        .to_string()
}
