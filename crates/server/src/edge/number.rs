//! Phone numbers: any usual spelling of any E.164 number, normalised.

use std::sync::Arc;

use parking_lot::RwLock;
use phonenumber::{
    Mode, country,
    metadata::{DATABASE, Descriptor},
};
use regex::Regex;

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
        if is_home_number(text, home) {
            return Ok(Self(text.to_owned()));
        }
        let home = home.parse::<country::Id>().ok();
        let number = normalised(home, text).ok_or_else(wrong)?;
        // What is left when a carrier's code was taken away need not be a number: one is only what stays as it is.
        if normalised(home, &number).as_ref() != Some(&number) {
            return Err(wrong());
        }
        Ok(Self(number))
    }
}

/// Reads the plans of all countries, which takes a tenth of a second, before somebody waits for it.
pub fn read_plans() {
    let known = DATABASE.by_id("CN").is_some();
    debug_assert!(known, "the plans are there");
}

/// E.164, if it is valid.
fn normalised(home: Option<country::Id>, text: &str) -> Option<String> {
    let number = phonenumber::parse(home, text).ok()?;
    phonenumber::is_valid(&number).then(|| number.format().mode(Mode::E164).to_string())
}

/// The numbering plan of one country, ready to match: what `phonenumber` does for a number that is already normalised, in a
/// hundredth of the time. Imports of a million lines and payments to numbers of the operator's own country live on it.
struct HomePlan {
    /// `+86`
    prefix: String,
    trunk_prefix: Option<String>,
    /// Where it matches at the start, the full parser has something to take away.
    to_take_away: Option<Regex>,
    general: Shape,
    /// Mobile and fixed lines.
    kinds: Vec<Shape>,
}

struct Shape {
    lengths: Vec<u16>,
    pattern: Regex,
}

impl Shape {
    fn of(descriptor: &Descriptor) -> Option<Self> {
        Some(Self {
            lengths: descriptor.possible_length().to_vec(),
            pattern: at_start(descriptor.national_number().as_str())?,
        })
    }

    fn is_match(&self, national: &str) -> bool {
        let length = u16::try_from(national.len()).unwrap_or(u16::MAX);
        (self.lengths.is_empty() || self.lengths.contains(&length))
            && self.pattern.is_match(national)
    }
}

fn at_start(pattern: &str) -> Option<Regex> {
    // The patterns are laid out over several lines.
    Regex::new(&format!("(?x)^(?:{pattern}\n)")).ok()
}

impl HomePlan {
    /// `None` where several countries share a country code.
    fn of(home: &str) -> Option<Self> {
        let plan = DATABASE.by_id(home)?;
        let code = plan.country_code();
        if DATABASE.region(&code)?.len() != 1 {
            return None;
        }
        let to_take_away = match plan.national_prefix_for_parsing() {
            Some(pattern) => Some(at_start(pattern.as_str())?),
            None => None,
        };
        Some(Self {
            prefix: format!("+{code}"),
            trunk_prefix: plan.national_prefix().map(str::to_owned),
            to_take_away,
            general: Shape::of(plan.descriptors().general())?,
            kinds: [plan.descriptors().mobile(), plan.descriptors().fixed_line()]
                .into_iter()
                .flatten()
                .filter_map(Shape::of)
                .collect(),
        })
    }

    /// Whether the full parser would take `text` for valid and leave it as it is. `false` says nothing.
    fn leaves_as_it_is(&self, text: &str) -> bool {
        let Some(national) = text.strip_prefix(&self.prefix) else {
            return false;
        };
        national.bytes().all(|byte| byte.is_ascii_digit())
            && (4..=15).contains(&national.len())
            && !national.starts_with('0')
            && !self
                .trunk_prefix
                .as_deref()
                .is_some_and(|trunk| national.starts_with(trunk))
            && !self
                .to_take_away
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(national))
            && self.general.is_match(national)
            && self.kinds.iter().any(|kind| kind.is_match(national))
    }
}

fn is_home_number(text: &str, home: &str) -> bool {
    static PLANS: RwLock<Vec<(String, Option<Arc<HomePlan>>)>> = RwLock::new(Vec::new());
    let known = PLANS
        .read()
        .iter()
        .find(|(country, _)| country == home)
        .map(|(_, plan)| plan.clone());
    let plan = known.unwrap_or_else(|| {
        let plan = HomePlan::of(home).map(Arc::new);
        PLANS.write().push((home.to_owned(), plan.clone()));
        plan
    });
    plan.is_some_and(|plan| plan.leaves_as_it_is(text))
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
            // A carrier code before it, and without that too short.
            "+55-0122) 555-0123",
        ] {
            let problem = PhoneNumber::read("payer.phone_number", text, "CN").expect_err(text);
            assert_eq!(problem.field.as_deref(), Some("payer.phone_number"));
        }
    }

    #[test]
    fn the_quick_way_for_home_numbers_agrees_with_the_full_parser() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut taken = 0;
        for home in [
            "CN", "NO", "DE", "IN", "JP", "BR", "KE", "FR", "SG", "GB", "US",
        ] {
            let id = home.parse::<country::Id>().expect("a country");
            let code = DATABASE.by_id(home).expect("a plan").country_code();
            for _ in 0..400 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let digits = (seed >> 33).to_string() + &(seed & 0xFFF).to_string();
                let length = 7 + usize::try_from(seed % 6).expect("small");
                let text = format!("+{code}{}", &digits[..length.min(digits.len())]);
                if is_home_number(&text, home) {
                    taken += 1;
                    let number = phonenumber::parse(Some(id), &text).expect("parses");
                    assert!(phonenumber::is_valid(&number), "{text}");
                    assert_eq!(number.format().mode(Mode::E164).to_string(), text);
                }
            }
        }
        assert!(taken > 300, "{taken} numbers were tried the quick way");
        assert!(is_home_number("+8613800138000", "CN"));
    }
}
