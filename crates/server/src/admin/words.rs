//! Texts that operators type: of a length, without control characters.

use crate::edge::problem::Problem;

pub fn check(field: &str, text: &str, least: usize, most: usize) -> Result<(), Problem> {
    let length = text.chars().count();
    if length < least || length > most {
        return Err(Problem::unprocessable(
            "invalid_length",
            format!("{field} has {least} to {most} characters, not {length}"),
        )
        .field(field));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::unprocessable(
            "control_characters",
            format!("{field} has no control characters"),
        )
        .field(field));
    }
    Ok(())
}
