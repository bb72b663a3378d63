//! Merchant category codes (ISO 18245) as the few kinds of shop that people are told.

/// The name of the kind that `code` belongs to; the message files have a text for each.
pub fn name(code: u16) -> &'static str {
    match code {
        5192 | 5942 | 5994 => "books",
        5411 | 5422 | 5441 | 5451 | 5462 | 5499 => "groceries",
        5811..=5814 => "food",
        3000..=3999 | 4011 | 4111 | 4112 | 4121 | 4131 | 4411 | 4511 | 4722 | 7011 | 7512 => {
            "travel"
        }
        5816 | 5945 | 7993 | 7994 => "games",
        5733 | 5735 | 5815 | 7929 => "music",
        5045 | 5065 | 5722 | 5732 | 5734 => "electronics",
        5122 | 5912 | 5975 | 5976 | 8011..=8099 => "health",
        8211..=8299 => "education",
        4814 | 4900 => "utilities",
        5137 | 5139 | 5611..=5699 => "clothing",
        4899 | 5968 => "subscription",
        5200..=5999 => "retail",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_belongs_to_the_narrowest_kind_that_names_it() {
        for (code, kind) in [
            (5942, "books"),
            (5943, "retail"),
            (5814, "food"),
            (3000, "travel"),
            (8299, "education"),
            (8300, "other"),
            (0, "other"),
        ] {
            assert_eq!(name(code), kind, "{code}");
        }
    }
}
