//! A function fits on a screen: at most 70 lines from its signature to its closing brace, tests included.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::finding::Finding;
use crate::repository::Repository;

const LIMIT: usize = 70;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    repository.texts_with(&["rs"]).flat_map(|(path, text)| check_file(path, text)).collect()
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let file = match syn::parse_file(text) {
        Ok(file) => file,
        Err(error) => {
            let line = error.span().start().line.max(1);
            return vec![Finding::new(path, line, format!("not Rust: {error}"), "make it parse")];
        }
    };
    let mut functions = Functions { found: Vec::new() };
    functions.visit_file(&file);
    let too_long = functions.found.into_iter().filter(|function| function.lines > LIMIT);
    let finding = |function: Function| {
        let problem =
            format!("function `{}` has {} lines, the wall is {LIMIT}", function.name, function.lines);
        Finding::new(path, function.line, problem, "split it: decisions in the parent, loops in the leaves")
    };
    too_long.map(finding).collect()
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Collects every function with a body, nested ones too.
struct Functions {
    found: Vec<Function>,
}

impl Functions {
    fn add(&mut self, name: String, signature: Span, end: Span) {
        let (first, last) = (signature.start().line, end.end().line);
        self.found.push(Function { name, line: first, lines: last + 1 - first });
    }

    /// Functions in a macro's arguments, such as those of `proptest!`, are no syntax that syn knows; they are found
    /// by their shape: `fn name … { … }`.
    fn scan(&mut self, tokens: TokenStream) {
        let mut open: Option<(String, Span)> = None;
        let mut previous_is_fn: Option<Span> = None;
        for token in tokens {
            let fn_keyword = previous_is_fn.take();
            match token {
                TokenTree::Ident(ident) if ident == "fn" => previous_is_fn = Some(ident.span()),
                TokenTree::Ident(ident) => {
                    if let Some(span) = fn_keyword {
                        open = Some((ident.to_string(), span));
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => open = None,
                TokenTree::Group(group) => {
                    if group.delimiter() == Delimiter::Brace
                        && let Some((name, span)) = open.take()
                    {
                        self.add(name, span, group.span_close());
                    }
                    self.scan(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(function.sig.ident.to_string(), function.sig.span(), function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(function.sig.ident.to_string(), function.sig.span(), function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(function.sig.ident.to_string(), function.sig.span(), body.span());
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.scan(invocation.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `opening`, a body that brings the function to `lines` lines, and `closing`.
    fn source(opening: &str, lines: usize, closing: &str) -> String {
        format!("{opening}{}{closing}", "    let _ = 1;\n".repeat(lines - 2))
    }

    #[test]
    fn the_wall_is_between_70_and_71_lines() {
        let shapes = [
            ("fn f() {\n", "}\n"),
            ("/// Not\n/// counted.\n#[test]\npub async fn f() {\n", "}\n"),
            ("impl T {\nfn f(&self) {\n", "}\n}\n"),
            ("trait T {\nfn f(&self) {\n", "}\n}\n"),
            ("mod tests {\nfn f() {\n", "}\n}\n"),
            ("proptest! {\n#[test]\nfn f(x in 0..3) {\n", "}\n}\n"),
        ];
        for (opening, closing) in shapes {
            assert!(check_file("a.rs", &source(opening, 70, closing)).is_empty(), "{opening}");
            let found = check_file("a.rs", &source(opening, 71, closing));
            assert_eq!(found.len(), 1, "{opening}");
            assert!(found[0].problem.contains("`f` has 71 lines"), "{}", found[0].problem);
        }
    }

    #[test]
    fn a_long_signature_counts() {
        let opening = "fn f(\n    a: u8,\n    b: u8,\n) {\n";
        assert!(check_file("a.rs", &source(opening, 67, "}\n")).is_empty());
        assert_eq!(check_file("a.rs", &source(opening, 68, "}\n"))[0].line, 1);
    }

    #[test]
    fn a_type_of_function_is_none() {
        let text = format!("make! {{ a: fn(u8) -> u8, b: {{ {} }} }}", "1;\n".repeat(100));
        assert!(check_file("a.rs", &text).is_empty());
    }

    #[test]
    fn what_does_not_parse_is_said() {
        assert_eq!(check_file("a.rs", "fn f(\n").len(), 1);
    }
}
