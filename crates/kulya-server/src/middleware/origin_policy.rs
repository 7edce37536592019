//! Protection against requests that a web page makes a browser send: [`OriginPolicy`] prevents DNS rebinding
//! and cross-site request forgery. A browser sends any page's requests from the machine that it runs on, also
//! to loopback, where a server may have no authentication. It marks them with headers that pages cannot set:
//! `Host`, `Origin` and `Sec-Fetch-Site`.
//!
//! - A server that listens on loopback accepts only the names of loopback in `Host`: `localhost`,
//!   `127.0.0.1`, `[::1]`. Another name is a page whose own name resolves to loopback (DNS rebinding). Other
//!   names must be configured.
//! - A request from another site's page is rejected, except a link that a user follows.
//! - gRPC requires the content type `application/grpc`, which a page cannot send without a preflight request.
//!
//! curl, the Java clients and Kulya's own send none of these headers except a correct `Host`.

use axum::body::Body;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use std::net::IpAddr;

/// The host names and origins that are accepted in addition to the default ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    /// Host names of the server, without a port. If there are any, other names except those of loopback are
    /// rejected wherever the server listens.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may call the server, such as `https://console.example`.
    pub allowed_origins: Vec<String>,
}

/// A rejected request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl OriginPolicy {
    /// Rejects a request of another site's page, and a gRPC call without the content type of gRPC.
    pub(super) fn check(
        &self,
        is_loopback: bool,
        is_grpc_without_content_type: bool,
        request: &Request<Body>,
    ) -> Result<(), Rejected> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        if is_loopback || !self.allowed_hosts.is_empty() {
            self.check_host(uri, headers)?;
        }
        self.check_origin(method, uri, headers)?;
        if is_grpc_without_content_type {
            let message = "gRPC requires the content type application/grpc".to_owned();
            return Err(Rejected { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, message });
        }
        Ok(())
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Rejected> {
        // a request without a host does not come from a browser
        for host in authorities(uri, headers) {
            let name = host.as_deref().map(without_port).unwrap_or_default();
            let is_configured = self.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
            if !is_configured && !is_loopback(name) {
                let message =
                    format!("host {name:.200?} is not allowed: use localhost, or add it to allowed-hosts");
                return Err(Rejected { status: StatusCode::FORBIDDEN, message });
            }
        }
        Ok(())
    }

    fn check_origin(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Rejected> {
        let value = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let rejected = |origin: &str| {
            let message =
                format!("cross-origin request from {origin:.200} is not allowed: add it to allowed-origins");
            Err(Rejected { status: StatusCode::FORBIDDEN, message })
        };
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or("?");
            let is_configured =
                self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            let mut own = authorities(uri, headers);
            if !is_configured && !own.any(|own| own.is_some() && own.as_deref() == authority) {
                return rejected(origin);
            }
        }
        if headers.contains_key(ORIGIN) {
            return Ok(());
        }
        let is_link =
            (method == Method::GET || method == Method::HEAD) && value("sec-fetch-mode") == Some("navigate");
        match value("sec-fetch-site") {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) if is_link => Ok(()),
            Some(_) => rejected("another site"),
        }
    }
}

/// The host names in a request, with their ports; `None` is one that is not text.
fn authorities<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> impl Iterator<Item = Option<String>> + 'a {
    let of_uri = uri.authority().map(|authority| Some(authority.as_str().to_owned()));
    let of_headers = headers.get_all(HOST).iter().map(|host| host.to_str().ok().map(str::to_owned));
    of_uri.into_iter().chain(of_headers)
}

fn without_port(host: &str) -> &str {
    let host = match host.rsplit_once(':') {
        // a colon within an IPv6 address does not separate a port
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(policy: &OriginPolicy, is_loopback: bool, line: &str, headers: &[(&str, &str)]) -> u16 {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        policy.check(is_loopback, false, &request).map_or_else(|rejected| rejected.status.as_u16(), |()| 200)
    }

    #[test]
    fn loopback_accepts_its_own_names_only() {
        let default = OriginPolicy::default();
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
            assert_eq!(status(&default, true, "GET /ping", &[("host", host)]), 200, "{host}");
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
            assert_eq!(status(&default, true, "GET /ping", &[("host", host)]), 403, "{host}");
            assert_eq!(
                status(&default, false, "GET /ping", &[("host", host)]),
                200,
                "any name is accepted elsewhere"
            );
        }
        assert_eq!(status(&default, true, "GET /ping", &[]), 200, "HTTP/1.0");
        assert_eq!(status(&default, true, "GET http://evil.example/ping", &[("host", "localhost")]), 403);
        assert_eq!(
            status(&default, true, "GET /ping", &[("host", "localhost"), ("host", "evil.example")]),
            403
        );
        let configured =
            OriginPolicy { allowed_hosts: vec!["kulya.example".to_owned()], ..OriginPolicy::default() };
        for (host, expected) in [("Kulya.example:1", 200), ("localhost", 200), ("evil.example", 403)] {
            for is_loopback in [true, false] {
                assert_eq!(
                    status(&configured, is_loopback, "GET /ping", &[("host", host)]),
                    expected,
                    "{host}"
                );
            }
        }
    }

    #[test]
    fn cross_origin_requests_are_rejected() {
        let configured = OriginPolicy {
            allowed_origins: vec!["https://ours.example".to_owned()],
            ..OriginPolicy::default()
        };
        let send = |line: &str, headers: &[(&str, &str)]| {
            status(&configured, true, line, &[&[("host", "localhost:9092")], headers].concat())
        };
        for line in ["GET /v1/groups", "POST /v2/streams/s/t/events", "DELETE /v1/groups/g"] {
            assert_eq!(send(line, &[]), 200);
            for origin in ["http://localhost:9092", "https://ours.example"] {
                assert_eq!(
                    send(line, &[("origin", origin), ("sec-fetch-site", "cross-site")]),
                    200,
                    "{origin}"
                );
            }
            for origin in ["http://evil.example", "null", "http://localhost:3000", "localhost:9092", ""] {
                assert_eq!(send(line, &[("origin", origin)]), 403, "{origin}");
            }
            for (site, expected) in
                [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)]
            {
                assert_eq!(send(line, &[("sec-fetch-site", site)]), expected, "{site}");
            }
        }
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(send("GET /v2/openapi.json", &link), 200, "a link");
        assert_eq!(send("POST /v1/groups", &link), 403, "a form");
    }
}
