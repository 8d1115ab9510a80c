//! Numbers as people read them.

/// Bytes: `12.3 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    let steps = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match steps.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// A time given in nanoseconds: `12.3 ms`.
pub(super) fn time(nanos: f64) -> String {
    let steps = [(60e9, 1e9, "s", 0), (1e9, 1e9, "s", 2), (1e6, 1e6, "ms", 1), (1e3, 1e3, "µs", 0)];
    match steps.iter().find(|(from, ..)| nanos >= *from) {
        Some((_, unit, name, digits)) => format!("{:.*} {name}", digits, nanos / unit),
        None => format!("{nanos:.0} ns"),
    }
}

/// A count, in groups of three digits.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A share from 0 to 1: `12 %`.
pub(super) fn share(share: f64) -> String {
    if share > 0.0 && share < 0.01 {
        format!("{:.2} %", share * 100.0)
    } else {
        format!("{:.0} %", share * 100.0)
    }
}

/// A statement in one short line.
pub(super) fn statement(form: &str) -> String {
    const SHOWN: usize = 120;
    let line = form.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    line.chars().take(SHOWN - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_short() {
        assert_eq!(super::bytes(999), "999 B");
        assert_eq!(super::bytes(12_345_678), "12.3 MB");
        assert_eq!(super::time(1_234_567.0), "1.2 ms");
        assert_eq!(super::time(90e9), "90 s");
        assert_eq!(super::count(1_234_567), "1 234 567");
        assert_eq!(super::count(123), "123");
        assert_eq!(super::share(0.625), "62 %");
        assert_eq!(super::share(0.001), "0.10 %");
        assert_eq!(super::statement("SELECT\n  1"), "SELECT 1");
        assert_eq!(super::statement(&"é".repeat(200)).chars().count(), 120);
    }
}
