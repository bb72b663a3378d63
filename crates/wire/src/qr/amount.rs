//! Amounts as codes write them: decimal, with a point, and exact.

/// `minor` units as a code's amount: 1234 with two places is `12.34`.
pub fn amount_text(minor: u64, places: u8) -> String {
    let places = usize::from(places);
    let digits = format!("{minor:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    if places == 0 {
        whole.to_owned()
    } else {
        format!("{whole}.{part}")
    }
}

/// A code's amount in minor units, if the currency has so many places and the number fits.
pub fn amount_minor(text: &str, places: u8) -> Option<u64> {
    if !is_decimal(text) {
        return None;
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let missing = usize::from(places).checked_sub(part.len())?;
    let digits = format!("{whole}{part}{}", "0".repeat(missing));
    digits.parse().ok()
}

/// Digits with at most one point, and a digit before it (clause 4.3.4.1).
pub(super) fn is_decimal(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !whole.is_empty() && digits(whole) && digits(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_in_both_directions() {
        for (minor, places, text) in [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (2372, 2, "23.72"),
            (2372, 0, "2372"),
            (2372, 3, "2.372"),
            (u64::MAX, 2, "184467440737095516.15"),
        ] {
            assert_eq!(amount_text(minor, places), text);
            assert_eq!(amount_minor(text, places), Some(minor), "{text}");
        }
        assert_eq!(amount_minor("23.7", 2), Some(2370));
        assert_eq!(amount_minor("23.", 2), Some(2300));
        for bad in [
            "23.721",
            ".5",
            "-1",
            "",
            "1e2",
            "1.2.3",
            "99999999999999999999",
        ] {
            assert_eq!(amount_minor(bad, 2), None, "{bad}");
        }
    }
}
