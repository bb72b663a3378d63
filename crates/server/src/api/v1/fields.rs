//! Checks of single fields, each with an error that names it.

use paytone_domain::{
    ids::NumberHash,
    money::{Amount, Currency},
};
use serde::{Deserialize, Deserializer, de};

use crate::{
    edge::{amount, number::PhoneNumber, problem::Problem},
    node::Node,
};

/// Decimal text in major units. A JSON number is refused: it may already have lost digits.
#[derive(Clone, Debug)]
pub struct AmountText(pub String);

impl<'de> Deserialize<'de> for AmountText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        const NUMBER: &str = "an amount is a string such as \"128.00\", not a JSON number";
        impl de::Visitor<'_> for Visitor {
            type Value = AmountText;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an amount as a string such as \"128.00\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<AmountText, E> {
                Ok(AmountText(text.to_owned()))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<AmountText, E> {
                Err(E::custom(NUMBER))
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<AmountText, E> {
                Err(E::custom(NUMBER))
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<AmountText, E> {
                Err(E::custom(NUMBER))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl AmountText {
    pub fn read(&self, field: &str, currency: Currency) -> Result<Amount, Problem> {
        amount::read(field, &self.0, currency)
    }
}

/// An amount that may be left out.
pub fn amount(
    field: &str,
    text: Option<AmountText>,
    node: &Node,
) -> Result<Option<Amount>, Problem> {
    text.map(|text| text.read(field, node.currency()))
        .transpose()
}

/// A text that people read: not blank, at most `longest` characters, nothing that moves or hides other text.
pub fn words(field: &str, text: String, longest: usize) -> Result<String, Problem> {
    let wrong = |code, detail| Err(Problem::unprocessable(code, detail).field(field));
    if text.trim().is_empty() {
        return wrong("text_blank", format!("{field} must say something"));
    }
    if text.chars().count() > longest {
        return wrong(
            "text_too_long",
            format!("{field} must be at most {longest} characters"),
        );
    }
    if text.chars().any(is_hidden) {
        return wrong(
            "text_not_plain",
            format!("{field} must not hold control characters"),
        );
    }
    Ok(text)
}

/// Control characters, and those that change the direction of the text around them (Unicode TR 9) or break its line.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200E}' | '\u{200F}' | '\u{2028}' | '\u{2029}'
            | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// The keyed hash of a number in any usual spelling.
pub fn number(node: &Node, field: &str, text: &str) -> Result<NumberHash, Problem> {
    let number = PhoneNumber::read(field, text, &node.config.home_country)?;
    Ok(NumberHash(node.keyring.number_hash(number.e164())))
}

/// Only the operator's currency is enabled.
pub fn currency(asked: Option<&str>, enabled: Currency) -> Result<(), Problem> {
    match asked {
        Some(code) if code != enabled.code() => {
            let detail = format!("only {} is enabled here", enabled.code());
            Err(Problem::unprocessable("currency_not_enabled", detail).field("currency"))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_a_length_and_hide_nothing() {
        for (text, outcome) in [
            ("Tea", Ok(())),
            ("月光花园", Ok(())),
            ("four", Ok(())),
            ("fives", Err("text_too_long")),
            ("", Err("text_blank")),
            (" \t", Err("text_blank")),
            ("a\nb", Err("text_not_plain")),
            ("a\u{202E}b", Err("text_not_plain")),
        ] {
            let got = words("description", text.to_owned(), 4).map(drop);
            assert_eq!(got.map_err(|problem| problem.code), outcome, "{text:?}");
        }
    }
}
