//! A client of the product, and of its dashboard.

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as HttpClient, Error};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    http: HttpClient<HttpConnector, Full<bytes::Bytes>>,
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Sends JSON with a key; the error is that the server, or the connection, ended meanwhile.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), Error> {
        let bearer = (AUTHORIZATION, format!("Bearer {key}"));
        let content = (CONTENT_TYPE, "application/json".to_owned());
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let answer = self.request(method, path, [bearer, content], body).await?;
        let status = answer.status();
        // A head that came without its body is an answer that did not come.
        let body = answer.into_body().collect().await;
        let body = body.map(|whole| serde_json::from_slice(&whole.to_bytes()));
        Ok((status, body.unwrap_or(Ok(Value::Null)).unwrap_or_default()))
    }

    /// The cookie of a new session.
    pub(crate) async fn sign_in(&self, key: &str) -> Result<String, Error> {
        let content = (CONTENT_TYPE, FORM.to_owned());
        let body = format!("key={key}");
        let answer = self
            .request("POST", "/dashboard/sign-in", [content], body)
            .await?;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        Ok(cookie.split(';').next().unwrap().to_owned())
    }

    /// Fills in the dashboard's form for a key, and sends it.
    pub(crate) async fn create_key(&self, cookie: &str) -> Result<(StatusCode, String), Error> {
        let session = || (COOKIE, cookie.to_owned());
        let form = self.request("GET", "/dashboard/keys/new", [session()], String::new());
        let form = text(form.await?).await;
        let field = |name: &str| {
            let start = format!("name=\"{name}\" value=\"");
            let (_, rest) = form.split_once(&start).unwrap();
            rest.split_once('"').unwrap().0
        };
        let body = format!(
            "csrf={}&token={}&name=CI&scope=read&expiration=90",
            field("csrf"),
            field("token")
        );
        let headers = [session(), (CONTENT_TYPE, FORM.to_owned())];
        let answer = self.request("POST", "/dashboard/keys", headers, body);
        let answer = answer.await?;
        Ok((answer.status(), text(answer).await))
    }

    /// Whether the cookie is that of a session.
    pub(crate) async fn is_signed_in(&self, cookie: &str) -> bool {
        let cookie = (COOKIE, cookie.to_owned());
        let answer = self.request("GET", "/dashboard/keys", [cookie], String::new());
        answer.await.unwrap().status() == StatusCode::OK
    }

    async fn request(
        &self,
        method: &str,
        path: &str,
        headers: impl IntoIterator<Item = (HeaderName, String)>,
        body: String,
    ) -> Result<Response<hyper::body::Incoming>, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.http.request(request).await
    }
}

async fn text(answer: Response<hyper::body::Incoming>) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}
