//! The login: greeting, TLS, and authentication, with the server's change to another method.
//!
//! The password leaves this machine only as a proof, encrypted by TLS, or encrypted with the server's RSA
//! key, which the settings must name or allow to be fetched.

use super::authentication::{Method, unsupported_advice, xor};
use super::channel::Channel;
use super::error::ConnectionError;
use super::handshake::{Greeting, LoginMessage};
use super::rsa::{self, SEED_BYTES};
use super::server_error::Phase;
use super::settings::{ConnectionSettings, SslMode};
use super::tls;
use ring::rand::{SecureRandom, SystemRandom};

/// Messages of the server during authentication after which it is no real one.
const MAX_MESSAGES: usize = 16;
/// Maximum size of a nonce.
const MAX_NONCE_BYTES: usize = 255;

/// Data of `caching_sha2_password`.
const FAST_SUCCESS: &[u8] = &[3];
const PASSWORD_NEEDED: &[u8] = &[4];
const REQUEST_KEY: &[u8] = &[2];

/// Logs in; returns the channel, which may now have TLS, and the greeting.
///
/// # Errors
/// `Authentication` or `Tls` for what the settings or the account must change; the server's error.
pub(super) async fn log_in(
    mut channel: Channel,
    settings: &ConnectionSettings,
) -> Result<(Channel, Greeting), ConnectionError> {
    let packet = channel.receive(Phase::Login).await?;
    let greeting = Greeting::decode(&packet).map_err(|what| channel.endpoint.malformed(what))?;
    let use_tls = use_tls(settings.ssl_mode, &greeting, &channel)?;
    if use_tls {
        channel.send(&greeting.tls_request()).await?;
        let endpoint = channel.endpoint.clone();
        channel = channel
            .upgrade(|transport| async move { tls::connect(transport, settings, &endpoint).await })
            .await?;
    }
    let mut login = Login { channel: &mut channel, settings, use_tls };
    login.authenticate(&greeting).await?;
    Ok((channel, greeting))
}

fn use_tls(mode: SslMode, greeting: &Greeting, channel: &Channel) -> Result<bool, ConnectionError> {
    match mode {
        SslMode::Disabled => Ok(false),
        SslMode::Preferred => Ok(greeting.has_tls()),
        _ if greeting.has_tls() => Ok(true),
        _ => Err(ConnectionError::Tls {
            server: channel.endpoint.server.clone(),
            what: "the server has no TLS: set ssl_cert and ssl_key there, or ssl-mode=disabled if the network is trusted".to_owned(),
            source: None,
        }),
    }
}

struct Login<'a> {
    channel: &'a mut Channel,
    settings: &'a ConnectionSettings,
    use_tls: bool,
}

impl Login<'_> {
    async fn authenticate(&mut self, greeting: &Greeting) -> Result<(), ConnectionError> {
        let password = self.settings.password.as_bytes();
        // the server asks for another method if the account has one
        let mut method = Method::from_name(&greeting.method).unwrap_or(Method::Native);
        let mut nonce = greeting.nonce.clone();
        let proof = method.response(password, &nonce);
        let response = greeting.response(self.use_tls, &self.settings.user, method.name(), &proof);
        self.channel.send(&response).await?;
        for _ in 0..MAX_MESSAGES {
            let packet = self.channel.receive(Phase::Login).await?;
            match LoginMessage::decode(&packet) {
                Some(LoginMessage::Accepted) => return Ok(()),
                Some(LoginMessage::Switch { method: name, data }) if data.len() <= MAX_NONCE_BYTES => {
                    method = Method::from_name(name).ok_or_else(|| {
                        let endpoint = &self.channel.endpoint;
                        endpoint.authentication(unsupported_advice(name, &endpoint.account))
                    })?;
                    nonce = method.nonce(data).to_vec();
                    self.channel.send(&method.response(password, &nonce)).await?;
                }
                Some(LoginMessage::MethodData(FAST_SUCCESS)) if method == Method::CachingSha2 => {}
                Some(LoginMessage::MethodData(PASSWORD_NEEDED)) if method == Method::CachingSha2 => {
                    self.send_password(&nonce).await?;
                }
                _ => return Err(self.channel.endpoint.malformed("an unknown message during authentication")),
            }
        }
        Err(self.channel.endpoint.malformed("too many messages during authentication"))
    }

    /// Sends the password itself, which the server needs once until it has its hash in memory.
    async fn send_password(&mut self, nonce: &[u8]) -> Result<(), ConnectionError> {
        let password = [self.settings.password.as_bytes(), &[0]].concat();
        if self.use_tls {
            return self.channel.send(&password).await;
        }
        let key = self.public_key().await?;
        let nonce: Vec<u8> = nonce.iter().copied().cycle().take(password.len()).collect();
        if nonce.len() != password.len() {
            return Err(self.channel.endpoint.malformed("an empty nonce"));
        }
        let mut seed = [0; SEED_BYTES];
        let is_random = SystemRandom::new().fill(&mut seed).is_ok();
        let encrypted = rsa::encrypt(&key, &xor(&password, &nonce), &seed);
        match encrypted {
            Ok(encrypted) if is_random => self.channel.send(&encrypted).await,
            Ok(_) => Err(self.channel.endpoint.authentication("this machine has no random numbers")),
            Err(error) => Err(self.channel.endpoint.authentication(error.to_string())),
        }
    }

    /// Returns the server's RSA key in PEM format, from a file or from the server.
    async fn public_key(&mut self) -> Result<Vec<u8>, ConnectionError> {
        if let Some(file) = &self.settings.server_public_key {
            return tokio::fs::read(file).await.map_err(|e| {
                let what = format!("cannot read server-public-key {}: {e}", file.display());
                self.channel.endpoint.authentication(what)
            });
        }
        if !self.settings.get_server_public_key {
            return Err(self.channel.endpoint.authentication(
                "caching_sha2_password needs a secure connection: set ssl-mode=required, or server-public-key to a file with the server's key, or get-server-public-key=true if the network is trusted",
            ));
        }
        self.channel.send(REQUEST_KEY).await?;
        let packet = self.channel.receive(Phase::Login).await?;
        match LoginMessage::decode(&packet) {
            Some(LoginMessage::MethodData(key)) => Ok(key.to_vec()),
            _ => Err(self.channel.endpoint.malformed("no public key during authentication")),
        }
    }
}
