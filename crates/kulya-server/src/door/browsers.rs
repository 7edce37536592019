//! What a page in somebody's browser may not do. A browser sends what any page asks it to, from the machine that it runs on:
//! to loopback, too, where no password may be asked for. It says so, in headers that no page can write: what is asked for
//! (`Host`), and who asks (`Origin`, `Sec-Fetch-Site`).
//!
//! - A server that listens on loopback is called by a loopback name: `localhost`, `127.0.0.1`, `[::1]`. Another `Host` is a
//!   page that lets its own name lead here (DNS rebinding). Names that lead here on purpose are listed in the settings.
//! - A request that another site's page made is refused, but for a link that somebody follows.
//! - gRPC is spoken as `application/grpc`, which no page can send without asking first.
//!
//! curl, the Java clients and our own send no such headers, and call the server by its name.

use super::asked::Form;
use crate::grpc;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use std::net::IpAddr;

/// Which names and pages are let in beside the usual ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Browsers {
    /// Names, without a port, by which the server may be called. Where some are given, others but loopback's are refused
    /// wherever the server listens.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may call the server, as `https://console.example`.
    pub allowed_origins: Vec<String>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    status: StatusCode,
    text: String,
}

impl Browsers {
    /// Refuses what a page of another site sends.
    pub(super) fn check(&self, is_loopback: bool, request: &Request<Body>) -> Result<(), Foreign> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        if is_loopback || !self.allowed_hosts.is_empty() {
            self.check_host(uri, headers)?;
        }
        self.check_origin(method, uri, headers)?;
        let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
        if grpc::asked(uri.path()).is_some() && !kind.starts_with(b"application/grpc") {
            let text = "gRPC is sent as application/grpc".to_owned();
            return Err(Foreign { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, text });
        }
        Ok(())
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        // whoever names no host is no browser
        for host in authorities(uri, headers) {
            let name = host.as_deref().map(without_port).unwrap_or_default();
            let is_listed = self.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
            if !is_listed && !is_loopback(name) {
                let what = format!(
                    "this server is not called {name:.200?}: call it localhost, or list the name in allowed-hosts"
                );
                return Err(Foreign { status: StatusCode::FORBIDDEN, text: what });
            }
        }
        Ok(())
    }

    fn check_origin(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        let word = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let refused = |who: &str| {
            let what =
                format!("a page of {who:.200} may not call this server: list its origin in allowed-origins");
            Err(Foreign { status: StatusCode::FORBIDDEN, text: what })
        };
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or("?");
            let is_listed = self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            let mut own = authorities(uri, headers);
            if !is_listed && !own.any(|own| own.is_some() && own.as_deref() == authority) {
                return refused(origin);
            }
        }
        if headers.contains_key(ORIGIN) {
            return Ok(());
        }
        let follows_a_link =
            (method == Method::GET || method == Method::HEAD) && word("sec-fetch-mode") == Some("navigate");
        match word("sec-fetch-site") {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) if follows_a_link => Ok(()),
            Some(_) => refused("another site"),
        }
    }
}

/// The names that a request calls the server by, with their ports; `None` is one that is no text.
fn authorities<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> impl Iterator<Item = Option<String>> + 'a {
    let of_uri = uri.authority().map(|authority| Some(authority.as_str().to_owned()));
    let of_headers = headers.get_all(HOST).iter().map(|host| host.to_str().ok().map(str::to_owned));
    of_uri.into_iter().chain(of_headers)
}

fn without_port(host: &str) -> &str {
    let host = match host.rsplit_once(':') {
        // the colon within an IPv6 address is no port's
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    };
    host.strip_suffix('.').unwrap_or(host)
}

fn is_loopback(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

impl Foreign {
    /// The answer, as the face writes it.
    pub(super) fn answer(&self, form: Form) -> Response<Body> {
        match form {
            Form::Grpc if self.status == StatusCode::FORBIDDEN => {
                tonic::Status::permission_denied(self.text.clone()).into_http()
            }
            Form::Rest => crate::rest::v2::foreign(self.status, &self.text),
            Form::Grpc | Form::RestV1 => {
                let mut response = Response::new(Body::from(self.text.clone()));
                *response.status_mut() = self.status;
                response
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(browsers: &Browsers, is_loopback: bool, line: &str, headers: &[(&str, &str)]) -> u16 {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        browsers.check(is_loopback, &request).map_or_else(|foreign| foreign.status.as_u16(), |()| 200)
    }

    #[test]
    fn loopback_is_called_by_its_names() {
        let usual = Browsers::default();
        for host in [
            "localhost",
            "localhost:9092",
            "LOCALHOST.",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:9092",
            "[::1]",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(status(&usual, true, "GET /ping", &[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9092",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
            "[::2]",
            "a:b:c",
            "localhost@evil.example",
        ] {
            assert_eq!(status(&usual, true, "GET /ping", &[("host", host)]), 403, "{host}");
            assert_eq!(
                status(&usual, false, "GET /ping", &[("host", host)]),
                200,
                "elsewhere it may have any name"
            );
        }
        assert_eq!(status(&usual, true, "GET /ping", &[]), 200, "HTTP/1.0");
        assert_eq!(status(&usual, true, "GET http://evil.example/ping", &[("host", "localhost")]), 403);
        assert_eq!(
            status(&usual, true, "GET /ping", &[("host", "localhost"), ("host", "evil.example")]),
            403
        );
        let listed = Browsers { allowed_hosts: vec!["kulya.example".to_owned()], ..Browsers::default() };
        for (host, expected) in [("Kulya.example:1", 200), ("localhost", 200), ("evil.example", 403)] {
            for is_loopback in [true, false] {
                assert_eq!(status(&listed, is_loopback, "GET /ping", &[("host", host)]), expected, "{host}");
            }
        }
    }

    #[test]
    fn another_sites_page_is_refused() {
        let listed =
            Browsers { allowed_origins: vec!["https://ours.example".to_owned()], ..Browsers::default() };
        let of = |line: &str, headers: &[(&str, &str)]| {
            status(&listed, true, line, &[&[("host", "localhost:9092")], headers].concat())
        };
        for line in ["GET /v1/groups", "POST /v2/streams/s/t/events", "DELETE /v1/groups/g"] {
            assert_eq!(of(line, &[]), 200);
            for origin in ["http://localhost:9092", "https://ours.example"] {
                assert_eq!(
                    of(line, &[("origin", origin), ("sec-fetch-site", "cross-site")]),
                    200,
                    "{origin}"
                );
            }
            for origin in ["http://evil.example", "null", "http://localhost:3000", "localhost:9092", ""] {
                assert_eq!(of(line, &[("origin", origin)]), 403, "{origin}");
            }
            for (site, expected) in
                [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)]
            {
                assert_eq!(of(line, &[("sec-fetch-site", site)]), expected, "{site}");
            }
        }
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(of("GET /v2/openapi.json", &link), 200, "somebody follows a link");
        assert_eq!(of("POST /v1/groups", &link), 403, "a form");
    }

    #[test]
    fn grpc_is_spoken_as_grpc() {
        let usual = Browsers::default();
        let line = "POST /kulya.store.v1.StreamStore/ListScopes";
        for (kind, expected) in
            [("application/grpc", 200), ("application/grpc+proto", 200), ("text/plain", 415)]
        {
            assert_eq!(status(&usual, true, line, &[("content-type", kind)]), expected, "{kind}");
        }
        assert_eq!(status(&usual, false, line, &[]), 415);
    }
}
