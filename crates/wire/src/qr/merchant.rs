//! Merchant-presented QR codes: EMV QR Code Specification for Payment Systems, Merchant-Presented Mode 1.1.
//!
//! ```text
//!   000201 010212 29… 5204 4112 5303 156 5405 23.72 5802CN 5914BEST TRANSPORT 6007BEIJING 62… 6304A13A
//!   │      │      │   │         │        │          │      │                  │           │   └ checksum over all before it
//!   │      │      │   category  currency amount     country name              city        additional data
//!   │      │      └ who is paid, as one or more networks call the merchant (26 to 51: templates)
//!   │      └ 11: the same every time, 12: for this purchase
//!   └ payload format
//! ```
//! An object is an id of two digits, a length of two digits that counts characters, and the value; a template's value is objects again.
//!
//! **Invariant:** what is written reads as the same; any text reads or is refused with the id of the object that is wrong.

pub use super::objects::{Objects, QrError, QrProblem};
use super::{
    amount::is_decimal,
    objects::{Taken, check_checksum, checksum, put, put_all, put_some, read, template, within},
};

/// Ids of the additional data (clause 4.8).
pub mod additional {
    pub const BILL_NUMBER: u8 = 1;
    pub const MOBILE_NUMBER: u8 = 2;
    pub const STORE: u8 = 3;
    pub const LOYALTY_NUMBER: u8 = 4;
    pub const REFERENCE: u8 = 5;
    pub const CUSTOMER: u8 = 6;
    pub const TERMINAL: u8 = 7;
    pub const PURPOSE: u8 = 8;
    pub const ASKED_OF_CONSUMER: u8 = 9;
}

/// Who is paid, as one network calls the merchant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Account {
    /// Ids 02 to 25: a network of the specification's list.
    Listed(String),
    /// Ids 26 to 51: an identifier that nobody else has, and what it wants.
    Template {
        identifier: String,
        objects: Objects,
    },
}

/// What comes on top of the amount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tip {
    /// The phone asks.
    Asked,
    /// An amount, as text.
    Fixed(String),
    /// Of the amount, 00.01 to 99.99, as text.
    Percentage(String),
}

/// Name and city once more, in the merchant's own language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalNames {
    /// ISO 639, two letters.
    pub language: String,
    pub name: String,
    pub city: Option<String>,
    pub others: Objects,
}

/// One merchant-presented code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MerchantCode {
    /// For one purchase only. `None` if the code does not say.
    pub once: Option<bool>,
    pub accounts: Vec<(u8, Account)>,
    /// ISO 18245, four digits.
    pub category: String,
    /// ISO 4217, three digits.
    pub currency: String,
    /// Decimal, at most 13 characters. `None` if the phone's owner says how much.
    pub amount: Option<String>,
    pub tip: Option<Tip>,
    /// ISO 3166, two letters.
    pub country: String,
    pub name: String,
    pub city: String,
    pub postal_code: Option<String>,
    /// See [`additional`].
    pub additional: Objects,
    pub local: Option<LocalNames>,
    /// Ids 65 to 99.
    pub others: Objects,
}

impl MerchantCode {
    /// Reads a scanned text.
    pub fn parse(text: &str) -> Result<Self, QrError> {
        check_checksum(text)?;
        let mut objects = read(text)?;
        // Checked above, and nothing follows it.
        objects.pop();
        match objects.first() {
            Some((0, version)) if version == "01" => {}
            Some((0, _)) => return Err(QrError::at(0, QrProblem::Version)),
            _ => return Err(QrError::at(0, QrProblem::Missing)),
        }
        objects.remove(0);
        let mut taken = Taken(objects);
        let once = match taken.take(1)?.as_deref() {
            None => None,
            Some("11") => Some(false),
            Some("12") => Some(true),
            Some(_) => return Err(QrError::at(1, QrProblem::Value)),
        };
        let mut accounts = Vec::new();
        for id in 2..=51 {
            if let Some(value) = taken.take(id)? {
                accounts.push((id, account(id, value)?));
            }
        }
        let tip = tip(&mut taken)?;
        let code = Self {
            once,
            accounts,
            category: taken.needed(52)?,
            currency: taken.needed(53)?,
            amount: taken.take(54)?,
            tip,
            country: taken.needed(58)?,
            name: taken.needed(59)?,
            city: taken.needed(60)?,
            postal_code: taken.take(61)?,
            additional: match taken.take(62)? {
                Some(value) => template(62, &value)?,
                None => Objects::new(),
            },
            local: match taken.take(64)? {
                Some(value) => Some(local_names(&value)?),
                None => None,
            },
            others: taken.0,
        };
        code.check()?;
        Ok(code)
    }

    /// The text to draw.
    pub fn write(&self) -> Result<String, QrError> {
        self.check()?;
        let mut to = String::from("000201");
        if let Some(once) = self.once {
            put(&mut to, 1, if once { "12" } else { "11" })?;
        }
        for (id, account) in &self.accounts {
            match account {
                Account::Listed(value) => put(&mut to, *id, value)?,
                Account::Template {
                    identifier,
                    objects,
                } => {
                    let mut value = String::new();
                    put(&mut value, 0, identifier).map_err(|error| within(*id, error))?;
                    put_all(&mut value, *id, objects)?;
                    put(&mut to, *id, &value)?;
                }
            }
        }
        put(&mut to, 52, &self.category)?;
        put(&mut to, 53, &self.currency)?;
        put_some(&mut to, 54, self.amount.as_deref())?;
        match &self.tip {
            None => {}
            Some(Tip::Asked) => put(&mut to, 55, "01")?,
            Some(Tip::Fixed(amount)) => {
                put(&mut to, 55, "02")?;
                put(&mut to, 56, amount)?;
            }
            Some(Tip::Percentage(percentage)) => {
                put(&mut to, 55, "03")?;
                put(&mut to, 57, percentage)?;
            }
        }
        put(&mut to, 58, &self.country)?;
        put(&mut to, 59, &self.name)?;
        put(&mut to, 60, &self.city)?;
        put_some(&mut to, 61, self.postal_code.as_deref())?;
        if !self.additional.is_empty() {
            let mut value = String::new();
            put_all(&mut value, 62, &self.additional)?;
            put(&mut to, 62, &value)?;
        }
        if let Some(local) = &self.local {
            let mut value = String::new();
            put(&mut value, 0, &local.language).map_err(|error| within(64, error))?;
            put(&mut value, 1, &local.name).map_err(|error| within(64, error))?;
            put_some(&mut value, 2, local.city.as_deref()).map_err(|error| within(64, error))?;
            put_all(&mut value, 64, &local.others)?;
            put(&mut to, 64, &value)?;
        }
        for (id, value) in &self.others {
            put(&mut to, *id, value)?;
        }
        to.push_str("6304");
        let checksum = checksum(to.as_bytes());
        to.push_str(&format!("{checksum:04X}"));
        Ok(to)
    }

    /// What the specification's tables 4.1 to 4.5 say about each value.
    fn check(&self) -> Result<(), QrError> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let letters = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase());
        let characters = |text: &str| text.chars().count();
        let good = |id, good: bool| {
            if good {
                Ok(())
            } else {
                Err(QrError::at(id, QrProblem::Value))
            }
        };
        if self.accounts.is_empty() {
            return Err(QrError::at(2, QrProblem::Missing));
        }
        for (id, account) in &self.accounts {
            good(
                *id,
                match account {
                    Account::Listed(value) => (2..=25).contains(id) && !value.is_empty(),
                    Account::Template { identifier, .. } => {
                        (26..=51).contains(id) && (1..=32).contains(&characters(identifier))
                    }
                },
            )?;
        }
        good(52, digits(&self.category) && self.category.len() == 4)?;
        good(53, digits(&self.currency) && self.currency.len() == 3)?;
        if let Some(amount) = &self.amount {
            good(54, is_decimal(amount) && amount.len() <= 13)?;
        }
        match &self.tip {
            Some(Tip::Fixed(amount)) => good(56, is_decimal(amount) && amount.len() <= 13)?,
            Some(Tip::Percentage(part)) => good(57, is_decimal(part) && part.len() <= 5)?,
            Some(Tip::Asked) | None => {}
        }
        good(58, letters(&self.country) && self.country.len() == 2)?;
        good(59, (1..=25).contains(&characters(&self.name)))?;
        good(60, (1..=15).contains(&characters(&self.city)))?;
        if let Some(code) = &self.postal_code {
            good(61, (1..=10).contains(&characters(code)))?;
        }
        if let Some(local) = &self.local {
            good(64, characters(&local.language) == 2)?;
            good(64, (1..=25).contains(&characters(&local.name)))?;
        }
        for (id, _) in &self.others {
            good(*id, (65..=99).contains(id))?;
        }
        Ok(())
    }
}

fn account(id: u8, value: String) -> Result<Account, QrError> {
    if id < 26 {
        return Ok(Account::Listed(value));
    }
    let mut taken = Taken(template(id, &value)?);
    let identifier = taken.needed(0).map_err(|error| within(id, error))?;
    Ok(Account::Template {
        identifier,
        objects: taken.0,
    })
}

fn tip(taken: &mut Taken) -> Result<Option<Tip>, QrError> {
    let asked = taken.take(55)?;
    let (fixed, percentage) = (taken.take(56)?, taken.take(57)?);
    match (asked.as_deref(), fixed, percentage) {
        (None, None, None) => Ok(None),
        (Some("01"), None, None) => Ok(Some(Tip::Asked)),
        (Some("02"), Some(amount), None) => Ok(Some(Tip::Fixed(amount))),
        (Some("03"), None, Some(percentage)) => Ok(Some(Tip::Percentage(percentage))),
        _ => Err(QrError::at(55, QrProblem::Value)),
    }
}

fn local_names(value: &str) -> Result<LocalNames, QrError> {
    let mut taken = Taken(template(64, value)?);
    let inside = |error| within(64, error);
    Ok(LocalNames {
        language: taken.needed(0).map_err(inside)?,
        name: taken.needed(1).map_err(inside)?,
        city: taken.take(2).map_err(inside)?,
        others: taken.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qr::amount::amount_text;
    use proptest::prelude::*;

    /// The example of the specification's annex.
    const PUBLISHED: &str = "00020101021229300012D156000000000510A93FO3230Q31280012D15600000001030812345678520441115802CN5914BEST TRANSPORT6007BEIJING64200002ZH0104最佳运输0202北京540523.7253031565502016233030412340603***0708A60086670902ME91320016A0112233449988770708123456786304A13A";

    #[test]
    fn the_published_example_reads_as_what_it_says() {
        let code = MerchantCode::parse(PUBLISHED).expect("a code");
        assert_eq!(code.once, Some(true));
        assert_eq!(code.accounts.len(), 2);
        assert_eq!(
            code.accounts[0],
            (
                29,
                Account::Template {
                    identifier: "D15600000000".into(),
                    objects: vec![(5, "A93FO3230Q".into())],
                }
            )
        );
        assert_eq!(
            (code.category.as_str(), code.currency.as_str()),
            ("4111", "156")
        );
        assert_eq!(code.amount.as_deref(), Some("23.72"));
        assert_eq!(code.tip, Some(Tip::Asked));
        assert_eq!(code.name, "BEST TRANSPORT");
        assert_eq!(
            code.additional,
            [
                (additional::STORE, "1234".to_owned()),
                (additional::CUSTOMER, "***".to_owned()),
                (additional::TERMINAL, "A6008667".to_owned()),
                (additional::ASKED_OF_CONSUMER, "ME".to_owned()),
            ]
        );
        let local = code.local.as_ref().expect("names");
        assert_eq!(
            (local.language.as_str(), local.name.as_str()),
            ("ZH", "最佳运输")
        );
        assert_eq!(local.city.as_deref(), Some("北京"));
        assert_eq!(code.others.len(), 1);
        // Written in the order of ids, it is the same code.
        let written = code.write().expect("a text");
        assert_eq!(written.len(), PUBLISHED.len());
        assert_eq!(MerchantCode::parse(&written), Ok(code));
    }

    #[test]
    fn a_code_that_is_wrong_says_where() {
        let with_checksum = |text: &str| {
            let before = format!("{text}6304");
            let sum = checksum(before.as_bytes());
            MerchantCode::parse(&format!("{before}{sum:04X}"))
                .expect_err("refused")
                .to_string()
        };
        let rest = "52044111530315658 02CN5901A6001B".replace(' ', "");
        assert_eq!(with_checksum(&format!("000201{rest}")), "02: missing");
        assert_eq!(
            with_checksum(&format!("00020202041234{rest}")),
            "00: version"
        );
        assert_eq!(with_checksum(&format!("02041234{rest}")), "00: missing");
        assert_eq!(
            with_checksum(&format!("0002010204123402041234{rest}")),
            "02: twice"
        );
        assert_eq!(with_checksum(&format!("0002012604AB01{rest}")), "26: form");
        assert_eq!(
            with_checksum(&format!("00020126050101A{rest}")),
            "26.00: missing"
        );
        assert_eq!(
            with_checksum(&format!("000201020412345404.5.5{rest}")),
            "54: value"
        );
        assert_eq!(
            with_checksum(&format!("000201020412345502 2{rest}")),
            "55: value"
        );
        assert_eq!(with_checksum("0002010299123"), "02: ends_early");
        let mut damaged = PUBLISHED.replace("23.72", "23.73");
        assert_eq!(
            MerchantCode::parse(&damaged)
                .expect_err("refused")
                .to_string(),
            "63: checksum"
        );
        damaged.truncate(3);
        assert!(MerchantCode::parse(&damaged).is_err());
        assert!(MerchantCode::parse("").is_err());
        // Cut in the middle of a character.
        assert!(MerchantCode::parse("最佳运").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(
            once in proptest::option::of(any::<bool>()),
            listed in "[0-9A-Z]{1,30}",
            identifier in "[0-9A-F]{1,32}",
            objects in proptest::collection::vec((1..100_u8, "[ -~]{1,10}"), 0..3),
            minor in proptest::option::of(0..10_000_000_000_u64),
            name in "\\PC{1,25}",
            city in "[A-Z ]{1,15}",
            postal_code in proptest::option::of("[0-9]{1,10}"),
            additional in proptest::collection::vec((1..10_u8, "[0-9a-z]{1,8}"), 0..5),
            local in proptest::option::of(("[A-Z]{2}", "\\PC{1,20}")),
            tip in proptest::option::of(0..3_u8),
        ) {
            let code = MerchantCode {
                once,
                accounts: vec![
                    (17, Account::Listed(listed)),
                    (26, Account::Template { identifier, objects }),
                ],
                category: "5411".into(),
                currency: "156".into(),
                amount: minor.map(|minor| amount_text(minor, 2)),
                tip: tip.map(|kind| match kind {
                    0 => Tip::Asked,
                    1 => Tip::Fixed("1.50".into()),
                    _ => Tip::Percentage("12.5".into()),
                }),
                country: "CN".into(),
                name,
                city,
                postal_code,
                additional,
                local: local.map(|(language, name)| LocalNames {
                    language, name, city: None, others: Vec::new(),
                }),
                others: vec![(80, "0004ABCD".into())],
            };
            let text = code.write().expect("a text");
            prop_assert_eq!(MerchantCode::parse(&text), Ok(code));
        }

        #[test]
        fn any_text_reads_or_is_refused(text in "\\PC{0,100}", digits in "[0-9]{0,80}") {
            let _ = MerchantCode::parse(&text);
            let before = format!("000201{digits}6304");
            let sum = checksum(before.as_bytes());
            if let Ok(code) = MerchantCode::parse(&format!("{before}{sum:04X}")) {
                prop_assert!(code.write().is_ok());
            }
        }
    }
}
