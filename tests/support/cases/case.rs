//! One line of `requests.jsonl`.

use std::fs;
use std::path::{Path, PathBuf};

use http::{StatusCode, Version};
use serde_json::{Map, Value, json};

use super::template::fill;

/// A request, and the answer that it must get. Every key is filled in.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) via: Via,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names and values in latin-1, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    pub(crate) config: Map<String, Value>,
    pub(crate) setup: Setup,
    pub(crate) status: u16,
    /// `expect_headers` and `soft_headers`.
    pub(crate) expect_headers: Vec<(String, Value)>,
    pub(crate) body_contains: Vec<String>,
    /// `expect_absent` and `soft_absent`.
    pub(crate) absent: Vec<String>,
    pub(crate) inner: Map<String, Value>,
    pub(crate) pending: Option<String>,
    /// Whether the layer's gRPC answers are switched on.
    pub(crate) has_grpc: bool,
    pub(crate) version: Version,
}

/// How a case reaches the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Tower,
    /// Octets on a socket. Names keep their case, so `h1` goes this way too.
    H1,
    H2,
}

/// The fixture that a case asks for.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) store: Option<String>,
    pub(crate) store_calls: Option<u64>,
    pub(crate) store_calls_max: Option<u64>,
    pub(crate) preset_extension: Option<String>,
    pub(crate) record_scopes: Option<Vec<String>>,
    pub(crate) expiry: Expiry,
    pub(crate) revoked_in_s: Option<f64>,
    pub(crate) also_revoked: bool,
}

/// What a case says of the end of its keys.
#[derive(Clone, Copy, Default)]
pub(crate) enum Expiry {
    /// Nothing: each state has its own.
    #[default]
    OfState,
    Never,
    /// So many seconds after the time of the case.
    In(f64),
}

/// Options of later work; a case that needs one is pending.
const FUTURE_OPTIONS: [&str; 5] = [
    "require_https",
    "problem_json",
    "rate_limit",
    "failure_limit",
    "identity_headers",
];

/// Where the cases of the contract are, if this tree has them, and the committed copy otherwise.
pub(crate) fn folder() -> PathBuf {
    let shared = shared_folder();
    if shared.is_dir() {
        shared
    } else {
        committed_folder()
    }
}

/// The cases of the contract, beside the project.
pub(crate) fn shared_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases")
}

/// The copy of them that is part of the project.
pub(crate) fn committed_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// Reads every case.
///
/// # Panics
///
/// When the file cannot be read, or a line is not understood.
pub(crate) fn load() -> Vec<Case> {
    let path = folder().join("requests.jsonl");
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("expected cases in {}: {error}", path.display()));
    text.lines().map(Case::parse).collect()
}

impl Case {
    fn parse(line: &str) -> Self {
        let line: Map<String, Value> = serde_json::from_str(line).expect("a line of JSON");
        let text = |name: &str| line[name].as_str().expect("a text").to_owned();
        let object = |name: &str| -> Map<String, Value> {
            line.get(name)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default()
        };
        let config = object("config");
        let mut pending = pending_option(&config);
        let setup = Setup::parse(&object("setup"), &mut pending);
        let has_grpc = text("group") == "grpc";
        Self {
            id: text("id"),
            via: Via::parse(&text("via")),
            method: text("method"),
            path: fill(&text("path")),
            headers: headers(&line["headers"]),
            body: line
                .get("request_body")
                .map(|body| fill(body.as_str().expect("a text"))),
            config,
            setup,
            status: number(&line["expect_status"]),
            expect_headers: [object("expect_headers"), object("soft_headers")]
                .into_iter()
                .flatten()
                .collect(),
            body_contains: texts(&line["expect_body_contains"]),
            absent: [
                &line["expect_absent"],
                line.get("soft_absent").unwrap_or(&Value::Null),
            ]
            .into_iter()
            .flat_map(texts)
            .collect(),
            inner: object("expect_inner"),
            pending,
            has_grpc,
            version: if has_grpc {
                Version::HTTP_2
            } else {
                Version::HTTP_11
            },
        }
    }

    /// The same request where it must get the ordinary answer: with gRPC answers switched off, and,
    /// where that is no gRPC request, over HTTP/1.1 or as a GET.
    pub(crate) fn ordinary(&self) -> Vec<Self> {
        if !self.has_grpc {
            return Vec::new();
        }
        let lines =
            |wanted: &'static str| self.headers.iter().filter(move |(name, _)| name == wanted);
        let grpc_status = self
            .expect_headers
            .iter()
            .find(|(name, _)| name == "grpc-status");
        let grpc_status = grpc_status.and_then(|(_, status)| status.as_str());
        let status = match grpc_status {
            Some("16") if lines("authorization").count() > 1 => StatusCode::BAD_REQUEST,
            Some("7") => StatusCode::FORBIDDEN,
            Some("14") => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        };
        let ordinary = Self {
            status: status.as_u16(),
            expect_headers: vec![
                ("content-type".to_owned(), json!("application/json")),
                (
                    "@json".to_owned(),
                    json!({"error": status.canonical_reason()}),
                ),
            ],
            absent: vec!["grpc-status".to_owned()],
            ..self.clone()
        };
        let off = Self {
            has_grpc: false,
            ..ordinary.clone()
        };
        let over_http1 = Self {
            version: Version::HTTP_11,
            ..ordinary.clone()
        };
        let get = Self {
            method: "GET".to_owned(),
            ..ordinary
        };
        let is_plain_grpc = lines("content-type").any(|(_, value)| value == "application/grpc");
        [
            Some(off),
            is_plain_grpc.then_some(over_http1),
            // A key that may read is enough for GET.
            (grpc_status != Some("7")).then_some(get),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether the inner service must be called: where the case does not say, exactly when the
    /// answer is a success.
    pub(crate) fn is_allowed(&self) -> bool {
        let called = self.inner.get("called").and_then(Value::as_bool);
        called.unwrap_or((200..300).contains(&self.status))
    }

    /// Whether a key stands in the target, where nobody may put it but some clients do.
    pub(crate) fn has_key_in_target(&self) -> bool {
        super::keys::secrets()
            .iter()
            .any(|secret| self.path.contains(secret))
    }
}

impl Via {
    fn parse(name: &str) -> Self {
        match name {
            "tower" => Self::Tower,
            "h1" | "raw-h1" => Self::H1,
            "h2" => Self::H2,
            _ => panic!("no such way: {name}"),
        }
    }
}

impl Setup {
    fn parse(setup: &Map<String, Value>, pending: &mut Option<String>) -> Self {
        let mut parsed = Self::default();
        for (name, value) in setup {
            match name.as_str() {
                // The clock of every case is frozen.
                "clock" => assert_eq!(value, "frozen", "no such clock"),
                "store" => parsed.store = value.as_str().map(str::to_owned),
                "expect_store_calls" => parsed.store_calls = value.as_u64(),
                "expect_store_calls_max" => parsed.store_calls_max = value.as_u64(),
                "preset_extension" => parsed.preset_extension = value.as_str().map(str::to_owned),
                "record_scopes" => parsed.record_scopes = Some(texts(value)),
                "expires_in_s" => parsed.expiry = value.as_f64().map_or(Expiry::Never, Expiry::In),
                "revoked_in_s" => parsed.revoked_in_s = value.as_f64(),
                "also_revoked" => parsed.also_revoked = value == true,
                "not_before_s" => {
                    *pending = Some("a record has no `not_before` yet".to_owned());
                }
                _ => panic!("no such setup: {name}"),
            }
        }
        if parsed.store.as_deref() == Some("timeout") && cfg!(not(feature = "tokio")) {
            *pending = Some("needs the feature tokio".to_owned());
        }
        parsed
    }
}

fn pending_option(config: &Map<String, Value>) -> Option<String> {
    let option = config
        .keys()
        .find(|option| FUTURE_OPTIONS.contains(&option.as_str()))?;
    Some(format!("the layer has no option `{option}` yet"))
}

fn headers(lines: &Value) -> Vec<(String, String)> {
    let lines = lines.as_array().expect("a list of headers");
    lines
        .iter()
        .map(|line| {
            let pair = texts(line);
            assert_eq!(pair.len(), 2, "a header is a name and a value");
            (pair[0].clone(), pair[1].clone())
        })
        .collect()
}

/// A list of texts with their keys filled in; nothing for `null`.
fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|text| fill(text.as_str().expect("a text")))
        .collect()
}

fn number(value: &Value) -> u16 {
    value
        .as_u64()
        .and_then(|number| number.try_into().ok())
        .expect("a status")
}
