//! Sets of HTTP status codes: `200,204`, `2xx`, `200-299`.

use std::fmt;
use std::str::FromStr;

/// The most entries of a set; there are no more useful ones.
const MAX_RANGES: usize = 100;

/// Status codes that count as success. The default is any below 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet {
    /// First and last code of each range, in the order given.
    ranges: Vec<(u16, u16)>,
}

impl Default for StatusSet {
    fn default() -> Self {
        Self { ranges: vec![(100, 399)] }
    }
}

impl StatusSet {
    /// One code only.
    pub fn only(status: u16) -> Self {
        Self { ranges: vec![(status, status)] }
    }

    /// Whether `status` is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|&(first, last)| (first..=last).contains(&status))
    }

    /// Adds the codes of another set.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.ranges.extend(&other.ranges);
        self.ranges.truncate(MAX_RANGES);
    }

    pub(crate) fn empty() -> Self {
        Self { ranges: Vec::new() }
    }
}

/// The form that [`StatusSet::from_str`] reads back: `200,204,300-399`.
impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, &(first, last)) in self.ranges.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else if first % 100 == 0 && last == first + 99 {
                write!(f, "{comma}{}xx", first / 100)?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

/// Why a text is not a set of status codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` is not a status: {reason}; write for example 200, 200,204, 2xx or 200-299")]
pub struct StatusError {
    /// The offending part of the list.
    pub part: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for StatusSet {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        let ranges = text
            .split(',')
            .take(MAX_RANGES + 1)
            .map(|part| {
                read_range(part.trim()).map_err(|reason| StatusError { part: part.trim().to_owned(), reason })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if ranges.len() > MAX_RANGES {
            return Err(StatusError {
                part: text.chars().take(40).collect(),
                reason: "the list is too long",
            });
        }
        Ok(Self { ranges })
    }
}

fn read_range(part: &str) -> Result<(u16, u16), &'static str> {
    if let Some(class) = part.strip_suffix("xx").or_else(|| part.strip_suffix("XX")) {
        return match class.parse::<u16>() {
            Ok(class @ 1..=5) => Ok((class * 100, class * 100 + 99)),
            _ => Err("classes go from 1xx to 5xx"),
        };
    }
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (read_code(first.trim())?, read_code(last.trim())?);
    if first > last { Err("the range is upside down") } else { Ok((first, last)) }
}

fn read_code(text: &str) -> Result<u16, &'static str> {
    match text.parse() {
        Ok(code @ 100..=599) => Ok(code),
        Ok(_) => Err("codes go from 100 to 599"),
        Err(_) => Err("a code is three digits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_in_the_forms_people_write() {
        for (text, inside, outside, shown) in [
            ("200,204", vec![200, 204], vec![201, 404], "200,204"),
            ("2xx", vec![200, 299], vec![199, 300], "2xx"),
            (" 200-299 , 404", vec![250, 404], vec![405], "2xx,404"),
            ("200-204", vec![203], vec![205], "200-204"),
        ] {
            let set: StatusSet = text.parse().unwrap();
            assert!(inside.iter().all(|&status| set.contains(status)), "{text}");
            assert!(!outside.iter().any(|&status| set.contains(status)), "{text}");
            assert_eq!(set.to_string(), shown);
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        assert!(StatusSet::default().contains(399) && !StatusSet::default().contains(400));
    }

    #[test]
    fn what_is_not_a_set_says_why() {
        for (text, part, reason) in [
            ("", "", "a code is three digits"),
            ("200,,204", "", "a code is three digits"),
            ("ok", "ok", "a code is three digits"),
            ("20", "20", "codes go from 100 to 599"),
            ("9xx", "9xx", "classes go from 1xx to 5xx"),
            ("299-200", "299-200", "the range is upside down"),
            ("200-x", "200-x", "a code is three digits"),
        ] {
            assert_eq!(text.parse::<StatusSet>(), Err(StatusError { part: part.into(), reason }), "{text}");
        }
    }
}
