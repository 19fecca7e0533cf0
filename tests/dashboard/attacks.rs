//! What attackers try.

use axum::http::StatusCode;
use tower_api_key::record::{KeyStatus, Metadata};
use tower_api_key::store::PageRequest;
use tower_api_key::{NewKey, Scope};

use crate::browser::{Browser, MANAGE, OWNER, app, keys, management_key, sessions};

const LIST: &str = "/dashboard/keys";

#[tokio::test]
async fn a_planted_session_id_is_not_the_one_after_sign_in() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let key = management_key(&keys, OWNER).await;
    // An id that never was, and the id of a session of the attacker's own.
    let own = Browser::signed_in(&app, &management_key(&keys, "mallory").await)
        .await
        .cookie;
    for planted in ["trucustom=AAAAAAAAAAAAAAAAAAAAAA", &own] {
        let mut victim = Browser::new(&app);
        victim.cookie = planted.to_owned();
        victim.post("/dashboard/sign-in", &[("key", &key)]).await;
        assert_ne!(victim.cookie, planted);
        assert_eq!(victim.get(LIST).await.status, StatusCode::OK);

        let mut attacker = Browser::new(&app);
        attacker.cookie = planted.to_owned();
        assert_eq!(attacker.get(LIST).await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn a_stolen_cookie_is_worth_nothing_after_sign_out() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let mut browser = Browser::signed_in(&app, &management_key(&keys, OWNER).await).await;
    let stolen = browser.cookie.clone();
    let csrf = browser.get(LIST).await.field("csrf").to_owned();
    let page = browser
        .post("/dashboard/sign-out", &[("csrf", &csrf)])
        .await;
    assert_eq!(page.location(), "/dashboard/sign-in");
    assert_eq!(browser.cookie, "");

    let mut thief = Browser::new(&app);
    thief.cookie = stolen;
    assert_eq!(thief.get(LIST).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_without_the_token_of_its_session_changes_nothing() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let mut browser = Browser::signed_in(&app, &management_key(&keys, OWNER).await).await;
    let mut other = Browser::signed_in(&app, &management_key(&keys, "other").await).await;
    let of_other = other.get(LIST).await.field("csrf").to_owned();
    let victim = keys
        .issue(NewKey::new(OWNER, "Victim"))
        .await
        .unwrap()
        .record;
    let revision = victim.revision().to_string();
    let key = format!("{LIST}/{}", victim.id());
    for path in [
        LIST.to_owned(),
        format!("{key}/edit"),
        format!("{key}/rotate"),
        format!("{key}/switch"),
        format!("{key}/revoke"),
        "/dashboard/sign-out".to_owned(),
    ] {
        for token in [None, Some(""), Some("0"), Some(of_other.as_str())] {
            let mut fields = vec![
                ("revision", revision.as_str()),
                ("to", "disabled"),
                ("grace", "0"),
                ("name", "Forged"),
                ("expiration", "30"),
            ];
            fields.extend(token.map(|token| ("csrf", token)));
            assert_eq!(
                browser.post(&path, &fields).await.status,
                StatusCode::FORBIDDEN,
                "{path}"
            );
        }
    }
    let now = keys.get(&victim.id()).await.unwrap().unwrap();
    assert_eq!(now, victim);
    assert_eq!(
        keys.list(OWNER, &PageRequest::default())
            .await
            .unwrap()
            .keys()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_even_with_the_token() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let key = management_key(&keys, OWNER).await;
    let mut browser = Browser::signed_in(&app, &key).await;
    let csrf = browser.get(LIST).await.field("csrf").to_owned();
    for foreign in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        browser.headers = vec![foreign];
        for (path, field) in [
            ("/dashboard/sign-out", ("csrf", csrf.as_str())),
            ("/dashboard/sign-in", ("key", key.as_str())),
        ] {
            let page = browser.post(path, &[field]).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{foreign:?} {path}");
        }
    }
    browser.headers = vec![
        ("origin", "http://localhost:3000"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(browser.get(LIST).await.status, StatusCode::OK);
    let page = browser
        .post("/dashboard/sign-out", &[("csrf", &csrf)])
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn no_page_can_be_framed_or_run_foreign_script() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let mut browser = Browser::signed_in(&app, &management_key(&keys, OWNER).await).await;
    let mut outside = Browser::new(&app);
    let mut pages = Vec::new();
    for path in [
        "/keys",
        "/keys/new",
        "/audit",
        "/none",
        "/style.css",
        "/copy.js",
    ] {
        pages.push(browser.get(&format!("/dashboard{path}")).await);
    }
    pages.push(outside.get("/dashboard/sign-in").await);
    pages.push(outside.get(LIST).await);
    pages.push(outside.post("/dashboard/sign-in", &[("key", "x")]).await);
    for page in pages {
        let header = |name: &str| page.headers[name].to_str().unwrap();
        assert_eq!(
            header("content-security-policy"),
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        let is_page = page.text.starts_with("<!DOCTYPE html>");
        assert!(!is_page || !(page.text.contains("<style") || page.text.contains(" style=")));
    }
}

#[tokio::test]
async fn markup_in_every_field_is_text() {
    const MARKUP: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let scope = Scope::new("<script>").unwrap_or(Scope::READ);
    let day = std::time::Duration::from_secs(86_400);
    // A key can only revoke what it covers.
    let manager = NewKey::new(MARKUP, "Management")
        .with_scopes([scope.clone(), MANAGE])
        .expires_in(2 * day);
    let key = keys.issue(manager).await.unwrap().key;
    let key = key.expose_secret().to_owned();
    let new = NewKey::new(MARKUP, MARKUP)
        .with_metadata(Metadata::new().with("<b>x</b>", MARKUP))
        .with_scopes([scope])
        .expires_in(day);
    let id = keys
        .acting_as(MARKUP)
        .because(MARKUP)
        .issue(new)
        .await
        .unwrap()
        .record
        .id();
    let mut browser = Browser::signed_in(&app, &key).await;
    let csrf = browser.get(LIST).await.field("csrf").to_owned();
    let mut pages = Vec::new();
    for path in ["", "/edit", "/revoke"] {
        pages.push(browser.get(&format!("{LIST}/{id}{path}")).await);
    }
    let revision = keys.get(&id).await.unwrap().unwrap().revision().to_string();
    // A form that is wrong comes back with what was typed.
    let typed = [
        ("csrf", csrf.as_str()),
        ("name", MARKUP),
        ("date", MARKUP),
        ("token", "0"),
    ];
    pages.push(browser.post(LIST, &typed).await);
    let typed = [
        ("csrf", csrf.as_str()),
        ("name", MARKUP),
        ("date", MARKUP),
        ("revision", &revision),
    ];
    pages.push(browser.post(&format!("{LIST}/{id}/edit"), &typed).await);
    let reason = [
        ("csrf", csrf.as_str()),
        ("revision", &revision),
        ("reason", MARKUP),
    ];
    let revoked = browser.post(&format!("{LIST}/{id}/revoke"), &reason).await;
    assert_eq!(revoked.status, StatusCode::SEE_OTHER);
    for path in ["/keys", "/audit", "/keys/new"] {
        pages.push(browser.get(&format!("/dashboard{path}")).await);
    }
    pages.push(browser.get(&format!("{LIST}/{id}")).await);
    for page in &pages {
        assert!(!page.text.contains("<script>"), "{}", page.text);
        assert!(!page.text.contains("<img"), "{}", page.text);
        assert!(!page.text.contains("<b>"), "{}", page.text);
    }
    let shown = pages
        .iter()
        .filter(|page| page.text.contains("alert(1)"))
        .count();
    assert!(shown >= 8, "found it on {shown} pages");
}

#[tokio::test]
async fn keys_of_others_are_not_there() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let mut browser = Browser::signed_in(&app, &management_key(&keys, OWNER).await).await;
    let csrf = browser.get(LIST).await.field("csrf").to_owned();
    let other = keys
        .issue(NewKey::new("other", "Theirs"))
        .await
        .unwrap()
        .record;
    let revision = other.revision().to_string();
    let path = format!("{LIST}/{}", other.id());
    let unknown = browser
        .get(&format!("{LIST}/key_00000000000000000000000000000000"))
        .await;
    for part in ["", "/edit", "/revoke"] {
        let page = browser.get(&format!("{path}{part}")).await;
        assert_eq!(
            (page.status, &page.text),
            (StatusCode::NOT_FOUND, &unknown.text)
        );
    }
    let fields = [
        ("csrf", csrf.as_str()),
        ("revision", &revision),
        ("to", "disabled"),
        ("grace", "0"),
    ];
    for part in ["/edit", "/rotate", "/switch", "/revoke"] {
        let page = browser.post(&format!("{path}{part}"), &fields).await;
        assert_eq!(
            (page.status, &page.text),
            (StatusCode::NOT_FOUND, &unknown.text)
        );
    }
    let now = keys.get(&other.id()).await.unwrap().unwrap();
    assert_eq!(now.status(now.created_at()), KeyStatus::Active);
    assert_eq!(now, other);
}

#[tokio::test]
async fn a_session_gives_nothing_that_its_key_lacks() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let narrow = NewKey::new(OWNER, "Narrow").with_scopes([MANAGE, Scope::READ]);
    let narrow = keys.issue(narrow).await.unwrap().key;
    let strong = NewKey::new(OWNER, "Strong").with_scopes([Scope::DELETE]);
    let strong = keys.issue(strong).await.unwrap().record;
    let mut browser = Browser::signed_in(&app, narrow.expose_secret()).await;
    let csrf = browser.get(LIST).await.field("csrf").to_owned();
    let token = "0".repeat(32);
    let revision = strong.revision().to_string();
    let fields = [
        ("csrf", csrf.as_str()),
        ("token", &token),
        ("revision", &revision),
        ("name", "Stronger"),
        ("scope", "write"),
        ("expiration", "30"),
        ("grace", "24"),
    ];
    let page = browser.post(LIST, &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let path = format!("{LIST}/{}", strong.id());
    assert_eq!(
        browser.post(&format!("{path}/edit"), &fields).await.status,
        422
    );
    assert_eq!(
        browser
            .post(&format!("{path}/rotate"), &fields)
            .await
            .status,
        409
    );
    assert_eq!(keys.get(&strong.id()).await.unwrap().unwrap(), strong);
    assert_eq!(
        keys.list(OWNER, &PageRequest::default())
            .await
            .unwrap()
            .keys()
            .len(),
        2
    );
}
