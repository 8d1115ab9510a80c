//! Names that come from outside, made fit for a series.

use std::borrow::Cow;

/// The longest name that is kept, in bytes.
pub(crate) const NAME_BYTES: usize = 128;
/// What an empty name becomes.
pub(crate) const UNNAMED: &str = "_unnamed";
/// The name under which everything beyond the cap on series is recorded.
pub(crate) const OTHER: &str = "_other";

/// At most the first [`NAME_BYTES`] bytes, whole characters. Cheap, whatever the length.
#[inline]
pub(crate) fn cut(name: &str) -> &str {
    if name.len() <= NAME_BYTES { name } else { cut_long(name) }
}

#[cold]
fn cut_long(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES)]
}

/// Whether [`tag_value`] would surely leave a name as it is; it is for the common case and may say no to a good name.
#[inline]
pub(crate) fn is_plain(name: &str) -> bool {
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    let odd = words.iter().chain([&last]).fold(0, |odd, word| odd | odd_bytes(u64::from_ne_bytes(*word)));
    odd == 0 && !name.is_empty() && name.len() <= NAME_BYTES
}

/// Not zero when one of eight bytes is below a blank or above `~`: the top bit of such a byte is set already, by adding 1, or
/// by taking away a blank. (A carry reaches a neighbour only from such a byte.)
#[inline]
fn odd_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xFF;
    (word | word.wrapping_add(ONES) | word.wrapping_sub(ONES * 0x20)) & (ONES * 0x80)
}

/// A name as the value of a tag: short, without control characters, not empty.
pub(crate) fn tag_value(name: &str) -> Cow<'_, str> {
    let name = cut(name);
    if name.chars().any(char::is_control) {
        let kept: String = name.chars().filter(|c| !c.is_control()).collect();
        return if kept.is_empty() { UNNAMED.into() } else { kept.into() };
    }
    if name.is_empty() { UNNAMED.into() } else { name.into() }
}

/// A name as a metric: short, of letters, digits and `_ . : -`, beginning with a letter or `_`, and none of those that Pulse
/// records itself.
pub(crate) fn metric(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    let mut metric: String = cut(name).chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if metric.is_empty() {
        UNNAMED.clone_into(&mut metric);
    }
    let begins_well = metric.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins_well || is_taken(&metric) {
        metric.insert_str(0, "custom_");
    }
    metric.truncate(NAME_BYTES);
    metric
}

/// Names with a meaning of their own: a custom series must not mix with them.
fn is_taken(metric: &str) -> bool {
    use pulse_model::metric::{CACHE, DB_QUERY_TIME, MEMORY_LIMIT, RESPONSE_TIME, SLOW_QUERIES};
    [RESPONSE_TIME, DB_QUERY_TIME, CACHE, MEMORY_LIMIT, SLOW_QUERIES].contains(&metric)
        || ["monitor_", "pool_", "process_"].iter().any(|prefix| metric.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_from_outside_become_fit() {
        let long = "ä".repeat(500_000);
        for (name, value, as_metric) in [
            ("/api/users", "/api/users", "_api_users"),
            ("", "_unnamed", "_unnamed"),
            ("\0\n\u{85}", "_unnamed", "___"),
            ("a\r\nb\u{1b}[31m", "ab[31m", "a__b__31m"),
            ("orders.placed", "orders.placed", "orders.placed"),
            ("7zip", "7zip", "custom_7zip"),
            ("response_time", "response_time", "custom_response_time"),
            ("process_cpu", "process_cpu", "custom_process_cpu"),
            (&long, &long[..128], &"_".repeat(64)),
        ] {
            assert_eq!(tag_value(name), value);
            assert_eq!(metric(name), as_metric);
        }
    }

    #[test]
    fn plain_is_every_name_of_printable_ascii() {
        for place in [0, 3, 7, 8, 15, 16] {
            for byte in 0..=0x7F_u8 {
                let mut name = [b'a'; 17];
                name[place] = byte;
                let expected = (b' '..0x7F).contains(&byte);
                assert_eq!(is_plain(std::str::from_utf8(&name).unwrap()), expected, "{byte} at {place}");
            }
        }
        assert!(!is_plain("") && !is_plain("ä") && !is_plain(&"a".repeat(NAME_BYTES + 1)));
        assert!(is_plain(&"a".repeat(NAME_BYTES)));
    }

    proptest! {
        #[test]
        fn any_name_becomes_fit_and_stays_so(name in ".{0,200}") {
            let value = tag_value(&name).into_owned();
            prop_assert!(!value.is_empty() && value.len() <= NAME_BYTES && !value.chars().any(char::is_control));
            prop_assert_eq!(tag_value(&value), value.as_str());
            if is_plain(&name) {
                prop_assert_eq!(&value, &name);
            }
            let custom = metric(&name);
            prop_assert!(!custom.is_empty() && custom.len() <= NAME_BYTES);
            prop_assert_eq!(metric(&custom), custom);
        }
    }
}
