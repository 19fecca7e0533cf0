//! Every public type, printed with a key inside wherever one fits.

use std::convert::Infallible;
use std::fmt::{Debug, Display};
use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Method, Request, Response, Uri};
use jiff::Timestamp;
use regex::Regex;
use sha2::{Digest, Sha256};
use tower::{Service, service_fn};
use tower_api_key::clock::{ManualClock, SystemClock};
use tower_api_key::denial::DenialKind;
use tower_api_key::key::{ApiKey, KeyFormat, KeyHasher};
use tower_api_key::middleware::{DefaultResponder, GrpcResponder, KeySource, Refusal};
use tower_api_key::observe::{Access, Decision};
use tower_api_key::policy::{MethodPolicy, RequestHead, Requirement};
use tower_api_key::record::{KeyChange, KeyUpdate, Revocation};
use tower_api_key::store::{KeyUse, PageRequest};
use tower_api_key::{ApiKeyLayer, Denial, IssuedKey, KeyManager, MemoryStore, RequireScope};
use tower_layer::Layer;

use super::kit::{answer, get, manager, new_key};
use super::public_changes;

/// Types that are a plain list of words, or that hold what no key can get into.
pub(crate) const WITHOUT_CONTENT: [&str; 10] = [
    "ConfigErrorKind",
    "DenialKind",
    "EnvKeyErrorKind",
    "Fault",
    "ImportRefusalKind",
    "KeyStatus",
    "ManageErrorKind",
    "StoreErrorKind",
    // Only the operating system's random source makes one, and only when it fails.
    "RandomnessError",
    // Has no fields.
    "TracingObserver",
];

/// A key, and everything that is made of it.
pub(crate) struct Marker {
    pub(crate) keys: KeyManager<MemoryStore>,
    pub(crate) fresh: IssuedKey,
}

impl Marker {
    pub(crate) async fn new() -> Self {
        let keys = manager();
        let fresh = keys.issue(new_key()).await.unwrap();
        Self { keys, fresh }
    }

    /// What must not be seen, in lower case.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let key = self.fresh.key.expose_secret();
        let digest = Sha256::digest(key.as_bytes());
        vec![
            // The shown 8 digits and the next.
            key[3..12].to_owned(),
            key[12..].to_owned(),
            hex::encode(digest),
            format!("{:?}", digest.as_slice()),
            format!("{:#?}", digest.as_slice()),
            PEPPER.to_owned(),
            format!("{:?}", PEPPER.as_bytes()),
        ]
    }
}

/// Printed by no hasher, and by nothing that has one.
const PEPPER: &str = "a-pepper-that-is-32-octets-long!";

/// The names of the types that the source declares as public.
pub(crate) fn declared() -> Vec<String> {
    let declaration = Regex::new(r"(?m)^    ?pub (?:struct|enum) (\w+)|^pub (?:struct|enum) (\w+)");
    let declaration = declaration.unwrap();
    let mut names = Vec::new();
    for_each_source(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut |source| {
            let found = declaration.captures_iter(source);
            names.extend(found.filter_map(|found| {
                let name = found.get(1).or(found.get(2))?;
                Some(name.as_str().to_owned())
            }));
        },
    );
    assert!(
        names.len() > 50,
        "expected the public types, found {names:?}"
    );
    names
}

fn for_each_source(folder: &Path, read: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            for_each_source(&path, read);
        } else {
            read(&fs::read_to_string(path).unwrap());
        }
    }
}

pub(super) type Printed = Vec<(&'static str, String)>;

/// The names of the types, each with all that its values print.
pub(crate) async fn printed(marker: &Marker) -> Printed {
    let mut all = of_keys(marker);
    all.extend(of_records(marker));
    all.extend(of_stores(marker).await);
    all.extend(of_imports(marker).await);
    all.extend(of_decisions(marker).await);
    all.extend(of_layers(marker));
    all.extend(public_changes::printed(marker).await);
    all
}

pub(super) fn debug(name: &'static str, value: &impl Debug) -> (&'static str, String) {
    (name, format!("{value:?} {value:#?}"))
}

pub(super) fn both<T: Debug + Display>(name: &'static str, value: &T) -> (&'static str, String) {
    (name, format!("{value:?} {value:#?} {value} {value:#}"))
}

fn of_keys(marker: &Marker) -> Printed {
    let key = marker.fresh.key.expose_secret();
    let format = KeyFormat::default();
    let hasher = KeyHasher::hmac_sha256(PEPPER.as_bytes()).unwrap();
    vec![
        debug("ApiKey", &marker.fresh.key),
        both("KeyPrefix", &marker.fresh.key.prefix()),
        debug("KeyDigest", &KeyHasher::sha256().digest(&marker.fresh.key)),
        debug("KeyHasher", &hasher),
        debug("KeyFormat", &format),
        both("InvalidKey", &format.parse(&format!("{key}0")).unwrap_err()),
        both(
            "InvalidKey",
            &format.parse(&key.to_uppercase()).unwrap_err(),
        ),
        both("InvalidKeyFormat", &KeyFormat::new("TC_").unwrap_err()),
        both(
            "InvalidKeyFormats",
            &tower_api_key::Verifier::new(MemoryStore::new())
                .with_formats([format; 2])
                .unwrap_err(),
        ),
        both(
            "InvalidKeyPrefix",
            &key.parse::<tower_api_key::key::KeyPrefix>().unwrap_err(),
        ),
        both(
            "InvalidDigest",
            &tower_api_key::key::KeyDigest::from_hex(key).unwrap_err(),
        ),
        both(
            "PepperTooShort",
            &KeyHasher::hmac_sha256(&PEPPER.as_bytes()[1..]).unwrap_err(),
        ),
        both(
            "EnvKeyError",
            &ApiKey::from_env("SC_LOG_3_NEVER_SET").unwrap_err(),
        ),
        both(
            "InvalidScope",
            &tower_api_key::Scope::new(format!("{key} ")).unwrap_err(),
        ),
        both("Scope", &tower_api_key::Scope::READ),
        both("ScopeSet", marker.fresh.record.scopes()),
    ]
}

fn of_records(marker: &Marker) -> Printed {
    let record = &*marker.fresh.record;
    let version = &record.secret_versions()[0];
    let now = Timestamp::UNIX_EPOCH;
    let key = marker.fresh.key.expose_secret();
    let rotate = KeyChange::Rotate {
        digest: *version.digest(),
        prefix: version.prefix(),
        at: now,
        others_retire_at: now,
    };
    let revoked = record
        .clone()
        .with_revocation(Some(Revocation::new(now, "leaked")));
    vec![
        debug("KeyRecord", record),
        debug("SecretVersion", version),
        debug("KeyChange", &rotate),
        both(
            "ChangeRefused",
            &KeyChange::Enable.applied_to(&revoked).unwrap_err(),
        ),
        debug("KeyUpdate", &KeyUpdate::new().with_name("CI")),
        debug("Revocation", &Revocation::new(now, "leaked")),
        both("KeyId", &record.id()),
        both(
            "InvalidKeyId",
            &key.parse::<tower_api_key::record::KeyId>().unwrap_err(),
        ),
        debug("KeyUse", &KeyUse::new(record.id(), 1, now)),
        debug("NewKey", &new_key()),
        debug("IssuedKey", &marker.fresh),
    ]
}

async fn of_stores(marker: &Marker) -> Printed {
    let Marker { keys, fresh } = marker;
    let page = keys.list("acct_42", &PageRequest::first(10)).await.unwrap();
    assert_eq!(page.keys().len(), 1);
    let twice = [
        KeyRecordCopy::clone(&fresh.record),
        KeyRecordCopy::clone(&fresh.record),
    ];
    let hasher = KeyHasher::hmac_sha256(PEPPER.as_bytes()).unwrap();
    #[cfg(feature = "tokio")]
    let deadline = {
        use tower_api_key::store::DeadlineStore;
        debug(
            "DeadlineStore",
            &DeadlineStore::new(keys.store().clone(), Duration::from_secs(1)),
        )
    };
    #[cfg(not(feature = "tokio"))]
    let deadline = debug("DeadlineStore", &Duration::from_secs(1));
    vec![
        debug("MemoryStore", keys.store()),
        deadline,
        debug("KeyPage", &page),
        debug("PageRequest", &PageRequest::first(10)),
        both("StoreError", &MemoryStore::from_records(twice).unwrap_err()),
        both(
            "ManageError",
            &keys
                .issue(tower_api_key::NewKey::new("", ""))
                .await
                .unwrap_err(),
        ),
        debug("KeyManager", &keys.clone().with_hasher(hasher.clone())),
        debug("Verifier", &keys.verifier().with_hasher(hasher)),
        debug("SystemClock", &SystemClock::new()),
        debug("ManualClock", &ManualClock::at(Timestamp::UNIX_EPOCH)),
    ]
}

async fn of_imports(marker: &Marker) -> Printed {
    use tower_api_key::manage::LegacyKey;

    let key = marker.fresh.key.expose_secret();
    let digest = *marker.fresh.record.secret_versions()[0].digest();
    let legacy = [
        LegacyKey::new("acct_42", "CI", digest),
        // A column taken for another.
        LegacyKey::from_hex("acct_42", "CI", key),
    ];
    let report = marker.keys.import(legacy.clone()).await.unwrap();
    #[cfg(feature = "test-util")]
    let faulty = {
        use tower_api_key::testing::FaultyStore;
        debug("FaultyStore", &FaultyStore::new(marker.keys.store(), 42))
    };
    #[cfg(not(feature = "test-util"))]
    let faulty = debug("FaultyStore", &());
    vec![
        debug("LegacyKey", &legacy),
        debug("ImportReport", &report),
        both("ImportRefusal", &report.refused()[0]),
        both("ImportRefusal", &report.refused()[1]),
        faulty,
    ]
}

type KeyRecordCopy = tower_api_key::record::KeyRecord;

async fn of_decisions(marker: &Marker) -> Printed {
    let Marker { keys, fresh } = marker;
    let key = fresh.key.expose_secret();
    let identity = keys.verifier().verify(key).await.unwrap();
    // A key everywhere in the request, the query too.
    let uri: Uri = format!("/items?key={key}").parse().unwrap();
    let names = [http::header::AUTHORIZATION];
    let headers = HeaderMap::from_iter([(names[0].clone(), key.parse().unwrap())]);
    let head = RequestHead::new(&Method::GET, &uri, &headers, &names);
    let denial = Denial::new(DenialKind::Unknown);
    let refused = format!("{:?}", refusal(marker).await);
    vec![
        debug("Identity", &identity),
        debug("RequestHead", &head),
        debug("Decision", &Decision::new(head, Ok(Access::Key(&identity)))),
        debug("Access", &Access::Key(&identity)),
        both("Denial", &denial),
        ("Refusal", refused),
        debug("Requirement", &Requirement::NotPermitted),
        debug("MethodPolicy", &MethodPolicy::new()),
    ]
}

/// What a responder sees, of a request with a key that was revoked.
async fn refusal(marker: &Marker) -> String {
    let responder = |refusal: &Refusal<'_>| Response::new(Body::from(format!("{refusal:#?}")));
    let revoked = marker.fresh.record.clone();
    let revoked = KeyRecordCopy::clone(&revoked)
        .with_revocation(Some(Revocation::new(Timestamp::UNIX_EPOCH, "leaked")));
    let store = MemoryStore::from_records([revoked]).unwrap();
    let layer = ApiKeyLayer::new(store).with_responder(responder);
    let inner =
        service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let request = get(Some(marker.fresh.key.expose_secret()));
    let Ok(response) = layer.layer(inner).call(request).await;
    let body = axum::body::to_bytes(response.into_body(), 65_536)
        .await
        .unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[derive(Clone, Debug)]
struct Inner;

impl Service<Request<Body>> for Inner {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

fn of_layers(marker: &Marker) -> Printed {
    let key = marker.fresh.key.expose_secret();
    let layer = ApiKeyLayer::new(super::kit::Waiting(marker.keys.store().clone()))
        .with_hasher(KeyHasher::hmac_sha256(PEPPER.as_bytes()).unwrap());
    let scope = RequireScope::new([tower_api_key::Scope::READ]);
    let mut service = layer.layer(Inner);
    // A future that waits for the store holds the request with its key.
    let waiting = service.call(get(Some(key)));
    vec![
        debug("ApiKeyLayer", &layer),
        debug("ApiKeyAuth", &service),
        debug("ResponseFuture", &waiting),
        debug("RequireScope", &scope),
        debug("ScopeGuard", &scope.layer(Inner)),
        debug("KeySource", &KeySource::BEARER),
        debug("DefaultResponder", &DefaultResponder::new()),
        debug("GrpcResponder", &GrpcResponder::new()),
        both("ConfigError", &layer.clone().with_realm("").unwrap_err()),
        missing_identity(),
    ]
}

/// Is made by the extractor only, which says in its answer what it is.
fn missing_identity() -> (&'static str, String) {
    #[cfg(feature = "axum")]
    {
        use axum::extract::FromRequestParts;

        let (mut parts, ()) = Request::new(()).into_parts();
        let extracted = tower_api_key::Identity::from_request_parts(&mut parts, &());
        let missing = futures::executor::block_on(extracted).unwrap_err();
        debug("MissingIdentity", &missing)
    }
    #[cfg(not(feature = "axum"))]
    ("MissingIdentity", String::new())
}

/// An answer to nobody shows nothing either.
#[tokio::test]
async fn sc_log_3_an_answer_shows_no_key() {
    let marker = Marker::new().await;
    let layer = ApiKeyLayer::new(MemoryStore::new());
    let response = answer(&layer, Some(marker.fresh.key.expose_secret())).await;
    let printed = format!("{response:?}").to_ascii_lowercase();
    assert!(
        marker
            .secrets()
            .iter()
            .all(|secret| !printed.contains(secret)),
        "{printed}"
    );
}
