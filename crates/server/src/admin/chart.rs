//! Payments by hour as a picture: a bar per hour, what was paid below and everything else above it.

use std::fmt::Write as _;

use crate::views::overview::Hour;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Chinese,
}

/// The page's own colours, and a hatching for what was not paid: colour alone says nothing to some people.
struct Colours {
    text: &'static str,
    line: &'static str,
    captured: &'static str,
    other: &'static str,
}

impl Theme {
    fn colours(self) -> Colours {
        match self {
            Self::Light => Colours {
                text: "#55635d",
                line: "#d9e0dd",
                captured: "#00695c",
                other: "#87938e",
            },
            Self::Dark => Colours {
                text: "#a3b1ab",
                line: "#2d3934",
                captured: "#5cd0bd",
                other: "#74837c",
            },
        }
    }
}

struct Words {
    title: &'static str,
    captured: &'static str,
    other: &'static str,
}

impl Language {
    fn words(self) -> Words {
        match self {
            Self::English => Words {
                title: "Payments by hour",
                captured: "Paid",
                other: "Other",
            },
            Self::Chinese => Words {
                title: "每小时付款",
                captured: "已付款",
                other: "其他",
            },
        }
    }
}

const WIDTH: u64 = 720;
const HEIGHT: u64 = 260;
const LEFT: u64 = 40;
const TOP: u64 = 36;
const BOTTOM: u64 = 28;
const FONT: &str =
    "system-ui, -apple-system, Segoe UI, Roboto, PingFang SC, Microsoft YaHei, sans-serif";

/// The smallest of 4, 8, 20, 40, 80, 200 … that is not below `most`, so that quarter lines are whole numbers.
fn ceiling(most: u64) -> u64 {
    let mut unit = 4_u64;
    loop {
        for step in [unit, unit * 2, unit * 5] {
            if step >= most {
                return step;
            }
        }
        match unit.checked_mul(10) {
            Some(next) => unit = next,
            None => return most,
        }
    }
}

/// An SVG of 720 × 260.
pub fn draw(hours: &[Hour], theme: Theme, language: Language) -> String {
    let (colours, words) = (theme.colours(), language.words());
    let most = hours.iter().map(|hour| hour.captured + hour.other).max();
    let top = ceiling(most.unwrap_or(0));
    let captured: u64 = hours.iter().map(|hour| hour.captured).sum();
    let other: u64 = hours.iter().map(|hour| hour.other).sum();
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title description" font-family="{FONT}" font-size="12">
<title id="title">{}</title>
<desc id="description">{} {captured}, {} {other}</desc>
<defs><pattern id="other" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="{other_colour}" fill-opacity="0.35"/><rect width="2" height="6" fill="{other_colour}"/></pattern></defs>
"#,
        words.title,
        words.captured,
        words.other,
        other_colour = colours.other,
    );
    legend(&mut svg, &colours, &words);
    let height = HEIGHT - TOP - BOTTOM;
    let base = HEIGHT - BOTTOM;
    for quarter in 0..=4 {
        let y = base - height * quarter / 4;
        let _ = writeln!(
            svg,
            r#"<line x1="{LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}" stroke="{}"/><text x="{}" y="{}" text-anchor="end" fill="{}">{}</text>"#,
            colours.line,
            LEFT - 8,
            y + 4,
            colours.text,
            top / 4 * quarter,
        );
    }
    let slot = (WIDTH - LEFT) / 24;
    for hour in hours {
        let x = LEFT + slot * u64::from(hour.hour) + 4;
        let tall = |count: u64| height * count / top;
        let paid = tall(hour.captured);
        let all = tall(hour.captured + hour.other);
        if hour.captured + hour.other > 0 {
            let _ = writeln!(
                svg,
                r#"<g><title>{:02}:00 · {} {} · {} {}</title><rect x="{x}" y="{}" width="{w}" height="{}" fill="url(#other)"/><rect x="{x}" y="{}" width="{w}" height="{paid}" fill="{}"/></g>"#,
                hour.hour,
                words.captured,
                hour.captured,
                words.other,
                hour.other,
                base - all,
                all - paid,
                base - paid,
                colours.captured,
                w = slot - 8,
            );
        }
        if hour.hour % 3 == 0 {
            let _ = writeln!(
                svg,
                r#"<text x="{}" y="{}" text-anchor="middle" fill="{}">{:02}</text>"#,
                x + (slot - 8) / 2,
                base + 18,
                colours.text,
                hour.hour,
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String, colours: &Colours, words: &Words) {
    for (x, fill, word) in [
        (LEFT, colours.captured, words.captured),
        (LEFT + 88, "url(#other)", words.other),
    ] {
        let _ = writeln!(
            svg,
            r#"<rect x="{x}" y="8" width="12" height="12" rx="3" fill="{fill}"/><text x="{}" y="18" fill="{}">{word}</text>"#,
            x + 20,
            colours.text,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number_whose_quarters_are_whole() {
        for (most, top) in [
            (0, 4),
            (4, 4),
            (5, 8),
            (9, 20),
            (21, 40),
            (41, 80),
            (1_000, 2_000),
        ] {
            assert_eq!(ceiling(most), top, "{most}");
        }
    }

    #[test]
    fn a_picture_has_a_title_and_a_bar_per_busy_hour() {
        let hours: Vec<Hour> = (0..24)
            .map(|hour| Hour {
                hour,
                captured: u64::from(hour == 9) * 3,
                other: u64::from(hour == 9 || hour == 10),
                amount: 0,
            })
            .collect();
        let english = draw(&hours, Theme::Light, Language::English);
        assert!(english.contains("<title id=\"title\">Payments by hour</title>"));
        assert!(english.contains("09:00 · Paid 3 · Other 1"));
        assert_eq!(english.matches("<g>").count(), 2);
        let chinese = draw(&hours, Theme::Dark, Language::Chinese);
        assert!(chinese.contains("每小时付款") && chinese.contains("#5cd0bd"));
    }
}
