//! How numbers are written in the text formats.
//!
//! Counts are whole numbers. Times are decimal seconds to the nanosecond, so that nothing is lost on the way. Bounds of
//! buckets are written as Prometheus' Go library writes a float (`%g` with the fewest digits that read back), with the `.0`
//! that OpenMetrics demands of whole ones: the same text in all formats, since a bound is part of a series' identity.

use crate::families::Unit;

const SECOND: u128 = 1_000_000_000;

/// A recorded value in the unit it is exported in.
pub(crate) fn in_unit(value: u128, unit: Unit) -> f64 {
    if unit == Unit::Seconds { value as f64 / 1e9 } else { value as f64 }
}

/// Appends a whole number.
pub(crate) fn whole(value: u64, out: &mut Vec<u8>) {
    // Twenty digits hold every u64.
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends nanoseconds as seconds without trailing zeros.
pub(crate) fn seconds(nanos: u128, out: &mut Vec<u8>) {
    let (secs, mut fraction) = (nanos / SECOND, (nanos % SECOND) as u32);
    match u64::try_from(secs) {
        Ok(secs) => whole(secs, out),
        Err(_) => out.extend_from_slice(secs.to_string().as_bytes()),
    }
    if fraction == 0 {
        return;
    }
    let mut digits = *b".000000000";
    for digit in digits[1..].iter_mut().rev() {
        *digit += (fraction % 10) as u8;
        fraction /= 10;
    }
    let end = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    out.extend_from_slice(&digits[..end]);
}

/// A float as Go's `strconv.FormatFloat(value, 'g', -1, 64)` writes it, in the canonical form of OpenMetrics.
pub(crate) fn bound(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    // The shortest digits that read back: `1.048576e6`.
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bounds_are_written_as_openmetrics_writes_them() {
        // The list of canonical numbers in the OpenMetrics specification, and the edges around them.
        for (value, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (0.01, "0.01"),
            (0.001, "0.001"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (6.5536e-5, "6.5536e-05"),
            (1.31072e-4, "0.000131072"),
            (34.359_738_368, "34.359738368"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (1.1e23, "1.1e+23"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (-0.5, "-0.5"),
        ] {
            assert_eq!(bound(value), text);
        }
    }

    #[test]
    fn seconds_are_exact() {
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (1_500_000_000, "1.5"),
            (10_000_000_000, "10"),
            (1_000_000_010, "1.00000001"),
            (u128::MAX, "340282366920938463463374607431.768211455"),
        ] {
            assert_eq!(written(|out| seconds(nanos, out)), text);
        }
    }

    proptest! {
        #[test]
        fn whole_numbers(value in any::<u64>()) {
            prop_assert_eq!(written(|out| whole(value, out)), value.to_string());
        }

        #[test]
        fn seconds_read_back(nanos in 0..1_u64 << 53) {
            let text = written(|out| seconds(nanos.into(), out));
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), in_unit(nanos.into(), Unit::Seconds).to_bits());
        }

        #[test]
        fn bounds_read_back(value in any::<f64>()) {
            prop_assert!(bound(value).parse::<f64>().unwrap().to_bits() == value.to_bits() || value.is_nan());
        }
    }
}
