//! Types of gRPC messages: from `.proto` files, or from what a service says about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::bounded_json::bounded_json;

/// The largest `.proto` file, in bytes.
pub const MAX_PROTO_BYTES: usize = 4 << 20;
/// The most `.proto` files of one set, imported ones included.
const MAX_PROTO_FILES: usize = 1_000;

/// Why there are no types, or none for a method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtoError {
    /// A file is wrong, or one that it imports is missing.
    #[error("{0}")]
    File(String),
    /// What a service says about itself is wrong.
    #[error("the descriptors of the service cannot be used: {0}")]
    Descriptor(String),
    /// There is no such service.
    #[error("there is no service `{service}`{known}")]
    Service {
        /// As asked for.
        service: String,
        /// Those that are there, as the end of the sentence.
        known: String,
    },
    /// The service has no such method.
    #[error("the service `{service}` has no method `{method}`{known}")]
    Method {
        /// Full name of the service.
        service: String,
        /// As asked for.
        method: String,
        /// Those that are there, as the end of the sentence.
        known: String,
    },
}

/// A message that its type does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// JSON that is no message of the type.
    #[error("it is no `{message}`: {reason}")]
    Json {
        /// Full name of the type.
        message: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes that are no message of the type.
    #[error("the bytes are no `{message}`: {reason}")]
    Bytes {
        /// Full name of the type.
        message: String,
        /// What is wrong with them.
        reason: String,
    },
}

/// `.proto` files to be compiled together, and where what they import is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtoSources {
    /// Paths of the files.
    pub files: Vec<String>,
    /// Folders that imports are relative to. The folders of the files themselves are tried after them.
    pub import_paths: Vec<String>,
}

impl ProtoSources {
    /// The places, in order, where an import may be that is in none of `files` (content by path); `None` when nothing
    /// is missing or a file cannot be read at all, which [`compile`](Self::compile) explains.
    pub fn missing_import(&self, files: &BTreeMap<String, Vec<u8>>) -> Option<Vec<String>> {
        // Google's own files are read and kept as soon as they are asked for, which a load without gRPC need not pay.
        if self.files.is_empty() {
            return None;
        }
        let google = GoogleFileResolver::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<String> = self.files.clone();
        while let Some(path) = open.pop() {
            if !seen.insert(path.clone()) || seen.len() > MAX_PROTO_FILES {
                continue;
            }
            let text = files.get(&path).and_then(|bytes| std::str::from_utf8(bytes).ok());
            let Some(Ok(file)) = text.map(|text| File::from_source(&path, text)) else { continue };
            for import in &file.file_descriptor_proto().dependency {
                if google.open_file(import).is_ok() {
                    continue;
                }
                let places = self.places(import);
                match places.iter().find(|place| files.contains_key(*place)) {
                    Some(found) => open.push(found.clone()),
                    None => return Some(places),
                }
            }
        }
        None
    }

    /// Compiles the files. `files` holds their content and that of what they import, by path.
    pub fn compile(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<ProtoTypes, ProtoError> {
        let known = Known { sources: self.clone(), files: files.clone() };
        let mut resolver = ChainFileResolver::new();
        resolver.add(known);
        resolver.add(GoogleFileResolver::new());
        let mut compiler = Compiler::with_file_resolver(resolver);
        for path in &self.files {
            let name = self.name_of(path);
            compiler.open_file(name).map_err(|error| {
                // The long form has the position, except where the file ends too early.
                let text = format!("{error:?}");
                let placed = error.file().is_none_or(|file| text.starts_with(file));
                ProtoError::File(if placed {
                    text
                } else {
                    format!("{}: {text}", error.file().unwrap_or(name))
                })
            })?;
        }
        Ok(ProtoTypes { pool: compiler.descriptor_pool() })
    }

    /// Where an import may be.
    fn places(&self, import: &str) -> Vec<String> {
        let of_files = self.files.iter().map(|file| folder(file));
        let mut places = Vec::new();
        for folder in self.import_paths.iter().map(String::as_str).chain(of_files) {
            let place = joined(folder, import);
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// The name by which others would import a file: relative to the folder that holds it.
    fn name_of<'p>(&self, path: &'p str) -> &'p str {
        let relative = |folder: &String| path.strip_prefix(folder.trim_end_matches('/'))?.strip_prefix('/');
        self.import_paths.iter().find_map(relative).unwrap_or_else(|| file_name(path))
    }
}

/// The files that were handed in, by the names that imports use.
struct Known {
    sources: ProtoSources,
    files: BTreeMap<String, Vec<u8>>,
}

impl FileResolver for Known {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let found = self.sources.places(name).into_iter().find_map(|place| self.files.get(&place));
        let bytes = found.ok_or_else(|| protox::Error::file_not_found(name))?;
        let text = std::str::from_utf8(bytes).map_err(protox::Error::new)?;
        File::from_source(name, text)
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn joined(folder: &str, name: &str) -> String {
    match folder.trim_end_matches('/') {
        "" if folder.starts_with('/') => format!("/{name}"),
        "" | "." => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// Services with the types of their messages.
#[derive(Clone, Debug)]
pub struct ProtoTypes {
    pool: DescriptorPool,
}

impl ProtoTypes {
    /// The types that a service describes: encoded `FileDescriptorProto`s, in any order. Google's own files need not be
    /// among them.
    pub fn of_descriptors(files: &[Vec<u8>]) -> Result<Self, ProtoError> {
        let google = GoogleFileResolver::new();
        let mut all = decoded(files)?;
        let mut next = 0;
        while let Some(file) = all.get(next) {
            let imports = file.dependency.clone();
            next += 1;
            for import in imports {
                if let (false, Ok(found)) =
                    (all.iter().any(|file| file.name() == import), google.open_file(&import))
                {
                    all.push(found.file_descriptor_proto().clone());
                }
            }
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(all).map_err(|error| ProtoError::Descriptor(error.to_string()))?;
        Ok(Self { pool })
    }

    /// The files that those in `files` (encoded `FileDescriptorProto`s) import, and that are neither among them nor
    /// Google's own.
    pub fn missing_files(files: &[Vec<u8>]) -> Result<BTreeSet<String>, ProtoError> {
        let google = GoogleFileResolver::new();
        let all = decoded(files)?;
        let names: BTreeSet<&str> = all.iter().map(FileDescriptorProto::name).collect();
        let imports = all.iter().flat_map(|file| &file.dependency);
        let missing =
            imports.filter(|name| !names.contains(name.as_str()) && google.open_file(name).is_err());
        Ok(missing.cloned().collect())
    }

    /// The method of a service.
    pub fn method(&self, service: &str, method: &str) -> Result<GrpcMethod, ProtoError> {
        let Some(found) = self.pool.get_service_by_name(service) else {
            let known = self.pool.services().map(|known| known.full_name().to_owned());
            return Err(ProtoError::Service {
                service: service.to_owned(),
                known: listed(&known.collect::<Vec<_>>()),
            });
        };
        match found.methods().find(|known| known.name() == method) {
            Some(descriptor) => Ok(GrpcMethod { descriptor }),
            None => Err(ProtoError::Method {
                service: service.to_owned(),
                method: method.to_owned(),
                known: listed(&found.methods().map(|known| known.name().to_owned()).collect::<Vec<_>>()),
            }),
        }
    }
}

fn decoded(files: &[Vec<u8>]) -> Result<Vec<FileDescriptorProto>, ProtoError> {
    let decode = |bytes: &Vec<u8>| FileDescriptorProto::decode(bytes.as_slice());
    let decoded: Result<Vec<_>, _> = files.iter().map(decode).collect();
    let decoded = decoded.map_err(|error| ProtoError::Descriptor(error.to_string()))?;
    // The library says so, too, but panics where it looks for the place.
    let unknown =
        |file: &&FileDescriptorProto| !matches!(file.syntax.as_deref(), None | Some("proto2" | "proto3"));
    match decoded.iter().find(unknown) {
        Some(file) => {
            let reason = format!("`{}` has the syntax `{}`, which is not known", file.name(), file.syntax());
            Err(ProtoError::Descriptor(reason))
        }
        None => Ok(decoded),
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    match names.len() {
        0 => String::new(),
        count if count > SHOWN => format!("; there are {}, …", names[..SHOWN].join(", ")),
        1 => format!("; there is {}", names[0]),
        _ => format!("; there are {}", names.join(", ")),
    }
}

/// A method with the types of what it takes and gives.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcMethod {
    descriptor: MethodDescriptor,
}

impl GrpcMethod {
    /// Whether it takes any number of messages, not one.
    pub fn takes_stream(&self) -> bool {
        self.descriptor.is_client_streaming()
    }

    /// Whether it answers with any number of messages, not one.
    pub fn gives_stream(&self) -> bool {
        self.descriptor.is_server_streaming()
    }

    /// A message to the method, from its JSON form.
    pub fn encode(&self, json: &[u8]) -> Result<Vec<u8>, MessageError> {
        let input = self.descriptor.input();
        let wrong = |error: serde_json::Error| MessageError::Json {
            message: self.descriptor.input().full_name().to_owned(),
            reason: error.to_string(),
        };
        let mut reader = serde_json::Deserializer::from_slice(json);
        let message = DynamicMessage::deserialize(input, &mut reader).map_err(wrong)?;
        reader.end().map_err(wrong)?;
        Ok(message.encode_to_vec())
    }

    /// Appends the JSON form of a message of the method: all fields, those with their default values included;
    /// 64-bit integers as numbers. An error when `json` would become longer than `limit` bytes, or deeper than readers of
    /// JSON take: a message in a `google.protobuf.Any` in another one has no depth of its own.
    pub fn decode(&self, bytes: &[u8], json: &mut Vec<u8>, limit: usize) -> Result<(), MessageError> {
        let output: MessageDescriptor = self.descriptor.output();
        let wrong = |reason: &dyn Display| MessageError::Bytes {
            message: self.descriptor.output().full_name().to_owned(),
            reason: reason.to_string(),
        };
        let message = DynamicMessage::decode(output, bytes).map_err(|error| wrong(&error))?;
        let options = SerializeOptions::new().skip_default_fields(false).stringify_64_bit_integers(false);
        message
            .serialize_with_options(&mut bounded_json(json, limit), &options)
            .map_err(|error| wrong(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRADING: &str = r#"
        syntax = "proto3";
        package trading.v1;
        import "common/money.proto";
        import "google/protobuf/timestamp.proto";
        service Quotes {
            rpc Get(Ask) returns (Quote);
            rpc Watch(stream Ask) returns (stream Quote);
        }
        message Ask { string symbol = 1; Side side = 2; int64 count = 3; }
        enum Side { SIDE_UNSPECIFIED = 0; BUY = 1; }
        message Quote { common.Money last_price = 1; google.protobuf.Timestamp at = 2; uint64 volume = 3; repeated string tags = 4; bytes raw = 5; }
    "#;
    const MONEY: &str = r#"syntax = "proto3"; package common; message Money { double amount = 1; }"#;

    fn files(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn sources(files: &[&str], import_paths: &[&str]) -> ProtoSources {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        ProtoSources { files: owned(files), import_paths: owned(import_paths) }
    }

    fn types() -> ProtoTypes {
        let all = files(&[("p/trading.proto", TRADING), ("p/common/money.proto", MONEY)]);
        sources(&["p/trading.proto"], &[]).compile(&all).unwrap()
    }

    #[test]
    fn imports_are_asked_for_until_nothing_is_missing() {
        for (paths, expected) in [
            (&[][..], &["p/common/money.proto"][..]),
            (&["inc/", "."], &["inc/common/money.proto", "common/money.proto", "p/common/money.proto"]),
            (&["/"], &["/common/money.proto", "p/common/money.proto"]),
        ] {
            let sources = sources(&["p/trading.proto"], paths);
            assert_eq!(sources.missing_import(&files(&[])), None, "a file that is not there imports nothing");
            let mut all = files(&[("p/trading.proto", TRADING)]);
            let places = sources.missing_import(&all).unwrap();
            assert_eq!(places, expected);
            all.insert(places[0].clone(), MONEY.as_bytes().to_vec());
            assert_eq!(sources.missing_import(&all), None);
            assert!(sources.compile(&all).unwrap().method("trading.v1.Quotes", "Get").is_ok());
        }
        // Two files that import each other end as well.
        let circle = files(&[
            ("a.proto", "syntax = \"proto3\"; import \"b.proto\";"),
            ("b.proto", "syntax = \"proto3\"; import \"a.proto\";"),
        ]);
        assert_eq!(sources(&["a.proto"], &[]).missing_import(&circle), None);
        let Err(ProtoError::File(message)) = sources(&["a.proto"], &[]).compile(&circle) else {
            panic!("compiled")
        };
        assert!(message.contains("cycle"), "{message}");
    }

    #[test]
    fn mistakes_in_files_have_their_position() {
        let wrong = "syntax = \"proto3\";\nmessage A { strin a = 1; }";
        for (text, words) in [
            (wrong, "a.proto:2:13: name 'strin' is not defined"),
            ("syntax = \"proto3\"\nmessage A {}", "a.proto:2:1: expected"),
            ("syntax = \"proto3\"\n", "a.proto: expected ';', but reached end of file"),
            ("import \"none.proto\";", "a.proto:1:1: import 'none.proto' not found"),
        ] {
            let result = sources(&["a.proto"], &[]).compile(&files(&[("a.proto", text)]));
            let Err(ProtoError::File(message)) = result else { panic!("compiled") };
            assert!(message.starts_with(words), "{message}");
        }
        let missing = sources(&["x/a.proto"], &[]).compile(&files(&[])).unwrap_err().to_string();
        assert!(missing.contains("'a.proto' is not in any include path"), "{missing}");
    }

    #[test]
    fn methods_are_found_or_those_that_are_there_are_named() {
        let types = types();
        let get = types.method("trading.v1.Quotes", "Get").unwrap();
        let watch = types.method("trading.v1.Quotes", "Watch").unwrap();
        assert!(!get.takes_stream() && !get.gives_stream() && watch.takes_stream() && watch.gives_stream());
        assert_eq!(
            types.method("trading.Quotes", "Get").unwrap_err().to_string(),
            "there is no service `trading.Quotes`; there is trading.v1.Quotes"
        );
        assert_eq!(
            types.method("trading.v1.Quotes", "get").unwrap_err().to_string(),
            "the service `trading.v1.Quotes` has no method `get`; there are Get, Watch"
        );
    }

    #[test]
    fn messages_have_a_json_form() {
        let get = types().method("trading.v1.Quotes", "Get").unwrap();
        // Enumerations by name, numbers as texts too: what variables become.
        let bytes = get.encode(br#"{"symbol": "SPY", "side": "BUY", "count": "7"}"#).unwrap();
        assert_eq!(bytes, b"\x0a\x03SPY\x10\x01\x18\x07");
        assert_eq!(get.encode(b"{}").unwrap(), b"");
        for (json, words) in [
            (r#"{"symbl": "SPY"}"#, "unrecognized field name 'symbl'"),
            (r#"{"symbol": 1}"#, "invalid type"),
            (r#"{"side": "HOLD"}"#, "HOLD"),
            (r#"{"symbol": "#, "EOF"),
            ("{} {}", "trailing characters"),
        ] {
            let message = get.encode(json.as_bytes()).unwrap_err().to_string();
            assert!(
                message.starts_with("it is no `trading.v1.Ask`: ") && message.contains(words),
                "{message}"
            );
        }
        let mut json = Vec::new();
        get.decode(
            b"\x0a\x09\x09\0\0\0\0\0\0\xf8\x3f\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            &mut json,
            1000,
        )
        .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json.pointer("/lastPrice/amount"), Some(&1.5.into()));
        assert_eq!(json.pointer("/volume"), Some(&u64::MAX.into()));
        assert_eq!(json.pointer("/tags"), Some(&serde_json::json!([])));
        let wrong = get.decode(b"\x0a\x09", &mut Vec::new(), 1000).unwrap_err().to_string();
        assert!(wrong.starts_with("the bytes are no `trading.v1.Quote`: "), "{wrong}");
    }

    /// A message of the type `A`, whose first field is an `Any` that holds an `Any`, and so on.
    fn any_in_any(levels: usize) -> Vec<u8> {
        let field = |number: u8, bytes: &[u8]| {
            let mut field = vec![number << 3 | 2];
            prost_reflect::prost::encoding::encode_varint(bytes.len() as u64, &mut field);
            field.extend_from_slice(bytes);
            field
        };
        let any = |inner: Vec<u8>| {
            let name = field(1, b"x/google.protobuf.Any");
            [name, field(2, &inner)].concat()
        };
        field(1, &(0..levels).fold(field(1, b"x/A"), |inner, _| any(inner)))
    }

    #[test]
    fn messages_are_neither_deeper_nor_longer_as_json_than_allowed() {
        let text = r#"syntax = "proto3"; import "google/protobuf/any.proto"; service S { rpc M(A) returns (A); }
            message A { google.protobuf.Any any = 1; repeated A more = 2; }"#;
        let types = sources(&["a.proto"], &[]).compile(&files(&[("a.proto", text)])).unwrap();
        let method = types.method("S", "M").unwrap();
        let decode = |bytes: &[u8], limit: usize| {
            let mut json = Vec::new();
            let result = method.decode(bytes, &mut json, limit).map_err(|error| error.to_string());
            assert!(json.len() <= limit);
            result.map(|()| json.len())
        };
        assert!(decode(&any_in_any(100), 100_000).is_ok());
        // Written without a limit, this many levels do not fit on a stack.
        let error = decode(&any_in_any(10_000), 64 << 20).unwrap_err();
        assert!(error.contains("nested more than 127 levels deep"), "{error}");
        // Two bytes each, and a dozen times as many as JSON.
        let error = decode(&b"\x12\0".repeat(10_000), 100_000).unwrap_err();
        assert!(error.contains("longer than 100000 bytes"), "{error}");
    }

    #[test]
    fn a_service_describes_itself() {
        let types = types();
        let files: Vec<Vec<u8>> =
            types.pool.file_descriptor_protos().map(prost_reflect::prost::Message::encode_to_vec).collect();
        let again = ProtoTypes::of_descriptors(&files).unwrap();
        let get = again.method("trading.v1.Quotes", "Get").unwrap();
        assert_eq!(get.encode(br#"{"symbol": "A"}"#).unwrap(), b"\x0a\x01A");
        assert!(ProtoTypes::of_descriptors(&[b"\xff".to_vec()]).is_err());
        // A file `e` in the syntax `editions`, alone and behind others.
        let newer = b"\x0a\x01e\x62\x08editions".to_vec();
        for files in [vec![newer.clone()], [files.clone(), vec![newer.clone()]].concat()] {
            let error = ProtoTypes::of_descriptors(&files).unwrap_err().to_string();
            assert!(error.ends_with("`e` has the syntax `editions`, which is not known"), "{error}");
            assert!(ProtoTypes::missing_files(&files).is_err());
        }
        let money = files.iter().position(|file| file.windows(6).any(|part| part == b"Money\x12")).unwrap();
        let incomplete = files.iter().enumerate().filter(|(i, _)| *i != money).map(|(_, file)| file.clone());
        let incomplete: Vec<Vec<u8>> = incomplete.collect();
        assert!(ProtoTypes::of_descriptors(&incomplete).is_err());
        let missing = ProtoTypes::missing_files(&incomplete).unwrap();
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["common/money.proto"]);
        // Google's own files are known without asking.
        let google = |file: &Vec<u8>| file.windows(16).any(|part| part == b"google.protobuf\x22");
        let own: Vec<Vec<u8>> = files.iter().filter(|file| !google(file)).cloned().collect();
        assert!(own.len() < files.len() && ProtoTypes::missing_files(&own).unwrap().is_empty());
        assert!(ProtoTypes::of_descriptors(&own).is_ok());
    }
}
