//! The handshake's messages: the server's greeting, the request for TLS, the client's response, and the
//! server's requests during authentication.

use super::field;
use super::version::ServerVersion;

/// Capabilities of the protocol that this client uses or recognises.
pub(super) mod capability {
    pub(crate) const LONG_PASSWORD: u32 = 1;
    pub(crate) const LONG_FLAG: u32 = 1 << 2;
    pub(crate) const PROTOCOL_41: u32 = 1 << 9;
    pub(crate) const SSL: u32 = 1 << 11;
    pub(crate) const TRANSACTIONS: u32 = 1 << 13;
    pub(crate) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(crate) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(crate) const PLUGIN_AUTH_LENGTH: u32 = 1 << 21;
}
use capability::{
    LONG_FLAG, LONG_PASSWORD, PLUGIN_AUTH, PLUGIN_AUTH_LENGTH, PROTOCOL_41, SECURE_CONNECTION, SSL,
    TRANSACTIONS,
};

/// What the client cannot do without: all servers since MySQL 5.5 and MariaDB 5.5 have it.
const REQUIRED: u32 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
const USED: u32 = REQUIRED | LONG_PASSWORD | LONG_FLAG | TRANSACTIONS | PLUGIN_AUTH_LENGTH;
/// The character set of the client's texts: `utf8mb4_general_ci`, which both servers have.
const UTF8MB4: u8 = 45;
/// The version of the handshake.
const PROTOCOL: u8 = 10;
/// Bytes of the first part of the nonce.
const NONCE_HEAD: usize = 8;

/// The server's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) version: ServerVersion,
    pub(super) connection_id: u32,
    pub(super) capabilities: u32,
    pub(super) nonce: Vec<u8>,
    /// The name of the server's default authentication method.
    pub(super) method: Vec<u8>,
}

/// Bytes that are no greeting of a supported server.
pub(super) type InvalidGreeting = &'static str;

impl Greeting {
    pub(super) fn decode(packet: &[u8]) -> Result<Self, InvalidGreeting> {
        match packet.first() {
            Some(&PROTOCOL) => {}
            Some(&9) => return Err("a greeting of protocol version 9, which is not supported"),
            _ => return Err("bytes that are no greeting"),
        }
        let greeting = Self::decode_fields(packet).ok_or("an incomplete greeting")?;
        if greeting.capabilities & REQUIRED != REQUIRED {
            return Err("a greeting without protocol 4.1 or authentication plugins, which are required");
        }
        Ok(greeting)
    }

    fn decode_fields(mut packet: &[u8]) -> Option<Self> {
        let input = &mut packet;
        field::u8(input)?;
        let version = ServerVersion::parse(&field::display_text(field::until_zero(input)?));
        let connection_id = field::u32(input)?;
        let mut nonce = field::bytes(input, NONCE_HEAD)?.to_vec();
        field::u8(input)?;
        let low = field::u16(input)?;
        field::bytes(input, 3)?; // character set and status
        let high = field::u16(input)?;
        let nonce_length = usize::from(field::u8(input)?);
        field::bytes(input, 10)?; // MariaDB has further capabilities here
        // the second part has at least 13 bytes, the last of which is zero
        let tail = nonce_length.saturating_sub(NONCE_HEAD).max(13).min(input.len());
        let tail = field::bytes(input, tail)?;
        nonce.extend_from_slice(tail.strip_suffix(&[0]).unwrap_or(tail));
        // some servers do not end the name
        let method = field::until_zero(input).unwrap_or(input).to_vec();
        let capabilities = u32::from(high) << 16 | u32::from(low);
        Some(Self { version, connection_id, capabilities, nonce, method })
    }

    pub(super) fn has_tls(&self) -> bool {
        self.capabilities & SSL != 0
    }

    fn client_capabilities(&self, tls: bool) -> u32 {
        USED & self.capabilities | LONG_PASSWORD | if tls { SSL } else { 0 }
    }

    /// Encodes the request for TLS, which is the beginning of the response.
    pub(super) fn tls_request(&self) -> Vec<u8> {
        self.response_head(true)
    }

    fn response_head(&self, tls: bool) -> Vec<u8> {
        let mut output = self.client_capabilities(tls).to_le_bytes().to_vec();
        output.extend_from_slice(&(super::packet::MAX_PAYLOAD as u32).to_le_bytes());
        output.push(UTF8MB4);
        output.extend_from_slice(&[0; 23]);
        output
    }

    /// Encodes the response: the user and the proof of the password by a method. A proof has up to 255 bytes.
    pub(super) fn response(&self, tls: bool, user: &str, method: &str, proof: &[u8]) -> Vec<u8> {
        let mut output = self.response_head(tls);
        output.extend_from_slice(user.as_bytes());
        output.push(0);
        // up to 250 bytes both encodings are the same
        field::put_length(&mut output, proof.len());
        output.extend_from_slice(proof);
        output.extend_from_slice(method.as_bytes());
        output.push(0);
        output
    }
}

/// A message of the server during authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoginMessage<'a> {
    /// The client is authenticated.
    Accepted,
    /// The account needs another method, with this nonce and a zero byte behind it.
    Switch { method: &'a [u8], data: &'a [u8] },
    /// Data of the method.
    MethodData(&'a [u8]),
}

impl<'a> LoginMessage<'a> {
    /// Decodes a message that is no error; `None` for other bytes.
    pub(super) fn decode(packet: &'a [u8]) -> Option<Self> {
        match packet.split_first()? {
            (0x00, _) => Some(Self::Accepted),
            (0x01, data) => Some(Self::MethodData(data)),
            // the form of servers before authentication plugins
            (0xfe, []) => Some(Self::Switch { method: b"mysql_old_password", data: &[] }),
            (0xfe, mut rest) => {
                let method = field::until_zero(&mut rest)?;
                Some(Self::Switch { method, data: rest })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mysql::connection::version::Flavor;
    use proptest::prelude::*;

    pub(crate) const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";

    /// Encodes a greeting as a server does.
    fn greeting(version: &str, capabilities: u32, method: &str) -> Vec<u8> {
        let capabilities = capabilities.to_le_bytes();
        [
            &[PROTOCOL][..],
            version.as_bytes(),
            &[0, 7, 0, 0, 0],
            &NONCE[..NONCE_HEAD],
            &[0],
            &capabilities[..2],
            &[45, 2, 0],
            &capabilities[2..],
            &[21],
            &[0; 10],
            &NONCE[NONCE_HEAD..],
            &[0],
            method.as_bytes(),
            &[0],
        ]
        .concat()
    }

    /// The greeting of a server without TLS.
    pub(crate) fn plain_greeting(method: &str) -> Vec<u8> {
        greeting("8.0.36", USED, method)
    }

    /// The greeting of a server with TLS.
    pub(crate) fn tls_greeting(method: &str) -> Vec<u8> {
        greeting("8.0.36", USED | SSL, method)
    }

    #[test]
    fn greetings_are_decoded() {
        let found = Greeting::decode(&plain_greeting("caching_sha2_password")).unwrap();
        assert_eq!((found.connection_id, found.nonce.as_slice()), (7, &NONCE[..]));
        assert_eq!(found.method, b"caching_sha2_password");
        assert!(!found.has_tls());
        let found = Greeting::decode(&greeting("5.5.5-10.11.6-MariaDB", USED | SSL, "x")).unwrap();
        assert_eq!((found.version.flavor, found.has_tls()), (Flavor::Mariadb, true));
    }

    #[test]
    fn greetings_of_real_servers_are_decoded() {
        let mariadb = include_bytes!("../../../tests/data/mysql/greetings/mariadb-10.11.19.bin");
        let mysql = include_bytes!("../../../tests/data/mysql/greetings/mysql-8.0.15.bin");
        for (packet, version, method) in [
            (&mariadb[..], "MariaDB 10.11.19", "mysql_native_password"),
            (&mysql[..], "MySQL 8.0.15", "caching_sha2_password"),
        ] {
            let found = Greeting::decode(packet).unwrap();
            assert_eq!((found.version.to_string().as_str(), found.nonce.len()), (version, 20));
            assert_eq!((found.method.as_slice(), found.has_tls()), (method.as_bytes(), true));
        }
    }

    #[test]
    fn other_greetings_are_refused() {
        let whole = greeting("8.0.36", USED, "");
        for (packet, expected) in [
            (&b""[..], "no greeting"),
            (b"HTTP/1.1 400", "no greeting"),
            (b"\x09old", "version 9"),
            (&whole[..30], "incomplete"),
            (&greeting("4.0", LONG_PASSWORD, ""), "4.1"),
        ] {
            let found = Greeting::decode(packet).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn the_response_names_user_and_method() {
        let greeting = Greeting::decode(&greeting("8.0.36", USED, "")).unwrap();
        let response = greeting.response(false, "me", "mysql_native_password", b"proof");
        assert_eq!(&response[32..], b"me\0\x05proofmysql_native_password\0");
        assert_eq!(greeting.tls_request().len(), 32);
    }

    #[test]
    fn login_messages_are_decoded() {
        for (packet, expected) in [
            (&b"\0\0\0"[..], Some(LoginMessage::Accepted)),
            (b"\x01\x03", Some(LoginMessage::MethodData(b"\x03"))),
            (b"\xfe", Some(LoginMessage::Switch { method: b"mysql_old_password", data: b"" })),
            (b"\xfename\0nonce\0", Some(LoginMessage::Switch { method: b"name", data: b"nonce\0" })),
            (b"\xfename", None),
            (b"\x07", None),
            (b"", None),
        ] {
            assert_eq!(LoginMessage::decode(packet), expected, "{packet:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_greeting_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            at in 0_usize..60,
            with: u8,
        ) {
            let _ = Greeting::decode(&bytes);
            let _ = LoginMessage::decode(&bytes);
            let mut mutated = greeting("8.0.36", USED, "caching_sha2_password");
            mutated[at] = with;
            let _ = Greeting::decode(&mutated);
        }
    }
}
