//! Forms with files: `multipart/form-data` (RFC 7578).

use std::sync::Arc;

use crate::{Body, BodyPart, Piece, Template};

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormPart {
    /// Name of the field.
    pub name: String,
    /// What it holds.
    pub value: FormValue,
    /// Media type of the value; `application/octet-stream` for a file when there is none, and none for a text.
    pub content_type: Option<String>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormValue {
    /// A text, possibly with variables.
    Text(Template),
    /// A file.
    File {
        /// Its name as the service sees it, without folders.
        name: String,
        /// Its content.
        content: Arc<[u8]>,
    },
}

impl FormPart {
    /// Puts the fields of a form together: the body, and the value of `Content-Type` that says where its parts end.
    pub fn join(parts: &[Self]) -> (Body, String) {
        let boundary = boundary(parts);
        let mut body = Vec::new();
        let mut text = Template::default();
        for part in parts {
            text.push_literal(&format!("--{boundary}\r\n{}", part.head()));
            match &part.value {
                FormValue::Text(value) => text.append(value),
                FormValue::File { content, .. } => {
                    body.push(BodyPart::Text(std::mem::take(&mut text)));
                    body.push(BodyPart::Bytes(Arc::clone(content)));
                }
            }
            text.push_literal("\r\n");
        }
        text.push_literal(&format!("--{boundary}--\r\n"));
        body.push(BodyPart::Text(text));
        (Body::Parts(body.into()), format!("multipart/form-data; boundary={boundary}"))
    }

    /// The part's header fields and the empty line after them.
    fn head(&self) -> String {
        let mut head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(&self.name));
        let mut content_type = self.content_type.as_deref();
        if let FormValue::File { name, .. } = &self.value {
            head.push_str(&format!("; filename=\"{}\"", quoted(name)));
            content_type = content_type.or(Some("application/octet-stream"));
        }
        if let Some(content_type) = content_type {
            head.push_str(&format!("\r\nContent-Type: {content_type}"));
        }
        head + "\r\n\r\n"
    }
}

/// A name between quotes, escaped as browsers do: RFC 7578 leaves everything else as it is.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// A line that stands nowhere in the form. Always the same for the same form, so that runs can be repeated.
fn boundary(parts: &[FormPart]) -> String {
    let is_used = |boundary: &str| {
        parts.iter().any(|part| match &part.value {
            FormValue::Text(text) => text
                .pieces
                .iter()
                .any(|piece| matches!(piece, Piece::Literal(literal) if literal.contains(boundary))),
            FormValue::File { content, .. } => {
                content.windows(boundary.len()).any(|window| window == boundary.as_bytes())
            }
        })
    };
    let mut number = 0_u32;
    loop {
        let boundary = format!("----------------pulse-5f0d9c61b7a24e83-{number:04}");
        if !is_used(&boundary) {
            return boundary;
        }
        number += 1;
    }
}

/// A field as curl's `-F` takes it: `name=text`, `name=@path` with `;type=…` and `;filename=…`, where `read` gives the
/// content of a file.
///
/// # Errors
/// A sentence about what is wrong; those of `read` are passed on.
pub fn parse_form_field<E>(
    text: &str,
    read: impl FnOnce(&str) -> Result<Vec<u8>, E>,
) -> Result<Result<FormPart, E>, String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        format!("`{text}` is not a form field; write name=text or name=@file;type=image/png")
    })?;
    let mut settings = value.split(';');
    let first = settings.next().unwrap_or_default();
    let Some(path) = first.strip_prefix('@') else {
        let value = FormValue::Text(Template::literal(value));
        return Ok(Ok(FormPart { name: name.to_owned(), value, content_type: None }));
    };
    let mut file_name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
    let mut content_type = None;
    for setting in settings {
        match setting.trim().split_once('=') {
            Some(("type", value)) if is_media_type(value) => content_type = Some(value.to_owned()),
            Some(("filename", value)) if !value.is_empty() => {
                value.trim_matches('"').clone_into(&mut file_name)
            }
            _ => return Err(format!("`{setting}` after a file is neither type=… nor filename=…")),
        }
    }
    let content = match read(path) {
        Ok(content) => content.into(),
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(FormPart {
        name: name.to_owned(),
        value: FormValue::File { name: file_name, content },
        content_type,
    }))
}

/// Whether a text may stand in a part's `Content-Type`.
pub(crate) fn is_media_type(text: &str) -> bool {
    text.contains('/') && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, value: &str) -> FormPart {
        FormPart { name: name.into(), value: FormValue::Text(Template::literal(value)), content_type: None }
    }

    fn bytes(body: &Body) -> Vec<u8> {
        let Body::Parts(parts) = body else { panic!("{body:?}") };
        let one = |part: &BodyPart| match part {
            BodyPart::Text(text) => text.as_static().unwrap().as_bytes().to_vec(),
            BodyPart::Bytes(bytes) => bytes.to_vec(),
        };
        parts.iter().flat_map(one).collect()
    }

    #[test]
    fn a_form_is_written_as_the_rfc_says() {
        let file = FormValue::File { name: "a\"b\r\n.png".into(), content: (*b"\x89\0\r\n").into() };
        let parts = [
            text("x", "1\r\n2"),
            FormPart { name: "file".into(), value: file, content_type: Some("image/png".into()) },
        ];
        let (body, content_type) = FormPart::join(&parts);
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert!(boundary.len() <= 70);
        let expected = [
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n2\r\n").as_bytes(),
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a%22b%0D%0A.png\"\r\n\
                 Content-Type: image/png\r\n\r\n"
            )
            .as_bytes(),
            b"\x89\0\r\n",
            format!("\r\n--{boundary}--\r\n").as_bytes(),
        ]
        .concat();
        assert_eq!(bytes(&body), expected);
    }

    #[test]
    fn no_content_ends_its_part() {
        let (_, usual) = FormPart::join(&[text("x", "")]);
        let evil = usual.rsplit('=').next().unwrap().to_owned();
        let in_file = FormValue::File { name: "f".into(), content: evil.as_bytes().into() };
        for part in [text("x", &evil), FormPart { name: "f".into(), value: in_file, content_type: None }] {
            let (_, content_type) = FormPart::join(&[part]);
            assert_ne!(content_type, usual);
        }
    }

    #[test]
    fn fields_as_curl_takes_them() {
        let read = |path: &str| if path == "no" { Err("cannot") } else { Ok(path.as_bytes().to_vec()) };
        let file = |name: &str, content: &str| FormValue::File {
            name: name.into(),
            content: content.as_bytes().into(),
        };
        for (given, value, content_type) in [
            ("n=a=b;c", FormValue::Text(Template::literal("a=b;c")), None),
            ("n=", FormValue::Text(Template::literal("")), None),
            ("n=@dir/a.png", file("a.png", "dir/a.png"), None),
            ("n=@a;type=image/png", file("a", "a"), Some("image/png")),
            ("n=@a;filename=\"b c\"; type=x/y", file("b c", "a"), Some("x/y")),
        ] {
            let part = FormPart { name: "n".into(), value, content_type: content_type.map(str::to_owned) };
            assert_eq!(parse_form_field(given, read), Ok(Ok(part)), "{given}");
        }
        assert_eq!(parse_form_field("n=@no", read), Ok(Err("cannot")));
        for wrong in ["", "n", "=x", "n=@a;type=png", "n=@a;x=y", "n=@a;"] {
            assert!(parse_form_field(wrong, read).is_err(), "{wrong}");
        }
    }
}
