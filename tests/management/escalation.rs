//! No sequence of requests gives a key a scope, an owner or a lifetime beyond that of the keys that
//! made and changed it.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use tower_api_key::record::KeyRecord;
use tower_api_key::store::PageRequest;
use tower_api_key::{NewKey, Scope, ScopeSet};

use crate::heavy;
use crate::kit::{MANAGE, Server, request, server};

#[derive(Clone, Debug)]
enum Step {
    Create {
        scopes: Option<u8>,
        end: Option<u8>,
    },
    Patch {
        scopes: Option<u8>,
        end: Option<NewEnd>,
        disabled: Option<bool>,
    },
    Rotate {
        grace_hours: u8,
    },
    Revoke,
    Wait {
        hours: u8,
    },
}

/// Hours from the start; none means never.
type NewEnd = Option<u8>;

/// Who does it, to which key, and what.
type Deed = (usize, usize, Step);

fn steps() -> impl Strategy<Value = Vec<Deed>> {
    let scopes = || proptest::option::of(0..16_u8);
    let end = || proptest::option::of(1..100_u8);
    let step = prop_oneof![
        4 => (scopes(), end()).prop_map(|(scopes, end)| Step::Create { scopes, end }),
        6 => (scopes(), proptest::option::of(end()), proptest::option::of(any::<bool>()))
            .prop_map(|(scopes, end, disabled)| Step::Patch { scopes, end, disabled }),
        4 => (0..48_u8).prop_map(|grace_hours| Step::Rotate { grace_hours }),
        1 => Just(Step::Revoke),
        1 => (1..24_u8).prop_map(|hours| Step::Wait { hours }),
    ];
    vec((any::<usize>(), any::<usize>(), step), 1..40)
}

#[test]
fn no_key_gets_more_than_its_makers_had() {
    let config = Config {
        cases: heavy::size(40, 200),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.build().unwrap();
    let done = Cell::new(0);
    let result = TestRunner::new_with_rng(config, rng).run(&steps(), |steps| {
        done.set(done.get() + runtime.block_on(live(&steps)));
        Ok(())
    });
    result.unwrap();
    let done = done.get();
    // Proof that the sequences do things, and are not refused altogether.
    assert!(done > heavy::size(100, 500), "{done}");
}

/// Runs the steps and judges each; tells how many were done.
async fn live(steps: &[Deed]) -> usize {
    let server = server();
    let mut secrets = vec![
        callers(&server, "acct_42", &[Scope::READ, Scope::WRITE], Some(60)).await,
        callers(&server, "acct_42", &[Scope::READ], None).await,
        callers(&server, "acct_42", &[Scope::DELETE], Some(90)).await,
        callers(
            &server,
            "acct_7",
            &[Scope::READ, Scope::WRITE, Scope::DELETE],
            None,
        )
        .await,
    ];
    let mut done = 0;
    for (by, to, step) in steps {
        if let Step::Wait { hours } = step {
            server
                .clock
                .advance(Duration::from_secs(u64::from(*hours) * 3_600));
            continue;
        }
        let secret = secrets[by % secrets.len()].clone();
        let before = records(&server).await;
        let target = &before[to % before.len()];
        let caller = Caller::of(&server, &secret).await;
        let answer = ask(&server, &secret, target, step).await;
        let after = records(&server).await;
        let Some(caller) = caller else {
            assert_eq!(before, after, "a key that does not work did {step:?}");
            continue;
        };
        judge(&caller, &before, &after, step);
        if let Some(answer) = answer {
            done += 1;
            if let Some(key) = answer["key"].as_str() {
                let record = after
                    .iter()
                    .find(|one| answer["id"] == one.id().to_string())
                    .unwrap();
                assert!(
                    caller.covers(record),
                    "{step:?} hands out {record:?}, by {caller:?}"
                );
                secrets.push(key.to_owned());
            }
        }
    }
    done
}

async fn callers(server: &Server, owner: &str, scopes: &[Scope], hours: Option<u8>) -> String {
    let scopes: ScopeSet = scopes.iter().cloned().chain([MANAGE]).collect();
    let mut new = NewKey::new(owner, "first").with_scopes(scopes);
    if let Some(hours) = hours {
        new = new.expires_in(Duration::from_secs(u64::from(hours) * 3_600));
    }
    server
        .keys
        .issue(new)
        .await
        .unwrap()
        .key
        .expose_secret()
        .to_owned()
}

/// What a caller had when its request began.
#[derive(Debug)]
struct Caller {
    owner: String,
    scopes: ScopeSet,
    end: Timestamp,
}

impl Caller {
    async fn of(server: &Server, secret: &str) -> Option<Self> {
        let identity = server.keys.verifier().verify(secret).await.ok()?;
        let ends = [identity.expires_at(), identity.secret_retires_at()];
        Some(Self {
            owner: identity.owner().to_owned(),
            scopes: identity.scopes().clone(),
            end: ends.into_iter().flatten().min().unwrap_or(Timestamp::MAX),
        })
    }

    fn covers(&self, record: &KeyRecord) -> bool {
        let scopes = record.scopes();
        record.owner() == self.owner && self.scopes.contains_all(scopes) && end(record) <= self.end
    }
}

fn end(record: &KeyRecord) -> Timestamp {
    record.expires_at().unwrap_or(Timestamp::MAX)
}

/// Each scope of each key, for as long as the key has it, was there before or is the caller's.
fn judge(caller: &Caller, before: &[KeyRecord], after: &[KeyRecord], step: &Step) {
    for new in after {
        let old = before.iter().find(|old| old.id() == new.id());
        if old == Some(new) {
            continue;
        }
        assert_eq!(new.owner(), caller.owner, "{step:?} of another owner's key");
        // Of a key that was disabled, nothing was there.
        let old = old.filter(|old| !old.is_disabled() || new.is_disabled());
        let had = old.map_or(Timestamp::MIN, end);
        assert!(
            end(new) <= had.max(caller.end),
            "{step:?} made {old:?} {new:?} by {caller:?}"
        );
        for scope in new.scopes().iter() {
            let had = old
                .filter(|old| old.scopes().contains(scope))
                .map_or(Timestamp::MIN, end);
            let given = if caller.scopes.contains(scope) {
                caller.end
            } else {
                Timestamp::MIN
            };
            assert!(
                end(new) <= had.max(given),
                "{step:?} made {old:?} {new:?} by {caller:?}"
            );
        }
    }
}

async fn records(server: &Server) -> Vec<KeyRecord> {
    let mut all = Vec::new();
    for owner in ["acct_42", "acct_7"] {
        let page = server
            .keys
            .list(owner, &PageRequest::default())
            .await
            .unwrap();
        all.extend(page.keys().iter().map(|record| KeyRecord::clone(record)));
    }
    all
}

/// The body of the answer, if the step was done.
async fn ask(server: &Server, secret: &str, target: &KeyRecord, step: &Step) -> Option<Value> {
    let one = format!("/keys/{}", target.id());
    let (method, target, body) = match step {
        Step::Create { scopes, end } => {
            let mut body = json!({"name": "made"});
            set(&mut body, "scopes", scopes.map(names));
            set(&mut body, "expires_at", end.map(time));
            ("POST", "/keys".to_owned(), body)
        }
        Step::Patch {
            scopes,
            end,
            disabled,
        } => {
            let mut body = json!({"name": "changed"});
            set(&mut body, "scopes", scopes.map(names));
            set(
                &mut body,
                "expires_at",
                end.map(|end| end.map_or(Value::Null, time)),
            );
            set(&mut body, "disabled", disabled.map(Value::from));
            ("PATCH", one, body)
        }
        Step::Rotate { grace_hours } => {
            let body = json!({"grace_seconds": u64::from(*grace_hours) * 3_600});
            ("POST", format!("{one}/rotate"), body)
        }
        Step::Revoke => ("POST", format!("{one}/revoke"), json!({})),
        Step::Wait { .. } => return None,
    };
    let answer = server
        .send(request(secret, method, &target, Some(body)))
        .await;
    let status = answer.status.as_u16();
    assert!(
        [200, 201, 401, 403, 404, 409, 422].contains(&status),
        "{step:?} {answer:?}"
    );
    answer.status.is_success().then(|| answer.json())
}

fn set(body: &mut Value, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        body[name] = value;
    }
}

fn names(mask: u8) -> Value {
    let all = ["read", "write", "delete", "keys:manage"];
    let some = all
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| mask & (1 << bit) != 0);
    some.map(|(_, name)| name).collect()
}

fn time(hours: u8) -> Value {
    let start: Timestamp = crate::kit::START.parse().unwrap();
    let end = start + Duration::from_secs(u64::from(hours) * 3_600);
    end.to_string().into()
}
