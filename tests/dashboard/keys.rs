//! Making, changing and stopping keys.

use axum::http::StatusCode;
use tower_api_key::record::{KeyRecord, KeyStatus};
use tower_api_key::store::{AuditPageRequest, KeyUse, PageRequest, UsageBatch, UsageStore};
use tower_api_key::{NewKey, Scope};

use crate::browser::{Browser, OWNER, Page, app, keys, management_key, sessions};
use crate::counted::counted;
use crate::dashboard::Keys;
use crate::heavy;

const LIST: &str = "/dashboard/keys";

struct Fixture {
    keys: Keys,
    browser: Browser,
    csrf: String,
}

async fn fixture() -> Fixture {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let mut browser = Browser::signed_in(&app, &management_key(&keys, OWNER).await).await;
    let csrf = browser.get(LIST).await.field("csrf").to_owned();
    Fixture {
        keys,
        browser,
        csrf,
    }
}

impl Fixture {
    async fn victim(&self) -> std::sync::Arc<KeyRecord> {
        let new = NewKey::new(OWNER, "CI").with_scopes([Scope::READ]);
        let end = std::time::Duration::from_secs(86_400);
        self.keys.issue(new.expires_in(end)).await.unwrap().record
    }

    async fn change(&mut self, seen: &KeyRecord, what: &str, fields: &[(&str, &str)]) -> Page {
        let revision = seen.revision().to_string();
        let mut all = vec![("csrf", self.csrf.as_str()), ("revision", &revision)];
        all.extend(fields);
        let path = format!("{LIST}/{}/{what}", seen.id());
        self.browser.post(&path, &all).await
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_made_once() {
    let mut fixture = fixture().await;
    let form = fixture.browser.get("/dashboard/keys/new").await;
    for permits in ["GET, HEAD", "POST, PUT, PATCH", "DELETE", "this dashboard"] {
        assert!(
            form.text.contains(&format!("permits {permits}")),
            "{permits}"
        );
    }
    let fields = [
        ("csrf", form.field("csrf")),
        ("token", form.field("token")),
        ("name", "CI"),
        ("scope", "read"),
        ("scope", "write"),
        ("expiration", "90"),
        ("date", ""),
    ];
    let page = fixture.browser.post(LIST, &fields).await;
    assert_eq!(page.status, StatusCode::CREATED);
    assert!(
        page.text
            .contains("Copy it now: it will not be shown again.")
    );
    let plaintext = page.plaintext().to_owned();
    let identity = fixture.keys.verifier().verify(&plaintext).await.unwrap();
    assert_eq!((identity.owner(), identity.name()), (OWNER, "CI"));
    assert_eq!(identity.scopes().to_string(), "read write");
    assert!(!format!("{:?}", page.headers).contains(&plaintext));

    let again = fixture.browser.post(LIST, &fields).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("This key was shown already"));
    let key = format!("{LIST}/{}", identity.key_id());
    for path in [LIST, &key, &format!("{key}/edit"), "/dashboard/audit"] {
        let later = fixture.browser.get(path).await;
        assert_eq!(later.status, StatusCode::OK);
        assert!(!later.text.contains(&plaintext), "{path}");
    }
    assert!(!again.text.contains(&plaintext));
    let all = fixture
        .keys
        .list(OWNER, &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(all.keys().len(), 2);
}

#[tokio::test]
async fn a_wrong_form_names_every_field_and_makes_nothing() {
    let mut fixture = fixture().await;
    let form = fixture.browser.get("/dashboard/keys/new").await;
    for (date, message) in [
        ("", "Choose an expiration date."),
        ("2001-02-03", "Choose a date in the future."),
        ("9000-01-01", "Choose a date no later than that of the key"),
    ] {
        let fields = [
            ("csrf", form.field("csrf")),
            ("token", form.field("token")),
            ("name", " "),
            ("scope", "no scope"),
            ("expiration", "date"),
            ("date", date),
        ];
        let page = fixture.browser.post(LIST, &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        for id in ["name-error", "scopes-error", "expiration-error"] {
            assert!(page.text.contains(&format!("id=\"{id}\"")), "{id}");
        }
        assert!(page.text.contains(message), "{message}");
    }
    let all = fixture
        .keys
        .list(OWNER, &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(all.keys().len(), 1);
}

#[tokio::test]
async fn what_the_crate_refuses_stands_beside_its_field() {
    let mut fixture = fixture().await;
    let form = fixture.browser.get("/dashboard/keys/new").await;
    let long = "n".repeat(257);
    for (name, message) in [
        // It turns round what follows it.
        ("a\u{202e}b", "Expected a name without control characters."),
        ("\u{200b}", "Expected a name, found an empty text."),
        (&long, "Expected a name of at most 256 octets, found 257."),
    ] {
        let fields = [
            ("csrf", form.field("csrf")),
            ("token", form.field("token")),
            ("name", name),
            ("scope", "read"),
            ("expiration", "30"),
        ];
        let page = fixture.browser.post(LIST, &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        let error = format!("id=\"name-error\">{message}");
        assert!(page.text.contains(&error), "{}", page.text);
    }
}

#[tokio::test]
async fn what_is_asked_for_wrongly_gets_a_page_of_the_dashboard() {
    let mut fixture = fixture().await;
    for (path, status) in [
        ("/dashboard/audit?before=abc", StatusCode::NOT_FOUND),
        ("/dashboard/audit?before=", StatusCode::NOT_FOUND),
        ("/dashboard/keys?after=abc", StatusCode::NOT_FOUND),
        ("/dashboard/keys?after=a&after=b", StatusCode::NOT_FOUND),
        ("/dashboard/keys/%ff", StatusCode::NOT_FOUND),
        ("/dashboard/keys/key_1/edit", StatusCode::NOT_FOUND),
        ("/dashboard/sign-out", StatusCode::METHOD_NOT_ALLOWED),
        ("/dashboard/nothing", StatusCode::NOT_FOUND),
    ] {
        let page = fixture.browser.get(path).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.text.starts_with("<!DOCTYPE html>"), "{path}");
    }
    let page = fixture.browser.post("/dashboard/style.css", &[]).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(page.text.starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn a_revoked_key_has_no_forms() {
    let mut fixture = fixture().await;
    let victim = fixture.victim().await;
    fixture
        .change(&victim, "revoke", &[("reason", "lost")])
        .await;
    for form in ["edit", "revoke"] {
        let page = fixture
            .browser
            .get(&format!("{LIST}/{}/{form}", victim.id()))
            .await;
        let key = format!("{LIST}/{}", victim.id());
        assert_eq!(
            (page.status, page.location()),
            (StatusCode::SEE_OTHER, &*key)
        );
    }
}

#[tokio::test]
async fn a_key_goes_through_its_life() {
    let mut fixture = fixture().await;
    let first = fixture.victim().await;
    let page = fixture.change(&first, "rotate", &[("grace", "24")]).await;
    assert_eq!(page.status, StatusCode::OK);
    let plaintext = page.plaintext().to_owned();
    assert!(fixture.keys.verifier().verify(&plaintext).await.is_ok());

    let id = first.id();
    let get = |keys: Keys| async move { keys.get(&id).await.unwrap().unwrap() };
    let rotated = get(fixture.keys.clone()).await;
    assert_eq!(rotated.secret_versions().len(), 2);
    let page = fixture
        .change(&rotated, "switch", &[("to", "disabled")])
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let disabled = get(fixture.keys.clone()).await;
    assert!(disabled.is_disabled());
    fixture
        .change(&disabled, "switch", &[("to", "enabled")])
        .await;
    let enabled = get(fixture.keys.clone()).await;
    assert!(!enabled.is_disabled());

    let edit = [
        ("name", "Nightly"),
        ("scope", "read"),
        ("scope", "delete"),
        ("expiration", "30"),
    ];
    let page = fixture.change(&enabled, "edit", &edit).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let edited = get(fixture.keys.clone()).await;
    assert_eq!(
        (edited.name(), &*edited.scopes().to_string()),
        ("Nightly", "read delete")
    );

    let page = fixture
        .change(&edited, "revoke", &[("reason", "leaked")])
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let revoked = get(fixture.keys.clone()).await;
    assert_eq!(revoked.status(revoked.created_at()), KeyStatus::Revoked);
    assert!(fixture.keys.verifier().verify(&plaintext).await.is_err());
    let page = fixture.browser.get(page.location()).await;
    assert!(page.text.contains("leaked"));

    let trail = fixture
        .keys
        .audit(OWNER, &AuditPageRequest::default())
        .await
        .unwrap();
    let actors = trail
        .entries()
        .iter()
        .take(5)
        .map(|entry| entry.actor().starts_with("key:key_"));
    assert_eq!(actors.collect::<Vec<_>>(), [true; 5]);
}

#[tokio::test]
async fn a_rotation_without_grace_is_confirmed_first() {
    let mut fixture = fixture().await;
    let new = NewKey::new(OWNER, "CI").expires_in(std::time::Duration::from_secs(86_400));
    let key = fixture.keys.issue(new).await.unwrap();
    let (id, old) = (key.record.id(), key.key.expose_secret());
    let page = fixture
        .change(&key.record, "rotate", &[("grace", "0")])
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text
            .contains("<h1>Rotate CI without a grace period?</h1>")
    );
    let now = fixture.keys.get(&id).await.unwrap().unwrap();
    assert_eq!(now, key.record);
    assert!(fixture.keys.verifier().verify(old).await.is_ok());

    // What the page's form sends.
    assert_eq!(page.field("grace"), "0");
    let confirmed = page.field("confirmed").to_owned();
    let fields = [("grace", "0"), ("confirmed", &*confirmed)];
    let page = fixture.change(&key.record, "rotate", &fields).await;
    let verifier = fixture.keys.verifier();
    assert!(verifier.verify(page.plaintext()).await.is_ok());
    assert!(verifier.verify(old).await.is_err());
}

#[tokio::test]
async fn an_api_key_pasted_into_a_form_is_not_shown_again() {
    let mut fixture = fixture().await;
    let victim = fixture.victim().await;
    let pasted = management_key(&fixture.keys, OWNER).await;
    let listed = async |keys: &Keys| keys.list(OWNER, &PageRequest::default()).await.unwrap();
    let before = listed(&fixture.keys).await;
    let create = fixture.browser.get(&format!("{LIST}/new")).await;
    let (csrf, token) = (create.field("csrf"), create.field("token"));
    // Once with nothing else wrong, and once with something.
    for expiration in ["30", "none"] {
        let fields = [
            ("csrf", csrf),
            ("token", token),
            ("name", &*pasted),
            ("expiration", expiration),
        ];
        let page = fixture.browser.post(LIST, &fields).await;
        assert_rejected(&page, "name", "Name looks like an API key.", &pasted);
        let fields = [("name", &*pasted), ("expiration", expiration)];
        let page = fixture.change(&victim, "edit", &fields).await;
        assert_rejected(&page, "name", "Name looks like an API key.", &pasted);
    }
    let reason = format!("leaked: {pasted}");
    let page = fixture
        .change(&victim, "revoke", &[("reason", &reason)])
        .await;
    assert_rejected(&page, "reason", "Reason looks like an API key.", &pasted);
    assert_eq!(listed(&fixture.keys).await.keys(), before.keys());
}

#[track_caller]
fn assert_rejected(page: &Page, field: &str, message: &str, pasted: &str) {
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let error = format!("<p class=\"error\" id=\"{field}-error\">{message}</p>");
    assert!(page.text.contains(&error), "{}", page.text);
    assert_eq!(page.field(field), "");
    assert!(!page.text.contains(&pasted[11..]));
}

#[tokio::test]
async fn of_two_changes_at_once_the_second_is_shown_the_first() {
    let mut fixture = fixture().await;
    let seen = fixture.victim().await;
    fixture.change(&seen, "switch", &[("to", "disabled")]).await;
    let edit = [("name", "Late"), ("expiration", "keep")];
    for (what, fields) in [
        ("edit", &edit[..]),
        ("rotate", &[("grace", "0"), ("confirmed", "yes")]),
        ("switch", &[("to", "enabled")]),
        ("revoke", &[]),
    ] {
        let page = fixture.change(&seen, what, fields).await;
        assert_eq!(page.status, StatusCode::CONFLICT, "{what}");
        assert!(page.text.contains("Somebody changed this key"), "{what}");
        assert!(page.text.contains(">disabled</span>"), "{what}");
    }
    let now = fixture.keys.get(&seen.id()).await.unwrap().unwrap();
    assert_eq!((now.changes(), now.name()), (1, "CI"));
}

#[tokio::test]
async fn a_page_of_many_keys_asks_for_fifty() {
    let count = heavy::size(1_000, 10_000);
    let (keys, calls) = counted();
    let key = management_key(&keys, OWNER).await;
    for number in 0..count {
        keys.issue(NewKey::new(OWNER, format!("Key {number}")))
            .await
            .unwrap();
    }
    let app = app(&keys, &sessions().await);
    let mut browser = Browser::signed_in(&app, &key).await;
    calls.take();
    let page = browser.get(LIST).await;
    assert_eq!(page.text.matches("<th scope=\"row\">").count(), 50);
    // The key that signed in, the page, and the usage of each of its keys.
    assert_eq!(calls.take(), 1 + 1 + 50);

    let mut pages = 1;
    let mut next = next_page(&page);
    let mut shown = 50;
    while let Some(path) = next {
        let page = browser.get(&path).await;
        shown += page.text.matches("<th scope=\"row\">").count();
        pages += 1;
        next = next_page(&page);
    }
    // With the key that signed in.
    assert_eq!((pages, shown), (count / 50 + 1, count + 1));
}

fn next_page(page: &Page) -> Option<String> {
    let (_, rest) = page.text.split_once("/dashboard/keys?after=")?;
    Some(format!("/dashboard/keys?after={}", rest.split_once('"')?.0))
}

#[tokio::test]
async fn charts_tell_what_was_allowed_and_refused() {
    let mut fixture = fixture().await;
    let key = fixture.victim().await;
    let used = KeyUse::new(key.id(), 1, key.created_at())
        .with_allowed(31)
        .with_refused(7);
    let batch = UsageBatch::new([1; 16], 1, [used]);
    fixture.keys.store().record_usage(&batch).await.unwrap();
    let page = fixture.browser.get(&format!("{LIST}/{}", key.id())).await;
    assert_eq!(
        page.text.matches("31 allowed and 7 refused, from ").count(),
        2
    );
    assert_eq!(page.text.matches("<td>31</td><td>7</td>").count(), 2);
    let list = fixture.browser.get(LIST).await;
    assert_eq!(
        list.text.matches("31 allowed and 7 refused, from ").count(),
        1
    );
}

#[tokio::test]
async fn pages_say_when_secrets_expire_and_which_a_revocation_ends() {
    let mut fixture = fixture().await;
    let issued = fixture.victim().await;
    let id = issued.id();
    let path = format!("{LIST}/{id}");
    let hour = std::time::Duration::from_secs(3_600);
    let first = issued.secret_versions()[0].prefix();
    let second = fixture.keys.rotate(&id, hour).await.unwrap().record;
    let second = second.secret_versions()[0].prefix();
    assert!(fixture.browser.get(&path).await.text.contains(", expires "));

    let page = fixture.browser.get(&format!("{path}/revoke")).await;
    for prefix in [first, second] {
        assert!(
            page.text.contains(&format!("tc_{prefix}…")),
            "{}",
            page.text
        );
    }

    fixture
        .keys
        .rotate(&id, std::time::Duration::ZERO)
        .await
        .unwrap();
    let page = fixture.browser.get(&path).await;
    assert!(page.text.contains(", expired "), "{}", page.text);
    assert!(!page.text.contains("1970"), "{}", page.text);
    let page = fixture.browser.get(&format!("{path}/revoke")).await;
    assert!(
        !page.text.contains(&format!("tc_{first}…")),
        "{}",
        page.text
    );

    fixture.keys.revoke(&id, "leaked").await.unwrap();
    let page = fixture.browser.get(&path).await;
    for word in [", expires ", ", expired ", "works until"] {
        assert!(!page.text.contains(word), "{}", page.text);
    }
}
