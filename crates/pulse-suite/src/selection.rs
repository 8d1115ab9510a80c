//! Which cases are run: `-k EXPR`, `-m MARKS` and ids, as people know them from pytest.
//!
//! ```text
//! expression = term { "or" term }
//! term       = factor { "and" factor }
//! factor     = "not" factor | "(" expression ")" | word | "quoted text"
//! ```
//!
//! With `-k` a word matches any part of a case's id or name; with `-m` it is a whole mark. Upper and lower case are the
//! same. An id selects the case of that id and everything that begins with it; with `*` or `?` it is a pattern for the
//! whole id.

use pulse_model::CaseInfo;

/// The deepest nesting of an expression; a bound, so that no text exhausts the stack.
const MAX_DEPTH: u32 = 64;
/// The longest expression in bytes.
const MAX_LENGTH: usize = 4096;

/// Which cases of the suites are run. The default selects all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `-k`: what ids and names must contain.
    pub words: Option<Expression>,
    /// `-m`: which marks a case must have.
    pub marks: Option<Expression>,
    /// Ids, their beginnings, or patterns; a case must match one of them. Empty selects all.
    pub ids: Vec<String>,
}

/// Why a text selects nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// The text is not an expression.
    #[error("`{text}` is not an expression: {reason} (column {}); write for example \"health and not slow\"", at + 1)]
    Expression {
        /// The offending text.
        text: String,
        /// Byte offset of the mistake.
        at: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A mark that no case has.
    #[error("no case has the mark `{mark}`; {}", known_marks(known))]
    Mark {
        /// The unknown mark.
        mark: String,
        /// The marks that cases have.
        known: Vec<String>,
    },
    /// An id that selects no case.
    #[error("no case has an id that begins with `{id}` or matches it; `pulse test --list` shows the ids")]
    Id {
        /// The id as given.
        id: String,
    },
}

fn known_marks(known: &[String]) -> String {
    if known.is_empty() {
        "the cases have no marks at all (give them some with marks = [\"slow\"])".to_owned()
    } else {
        format!("known are {}", known.join(", "))
    }
}

impl Selection {
    /// Whether a case is selected.
    pub fn selects(&self, case: &CaseInfo) -> bool {
        let (id, name) = (case.id.to_lowercase(), case.name.to_lowercase());
        let marks: Vec<String> = case.marks.iter().map(|mark| mark.to_lowercase()).collect();
        self.words.as_ref().is_none_or(|words| words.holds(&|word| id.contains(word) || name.contains(word)))
            && self.marks.as_ref().is_none_or(|wanted| wanted.holds(&|word| marks.iter().any(|m| m == word)))
            && (self.ids.is_empty() || self.ids.iter().any(|pattern| matches_id(pattern, &id)))
    }

    /// Checks that every mark and every id means something for these cases: a mistyped mark must not select nothing, or
    /// everything after `not`.
    pub fn check<'a>(
        &self,
        cases: &(impl Iterator<Item = &'a CaseInfo> + Clone),
    ) -> Result<(), SelectionError> {
        if let Some(marks) = &self.marks {
            let mut known: Vec<String> = cases.clone().flat_map(|case| case.marks.iter().cloned()).collect();
            known.sort_unstable();
            known.dedup();
            for mark in marks.words() {
                if !known.iter().any(|known| known.to_lowercase() == mark) {
                    return Err(SelectionError::Mark { mark: mark.to_owned(), known });
                }
            }
        }
        let unknown = |id: &&String| !cases.clone().any(|case| matches_id(id, &case.id.to_lowercase()));
        match self.ids.iter().find(unknown) {
            Some(id) => Err(SelectionError::Id { id: id.clone() }),
            None => Ok(()),
        }
    }
}

/// Whether an id in lower case begins with the pattern, or matches it where it has wildcards.
fn matches_id(pattern: &str, id: &str) -> bool {
    let pattern = pattern.to_lowercase();
    if pattern.contains(['*', '?']) { matches_wildcards(&pattern, id) } else { id.starts_with(&pattern) }
}

/// `*` is any text, `?` any character. Linear in time but for the last `*`, to which it returns.
fn matches_wildcards(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, t) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// A condition of words joined by `and`, `or` and `not`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression(Node);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Word(String),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
}

impl Expression {
    /// Whether the expression holds when `is_true` says which words (in lower case) do.
    pub fn holds(&self, is_true: &dyn Fn(&str) -> bool) -> bool {
        self.0.holds(is_true)
    }

    /// The words in order of appearance, in lower case.
    fn words(&self) -> Vec<&str> {
        let mut words = Vec::new();
        self.0.collect(&mut words);
        words
    }
}

impl Node {
    fn holds(&self, is_true: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Word(word) => is_true(word),
            Self::Not(inner) => !inner.holds(is_true),
            Self::And(a, b) => a.holds(is_true) && b.holds(is_true),
            Self::Or(a, b) => a.holds(is_true) || b.holds(is_true),
        }
    }

    fn collect<'a>(&'a self, words: &mut Vec<&'a str>) {
        match self {
            Self::Word(word) => words.push(word),
            Self::Not(inner) => inner.collect(words),
            Self::And(a, b) | Self::Or(a, b) => {
                a.collect(words);
                b.collect(words);
            }
        }
    }
}

impl std::str::FromStr for Expression {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let fail = |(at, reason): Mistake| SelectionError::Expression { text: text.to_owned(), at, reason };
        if text.len() > MAX_LENGTH {
            return Err(fail((MAX_LENGTH, format!("it is longer than {MAX_LENGTH} bytes"))));
        }
        let mut reader = Reader { tokens: tokens(text).map_err(fail)?, next: 0, end: text.len() };
        let node = reader.expression(0).map_err(fail)?;
        match reader.peek() {
            None => Ok(Self(node)),
            Some((at, token)) => {
                Err(fail((at, format!("{} is one too many; join words with and / or", token.show()))))
            }
        }
    }
}

/// Where and what.
type Mistake = (usize, String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Word(String),
}

impl Token {
    fn show(&self) -> String {
        let text = match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::And => "and",
            Self::Or => "or",
            Self::Not => "not",
            Self::Word(word) => word,
        };
        format!("`{text}`")
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Mistake> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let token = match c {
            _ if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '"' | '\'' => {
                let mut word = String::new();
                loop {
                    match rest.next() {
                        Some((_, end)) if end == c => break,
                        Some((_, inner)) => word.push(inner),
                        None => return Err((at, "the quote is not closed".to_owned())),
                    }
                }
                Token::Word(word.to_lowercase())
            }
            _ => {
                let mut word = String::from(c);
                while let Some((_, c)) =
                    rest.next_if(|&(_, c)| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '\''))
                {
                    word.push(c);
                }
                match word.to_lowercase().as_str() {
                    "and" => Token::And,
                    "or" => Token::Or,
                    "not" => Token::Not,
                    lower => Token::Word(lower.to_owned()),
                }
            }
        };
        tokens.push((at, token));
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
}

impl Reader {
    fn peek(&self) -> Option<(usize, &Token)> {
        self.tokens.get(self.next).map(|(at, token)| (*at, token))
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.peek().is_some_and(|(_, token)| token == wanted);
        self.next += usize::from(found);
        found
    }

    fn expression(&mut self, depth: u32) -> Result<Node, Mistake> {
        let mut node = self.term(depth)?;
        while self.take(&Token::Or) {
            node = Node::Or(Box::new(node), Box::new(self.term(depth)?));
        }
        Ok(node)
    }

    fn term(&mut self, depth: u32) -> Result<Node, Mistake> {
        let mut node = self.factor(depth)?;
        while self.take(&Token::And) {
            node = Node::And(Box::new(node), Box::new(self.factor(depth)?));
        }
        Ok(node)
    }

    fn factor(&mut self, depth: u32) -> Result<Node, Mistake> {
        let Some((at, token)) = self.peek() else {
            return Err((self.end, "a word is missing at the end".to_owned()));
        };
        if depth >= MAX_DEPTH {
            return Err((at, format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        match token.clone() {
            Token::Word(word) => {
                self.next += 1;
                Ok(Node::Word(word))
            }
            Token::Not => {
                self.next += 1;
                Ok(Node::Not(Box::new(self.factor(depth + 1)?)))
            }
            Token::Open => {
                self.next += 1;
                let node = self.expression(depth + 1)?;
                if self.take(&Token::Close) {
                    return Ok(node);
                }
                Err((at, "the parenthesis is not closed".to_owned()))
            }
            other => Err((at, format!("a word is expected, not {}", other.show()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(id: &str, name: &str, marks: &[&str]) -> CaseInfo {
        let marks = marks.iter().map(|&mark| mark.to_owned()).collect();
        CaseInfo { id: id.to_owned(), name: name.to_owned(), marks, ..CaseInfo::default() }
    }

    fn cases() -> Vec<CaseInfo> {
        vec![
            case("api::health-is-quick", "Health is quick", &["performance"]),
            case("api::root", "Root", &["performance", "slow"]),
            case("db::trades", "Trades by symbol", &["slow"]),
        ]
    }

    fn selected(selection: &Selection) -> Vec<String> {
        cases().into_iter().filter(|case| selection.selects(case)).map(|case| case.id).collect()
    }

    #[test]
    fn words() {
        for (text, expected) in [
            ("health", "api::health-is-quick"),
            ("HEALTH", "api::health-is-quick"),
            ("api and not root", "api::health-is-quick"),
            ("root or trades", "api::root db::trades"),
            ("not (root or trades)", "api::health-is-quick"),
            ("not not root", "api::root"),
            ("api and (root or trades)", "api::root"),
            ("root or api and health", "api::health-is-quick api::root"),
            ("'is quick'", "api::health-is-quick"),
            ("db::", "db::trades"),
            ("nothing", ""),
        ] {
            let selection = Selection { words: Some(text.parse().unwrap()), ..Selection::default() };
            assert_eq!(selected(&selection).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn marks_are_whole_words() {
        for (text, expected) in [
            ("slow", "api::root db::trades"),
            ("performance and not slow", "api::health-is-quick"),
            ("SLOW", "api::root db::trades"),
        ] {
            let selection = Selection { marks: Some(text.parse().unwrap()), ..Selection::default() };
            selection.check(&cases().iter()).unwrap();
            assert_eq!(selected(&selection).join(" "), expected, "{text}");
        }
        let selection = Selection { marks: Some("not slo".parse().unwrap()), ..Selection::default() };
        let error = selection.check(&cases().iter()).unwrap_err().to_string();
        assert_eq!(error, "no case has the mark `slo`; known are performance, slow");
    }

    #[test]
    fn ids() {
        for (ids, expected) in [
            (vec!["api::health"], "api::health-is-quick"),
            (vec!["api::"], "api::health-is-quick api::root"),
            (vec!["API::root", "db"], "api::root db::trades"),
            (vec!["*::root"], "api::root"),
            (vec!["*o*t*"], "api::root"),
            (vec!["d?::*"], "db::trades"),
            (vec!["root*"], ""),
        ] {
            let ids = ids.into_iter().map(str::to_owned).collect();
            let selection = Selection { ids, ..Selection::default() };
            assert_eq!(selected(&selection).join(" "), expected, "{:?}", selection.ids);
            assert_eq!(selection.check(&cases().iter()).is_err(), expected.is_empty());
        }
    }

    #[test]
    fn mistakes_have_a_position() {
        for (text, at, reason) in [
            ("", 0, "missing at the end"),
            ("a and", 5, "missing at the end"),
            ("a b", 2, "`b` is one too many"),
            ("(a or b", 0, "not closed"),
            ("a)", 1, "`)` is one too many"),
            ("and a", 0, "not `and`"),
            ("a or )", 5, "not `)`"),
            ("'a", 0, "quote is not closed"),
        ] {
            let Err(SelectionError::Expression { at: found, reason: why, .. }) = text.parse::<Expression>()
            else {
                panic!("{text} is an expression");
            };
            assert_eq!(found, at, "{text}");
            assert!(why.contains(reason), "{text}: {why}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[()a-c \"'not andor]{0,80}") {
            if let Ok(expression) = text.parse::<Expression>() {
                expression.holds(&|word| word.len() == 1);
            }
        }

        #[test]
        fn deep_nesting_is_an_error(depth in 65_usize..2000) {
            let text = format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
            prop_assert!(text.parse::<Expression>().is_err());
        }

        #[test]
        fn a_pattern_that_is_the_text_matches(text in "[a-c:]{0,20}") {
            prop_assert!(matches_wildcards(&text, &text));
            let pattern = format!("*{text}*");
            let wrapped = format!("x{text}y");
            prop_assert!(matches_wildcards(&pattern, &wrapped));
        }
    }
}
