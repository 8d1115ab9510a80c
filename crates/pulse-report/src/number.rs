//! Figures as people read them. Rounding never flatters: a share that is not whole is never written as 100 % or 0 %,
//! and what was not measured is written as `-`.

use std::borrow::Cow;

use pulse_model::{Target, Unit};

/// Stands for a figure that was not measured.
pub const NONE: &str = "-";

/// `part` of `whole` in percent with two decimals, `99.99%`; `-` when `whole` is zero.
///
/// Only all is `100.00%` and only nothing is `0.00%`; what would round there is written as `99.99%` or `0.01%`.
pub fn percent(part: u64, whole: u64) -> String {
    match part {
        _ if whole == 0 => NONE.to_owned(),
        0 => share(0.0),
        _ if part >= whole => share(1.0),
        _ => between_the_ends(part as f64 / whole as f64),
    }
}

/// A share of 1 in percent with two decimals, with the same promise as [`percent`]; `-` when it is not finite.
pub fn share(share: f64) -> String {
    if !share.is_finite() {
        return NONE.to_owned();
    }
    if share > 0.0 && share < 1.0 { between_the_ends(share) } else { format!("{:.2}%", share * 100.0) }
}

fn between_the_ends(share: f64) -> String {
    let rounded = (share * 10_000.0).round() / 100.0;
    format!("{:.2}%", rounded.clamp(0.01, 99.99))
}

/// Nanoseconds in milliseconds with two decimals, `12.40ms`; `-` for nothing.
pub fn millis(nanos: Option<f64>) -> String {
    decimal(nanos.map(|nanos| nanos / 1e6), "ms")
}

/// Seconds with two decimals, `60.05s`.
pub fn seconds(seconds: f64) -> String {
    decimal(Some(seconds), "s")
}

/// A rate per second with two decimals and without separators of thousands, `999.17`; `-` for nothing.
pub fn rate(per_second: Option<f64>) -> String {
    decimal(per_second, "")
}

/// A number with two decimals and a unit; `-` when there is none or it is not finite.
fn decimal(value: Option<f64>, unit: &str) -> String {
    match value {
        Some(value) if value.is_finite() => format!("{value:.2}{unit}"),
        _ => NONE.to_owned(),
    }
}

/// A number of bytes in decimal units: `512B`, `1.50KB`, `20.00MB`; `-` when it is not finite.
pub fn bytes(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB")];
    // 999_999 is written as 1.00MB, not as 1000.00KB.
    match units.iter().find(|(size, _)| bytes.abs() >= size * 0.999_995) {
        Some((size, unit)) => decimal(Some(bytes / size), unit),
        None if bytes.is_finite() => format!("{bytes:.0}B"),
        None => NONE.to_owned(),
    }
}

/// A measured value in the unit of its target: `12.40ms`, `99.99%`, `999.17 req/s`, `3`. It takes more decimals where
/// rounding would make it look equal to the limit: a miss of 200 ms is written as `200.0040ms`, not as `200.00ms`.
/// Beside a limit per 1000 requests it is per 1000 requests, too.
pub fn measured(target: &Target, value: f64) -> String {
    let [value, limit] = [value, target.limit].map(|value| value * target.per as f64);
    let differs = |text: &String, other: String| value.total_cmp(&limit).is_eq() || *text != other;
    let plain = in_unit(target.unit, value);
    if !value.is_finite() || differs(&plain, in_unit(target.unit, limit)) {
        return plain;
    }
    let (scale, unit) = match target.unit {
        Unit::Nanoseconds => (1e-6, "ms"),
        Unit::Bytes => return format!("{value}B"),
        Unit::Share => (100.0, "%"),
        Unit::PerSecond => (1.0, " req/s"),
        Unit::Count => (1.0, ""),
    };
    let precise = |digits: usize, value: f64| format!("{:.digits$}{unit}", value * scale);
    let finer = precise(4, value);
    if differs(&finer, precise(4, limit)) { finer } else { precise(9, value) }
}

/// A value as reports write its unit: `12.40ms`, `99.99%`, `999.17 req/s`, `3`, `1.083`; `-` when it is not finite.
pub(crate) fn in_unit(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanoseconds => millis(Some(value)),
        Unit::Bytes => bytes(value),
        Unit::Share => share(value),
        Unit::PerSecond => decimal(Some(value), " req/s"),
        Unit::Count if value.is_finite() => format!("{}", (value * 1000.0).round() / 1000.0),
        Unit::Count => NONE.to_owned(),
    }
}

/// The text on one line and without characters that steer a terminal or a reader's eye: line breaks and tabs become
/// blanks, other control characters and changes of writing direction become `�`.
pub fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if steers(c) => '\u{fffd}',
            c => c,
        })
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_are_honest_at_both_ends() {
        for (part, whole, text) in [
            (0, 0, "-"),
            (0, 60_000, "0.00%"),
            (60_000, 60_000, "100.00%"),
            (59_995, 60_000, "99.99%"),
            (5, 60_000, "0.01%"),
            (1, 1_000_000, "0.01%"),
            (999_999, 1_000_000, "99.99%"),
            (u64::MAX - 1, u64::MAX, "99.99%"),
            (1, 3, "33.33%"),
        ] {
            assert_eq!(percent(part, whole), text, "{part} of {whole}");
        }
    }

    #[test]
    fn bytes_take_the_unit_that_reads_best() {
        for (size, text) in [
            (0.0, "0B"),
            (999.0, "999B"),
            (1_000.0, "1.00KB"),
            (999_999.0, "1.00MB"),
            (1.5e6, "1.50MB"),
            (-1.5e6, "-1.50MB"),
            (2.5e13, "25.00TB"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(bytes(size), text, "{size}");
        }
    }

    #[test]
    fn nothing_is_a_dash() {
        assert_eq!(millis(None), "-");
        assert_eq!(millis(Some(f64::INFINITY)), "-");
        assert_eq!(rate(Some(f64::NAN)), "-");
        assert_eq!(seconds(60.05), "60.05s");
    }

    #[test]
    fn measured_values_keep_the_promise_of_shares() {
        let success: Target = "success > 99%".parse().unwrap();
        assert_eq!(measured(&success, 0.999_999), "99.99%");
        let throughput: Target = "throughput > 100/s".parse().unwrap();
        assert_eq!(measured(&throughput, 999.166), "999.17 req/s");
    }

    #[test]
    fn a_value_beside_its_limit_never_looks_equal_to_it() {
        let p95: Target = "p95 < 200ms".parse().unwrap();
        for (nanos, text) in [
            (200e6, "200.00ms"),
            (200_004_000.0, "200.0040ms"),
            (200_000_001.0, "200.000001000ms"),
            (45.6e6, "45.60ms"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(measured(&p95, nanos), text, "{nanos}");
        }
        let errors: Target = "errors <= 1%".parse().unwrap();
        assert_eq!(measured(&errors, 0.010_000_4), "1.000040000%");
        let size: Target = "bytes.max < 10KB".parse().unwrap();
        assert_eq!(measured(&size, 10_001.0), "10001B");
        let growth: Target = "memory_growth < 50MB per 1000 requests".parse().unwrap();
        assert_eq!(measured(&growth, 42_000.0), "42.00MB");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(printable("plain"), "plain");
        assert_eq!(printable("a\nb\tc"), "a b c");
        assert_eq!(printable("\u{1b}[2J\u{202e}x"), "\u{fffd}[2J\u{fffd}x");
    }

    proptest! {
        #[test]
        fn a_share_is_whole_only_when_it_is(part in 0..2_000_000_u64, rest in 0..2_000_000_u64) {
            let text = percent(part, part + rest);
            prop_assert_eq!(text == "100.00%", rest == 0 && part > 0);
            prop_assert_eq!(text == "0.00%", part == 0 && rest > 0);
        }

        #[test]
        fn nothing_steers(text in ".{0,40}") {
            prop_assert!(!printable(&text).contains(char::is_control));
        }
    }
}
