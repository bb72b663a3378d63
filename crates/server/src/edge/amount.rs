//! Amounts as decimal text in major units, and back.

use paytone_domain::money::{Amount, Currency};
use rust_decimal::Decimal;

use super::problem::Problem;

/// Reads `"128.00"`: digits with at most the currency's decimals, above zero, below the ceiling.
pub fn read(field: &str, text: &str, currency: Currency) -> Result<Amount, Problem> {
    let wrong = |code, detail: String| Err(Problem::unprocessable(code, detail).field(field));
    let plain = !text.is_empty()
        && text.len() <= 20
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_digit())
        && text
            .bytes()
            .last()
            .is_some_and(|byte| byte.is_ascii_digit());
    let Some(decimal) = plain.then(|| text.parse::<Decimal>().ok()).flatten() else {
        return wrong(
            "invalid_amount",
            format!(
                "{field} must be a decimal number in a string, such as \"128.00\", without sign or spaces"
            ),
        );
    };
    let digits = u32::from(currency.digits());
    if decimal.scale() > digits {
        return wrong(
            "too_many_decimals",
            format!(
                "{} has {digits} decimals; {field} has {}",
                currency.code(),
                decimal.scale()
            ),
        );
    }
    let minor = Decimal::from(10_u64.pow(digits))
        .checked_mul(decimal)
        .and_then(|minor| i64::try_from(minor).ok())
        .and_then(Amount::new);
    match minor {
        Some(amount) if amount.is_zero() => {
            wrong("amount_not_positive", format!("{field} must be above zero"))
        }
        Some(amount) => Ok(amount),
        None => wrong(
            "amount_too_large",
            format!("{field} must be at most {}", show(Amount::MAX, currency)),
        ),
    }
}

/// `"128.00"`.
pub fn show(amount: Amount, currency: Currency) -> String {
    show_signed(amount.minor(), currency)
}

/// Sign, point and the 20 digits of the largest number.
const LONGEST: usize = 22;

/// Minor units, which may be below zero, as decimal text.
pub fn show_signed(minor: i64, currency: Currency) -> String {
    let mut ends = [0; LONGEST];
    let mut begin = ends.len();
    let (mut left, digits) = (minor.unsigned_abs(), usize::from(currency.digits()));
    // From the right, until one digit at least is before the point.
    for place in 0.. {
        if place > digits && left == 0 {
            break;
        }
        if place == digits && digits > 0 {
            begin -= 1;
            ends[begin] = b'.';
        }
        begin -= 1;
        ends[begin] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    if minor < 0 {
        begin -= 1;
        ends[begin] = b'-';
    }
    str::from_utf8(&ends[begin..])
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_shown_with_the_currencys_decimals() {
        for (minor, digits, text) in [
            (0, 0, "0"),
            (-7, 0, "-7"),
            (1_200, 0, "1200"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-50, 2, "-0.50"),
            (100, 2, "1.00"),
            (-12_345, 2, "-123.45"),
            (1, 3, "0.001"),
            (10_000, 4, "1.0000"),
            (i64::MIN, 2, "-92233720368547758.08"),
            (i64::MAX, 0, "9223372036854775807"),
        ] {
            let currency = Currency::new("XXX", digits).expect("a currency");
            assert_eq!(show_signed(minor, currency), text);
        }
    }

    fn yuan() -> Currency {
        Currency::new("CNY", 2).expect("a currency")
    }

    #[test]
    fn an_amount_is_digits_with_at_most_the_currencys_decimals() {
        for (text, outcome) in [
            ("128.00", Ok(12_800)),
            ("128", Ok(12_800)),
            ("0.01", Ok(1)),
            ("0.5", Ok(50)),
            ("10000000000.00", Ok(1_000_000_000_000)),
            ("10000000000.01", Err("amount_too_large")),
            ("99999999999999999999", Err("amount_too_large")),
            ("0.00", Err("amount_not_positive")),
            ("1.005", Err("too_many_decimals")),
            ("-1", Err("invalid_amount")),
            ("+1", Err("invalid_amount")),
            ("1e3", Err("invalid_amount")),
            (" 1", Err("invalid_amount")),
            ("1.", Err("invalid_amount")),
            (".5", Err("invalid_amount")),
            ("1.2.3", Err("invalid_amount")),
            ("1,00", Err("invalid_amount")),
            ("", Err("invalid_amount")),
            ("111111111111111111111", Err("invalid_amount")),
        ] {
            let got = read("amount", text, yuan())
                .map(Amount::minor)
                .map_err(|problem| problem.code);
            assert_eq!(got, outcome, "{text:?}");
        }
    }

    #[test]
    fn an_amount_is_shown_with_all_its_decimals() {
        for (minor, digits, text) in [
            (12_800, 2, "128.00"),
            (1, 2, "0.01"),
            (-50, 2, "-0.50"),
            (7, 0, "7"),
            (1, 3, "0.001"),
            (0, 2, "0.00"),
            (99, 2, "0.99"),
            (-100, 2, "-1.00"),
            (-7, 0, "-7"),
            (i64::MIN, 2, "-92233720368547758.08"),
        ] {
            let currency = Currency::new("XTS", digits).expect("a currency");
            assert_eq!(show_signed(minor, currency), text);
        }
    }
}
