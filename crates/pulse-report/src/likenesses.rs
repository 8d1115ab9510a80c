//! Sentences that differ only in their numbers, as one: `busy 97% of the time` and `busy 100% of the time` are
//! `busy 97–100% of the time`.

/// What is the same in such sentences, and the numbers between.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Likeness {
    /// The text before, between and after the numbers: one part more than there are numbers.
    parts: Vec<String>,
    /// For each number the smallest and the largest as they were written, with their values.
    numbers: Vec<[(f64, String); 2]>,
}

impl Likeness {
    pub(crate) fn of(sentence: &str) -> Self {
        let (mut parts, mut numbers) = (vec![String::new()], Vec::new());
        let mut rest = sentence;
        while let Some(first) = rest.chars().next() {
            let digits = number_length(rest);
            // Digits within a word, such as those of `p95`, are no numbers.
            let in_word = parts.last().is_some_and(|part| part.ends_with(char::is_alphanumeric));
            match rest[..digits].parse::<f64>() {
                Ok(value) if !in_word => {
                    let text = rest[..digits].to_owned();
                    numbers.push([(value, text.clone()), (value, text)]);
                    parts.push(String::new());
                    rest = &rest[digits..];
                }
                _ => {
                    let length = digits.max(first.len_utf8());
                    if let Some(part) = parts.last_mut() {
                        part.push_str(&rest[..length]);
                    }
                    rest = &rest[length..];
                }
            }
        }
        Self { parts, numbers }
    }

    /// Takes in another one; `false` when they differ in more than their numbers.
    pub(crate) fn join(&mut self, other: &Self) -> bool {
        if self.parts != other.parts {
            return false;
        }
        for ([least, most], [low, high]) in self.numbers.iter_mut().zip(&other.numbers) {
            if low.0 < least.0 {
                least.clone_from(low);
            }
            if high.0 > most.0 {
                most.clone_from(high);
            }
        }
        true
    }

    /// The sentence, with a range where numbers differ.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            text.push_str(part);
            if let Some([(_, least), (_, most)]) = self.numbers.get(at) {
                text.push_str(least);
                if least != most {
                    text.push('–');
                    text.push_str(most);
                }
            }
        }
        text
    }
}

/// Length of the number at the beginning: digits, and more digits behind a point.
fn number_length(text: &str) -> usize {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(text);
    match text[whole..].strip_prefix('.').map(digits) {
        Some(fraction) if whole > 0 && fraction > 0 => whole + 1 + fraction,
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_become_ranges() {
        for (sentences, text) in [
            (
                &["busy 97% of the time", "busy 100% of the time", "busy 98% of the time"][..],
                "busy 97–100% of the time",
            ),
            (&["p95 is 1.50ms (n = 3)", "p95 is 12.25ms (n = 3)"], "p95 is 1.50–12.25ms (n = 3)"),
            (&["one", "one"], "one"),
            (&["ends with 5.", "ends with 7."], "ends with 5–7."),
        ] {
            let mut all = Likeness::of(sentences[0]);
            assert!(sentences[1..].iter().all(|sentence| all.join(&Likeness::of(sentence))), "{sentences:?}");
            assert_eq!(all.text(), text);
        }
        assert!(!Likeness::of("p95 is 5").join(&Likeness::of("p99 is 5")), "other words");
    }

    proptest! {
        #[test]
        fn alone_a_sentence_stays_as_it_is(sentence in ".{0,60}") {
            prop_assert_eq!(Likeness::of(&sentence).text(), sentence);
        }
    }
}
