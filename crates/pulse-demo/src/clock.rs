//! Time stamps in answers and rows.

use jiff::Timestamp;

/// RFC 3339 in UTC with milliseconds: one width for all, so that their order as text is their order in time.
pub(crate) fn stamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_sort_as_text() {
        let stamps: Vec<String> = [0, 1, 999, 1_000, 1_735_828_200_000]
            .map(|ms| stamp(Timestamp::from_millisecond(ms).unwrap()))
            .into();
        assert_eq!(stamps[0], "1970-01-01T00:00:00.000Z");
        assert_eq!(stamps[4], "2025-01-02T14:30:00.000Z");
        assert!(stamps.is_sorted());
    }
}
