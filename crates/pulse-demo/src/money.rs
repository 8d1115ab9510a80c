//! [`Cents`]: amounts of money as whole cents, so that sums over any number of trades are exact.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use serde::{Serialize, Serializer};

/// US cents; a JSON answer shows them as dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cents(pub(crate) i64);

/// The highest price an order may name: 10 000 dollars.
pub(crate) const HIGHEST_PRICE: Cents = Cents(1_000_000);

impl Cents {
    /// A price in dollars rounded to whole cents; `None` unless it is then from one cent to [`HIGHEST_PRICE`].
    pub(crate) fn from_dollars(dollars: f64) -> Option<Self> {
        // The cast saturates and turns NaN into zero, both of which are out of range.
        let cents = Self((dollars * 100.0).round() as i64);
        (Cents(1)..=HIGHEST_PRICE).contains(&cents).then_some(cents)
    }

    /// What `quantity` shares cost at this price, rounded to whole cents.
    pub(crate) fn times(self, quantity: f64) -> Self {
        Self((self.0 as f64 * quantity).round() as i64)
    }

    /// The sum, unless it leaves the range of amounts that a JSON number shows exactly (2^53).
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let sum = self.0.checked_add(other.0)?;
        (sum.unsigned_abs() <= 1 << 53).then_some(Self(sum))
    }
}

impl Serialize for Cents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

impl ToSql for Cents {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for Cents {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_rounded_and_bounded() {
        for (dollars, cents) in [
            (1.0, Some(100)),
            (0.014, Some(1)),
            (10_000.0, Some(1_000_000)),
            (0.004, None),
            (0.0, None),
            (-5.0, None),
            (10_000.01, None),
            (1e300, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(Cents::from_dollars(dollars), cents.map(Cents), "{dollars}");
        }
    }

    #[test]
    fn sums_are_exact_or_refused() {
        assert_eq!(Cents(1).plus(Cents(-3)), Some(Cents(-2)));
        assert_eq!(Cents(1 << 53).plus(Cents(1)), None);
        assert_eq!(Cents(i64::MAX).plus(Cents(1)), None);
        assert_eq!(serde_json::to_string(&Cents(-1_234)).unwrap(), "-12.34");
    }
}
