//! Phone numbers: any usual spelling of any E.164 number, normalised.

use phonenumber::{Mode, country};

use super::problem::Problem;

/// A number as `+` and digits. Its `Debug` masks it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

impl std::fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "PhoneNumber(…{})",
            &self.0[self.0.len().saturating_sub(2)..]
        )
    }
}

impl PhoneNumber {
    /// `+8613800000001`
    pub fn e164(&self) -> &str {
        &self.0
    }

    /// Reads a number in any usual spelling; one without a country code is of `home` (ISO 3166 alpha-2).
    pub fn read(field: &str, text: &str, home: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::unprocessable(
                "invalid_phone_number",
                format!("{field} must be a phone number such as +86 138 0013 8000"),
            )
            .field(field)
        };
        if text.len() > 40 {
            return Err(wrong());
        }
        let home = home.parse::<country::Id>().ok();
        let number = phonenumber::parse(home, text).map_err(|_| wrong())?;
        if !phonenumber::is_valid(&number) {
            return Err(wrong());
        }
        Ok(Self(number.format().mode(Mode::E164).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_spellings_of_one_number_are_one_number() {
        for text in [
            "+8613800138000",
            "+86 138 0013 8000",
            "0086 138-0013-8000",
            "138 0013 8000",
            "(138) 0013-8000",
            "tel:+86-138-0013-8000",
        ] {
            let number = PhoneNumber::read("phone_number", text, "CN").map(|number| number.0);
            assert_eq!(number.as_deref().ok(), Some("+8613800138000"), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_by_the_fields_name() {
        for text in [
            "",
            "hello",
            "+86",
            "+8613800138000000000",
            "+999123456789",
            "123",
        ] {
            let problem = PhoneNumber::read("payer.phone_number", text, "CN").expect_err(text);
            assert_eq!(problem.field.as_deref(), Some("payer.phone_number"));
        }
    }
}
