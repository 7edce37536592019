//! Authentication, authorization, TLS and limits.

mod connections;
mod limits;
mod registry;
mod store;
mod tokens;

use crate::registry_on;
use kulya_auth::audit::AuditLog;
use kulya_auth::resource::ResourceNames;
use kulya_auth::{Authenticator, PasswordHash, TextSource, account};
use kulya_client::{HttpRegistry, Login, RegistrySettings, RemoteSettings};
use kulya_server::{AccessControl, Limits, Services, Tls};
use kulya_store::StreamStore;
use kulya_store::clock::{Clock, ManualClock};
use kulya_store::memory::MemoryStore;
use reqwest::{Client, Method, Response};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A source whose text a test changes.
#[derive(Clone, Default)]
struct StubSource(Arc<Mutex<Option<String>>>);

impl StubSource {
    fn of(text: impl Into<String>) -> Self {
        let page = Self::default();
        page.write(text);
        page
    }

    fn write(&self, text: impl Into<String>) {
        *self.0.lock().unwrap() = Some(text.into());
    }
}

impl TextSource for StubSource {
    fn read_if_changed(&self) -> io::Result<Option<String>> {
        Ok(self.0.lock().unwrap().take())
    }

    fn name(&self) -> String {
        "stub".to_owned()
    }
}

/// The lines of the audit log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The password of all users.
const PASSWORD: &str = "1111_aaaa";
const USERS: [(&str, &str); 9] = [
    ("admin", "prn::*,READ_UPDATE;"),
    ("reader", "prn::/namespace:ns/group:g,READ"),
    ("writer", "prn::/namespace:ns/group:g*,READ_UPDATE"),
    ("codecs", "prn::/namespace:ns/group:g/codecs:*,READ;prn::/namespace:ns,READ"),
    ("schemas", "prn::/namespace:ns/group:g/schemas:*,READ_UPDATE"),
    ("looker", "prn::/scope:shop,READ;prn::/scope:shop/*,READ"),
    ("orders", "prn::/scope:shop/stream:orders,READ_UPDATE"),
    ("system", "prn::*,READ_UPDATE;prn::/scope:_kulya*,READ_UPDATE"),
    ("nothing", ""),
];

fn accounts() -> String {
    let hash = PasswordHash::new(PASSWORD.as_bytes(), [5; 32], NonZeroU32::MIN);
    USERS.iter().map(|(user, acl)| account::format_line(user, &hash, acl).unwrap() + "\n").collect()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Duration::from_millis(crate::NOW_MS)))
}

fn authenticator() -> Authenticator {
    Authenticator::new(ResourceNames::default(), [8; 32]).with_accounts(StubSource::of(accounts())).unwrap()
}

/// A server with access control, which stops with the test's runtime.
struct TestServer {
    address: SocketAddr,
    store: MemoryStore,
    client: Client,
}

impl TestServer {
    async fn start(access_control: AccessControl) -> Self {
        let store = MemoryStore::new();
        let shared: Arc<dyn StreamStore> = Arc::new(store.clone());
        let registry = Arc::new(registry_on(Arc::clone(&shared)).await);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let services = Services { registry, store: shared };
        tokio::spawn(kulya_server::serve_with_access_control(
            access_control,
            listener,
            services,
            std::future::pending(),
        ));
        Self { address, store, client: crate::client() }
    }

    async fn with_accounts() -> Self {
        Self::start(AccessControl::permissive(clock()).with_authenticator(authenticator())).await
    }

    /// Sends a request as a user; `""` is unauthenticated.
    async fn send(&self, user: &str, line: &str, body: &str) -> Response {
        let (method, path) = line.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        if !user.is_empty() {
            request = request.basic_auth(user, Some(PASSWORD));
        }
        if !body.is_empty() {
            request = request.header("Content-Type", "application/json").body(body.to_owned());
        }
        request.send().await.unwrap()
    }

    async fn status(&self, user: &str, line: &str, body: &str) -> u16 {
        self.send(user, line, body).await.status().as_u16()
    }

    fn remote(&self, user: &str) -> RemoteSettings {
        let mut settings = RemoteSettings::new(format!("http://{}", self.address));
        settings.basic = Some((user.to_owned(), PASSWORD.to_owned()));
        settings
    }
}

fn login(user: &str) -> Login {
    Login::Basic { user: user.to_owned(), password: PASSWORD.to_owned() }
}

/// Creates a certificate for localhost and its key, in PEM.
fn certificate() -> (String, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}
