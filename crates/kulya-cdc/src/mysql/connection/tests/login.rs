//! Logins: methods, their change, refusals.

use super::scripted_server::{OK, PASSWORD, ScriptedServer, connected, error, log_in, logged_in, settings};
use crate::mysql::connection::authentication::{Method, xor};
use crate::mysql::connection::handshake::tests::{NONCE, plain_greeting, tls_greeting};
use crate::mysql::connection::{ConnectionError, NextStep, Reason, rsa};
use proptest::prelude::*;
use std::time::Duration;

/// The bytes of a response before the user's name.
const RESPONSE_HEAD: usize = 32;

fn proof(method: Method) -> Vec<u8> {
    method.response(PASSWORD.as_bytes(), NONCE)
}

/// Asserts that a response names the user and proves the password.
fn assert_response(response: &[u8], method: Method) {
    let proof = proof(method);
    let expected = [b"me\0", &[proof.len() as u8][..], &proof, method.name().as_bytes(), b"\0"].concat();
    assert_eq!(&response[RESPONSE_HEAD..], expected);
}

#[tokio::test]
async fn the_servers_default_method_is_used() {
    for method in [Method::Native, Method::CachingSha2] {
        let (client, mut server) = connected();
        let settings = settings("");
        let (connection, ()) = tokio::join!(log_in(client, &settings), async {
            server.send(&plain_greeting(method.name())).await;
            assert_response(&server.receive().await, method);
            if method == Method::CachingSha2 {
                server.send(&[1, 3]).await;
            }
            server.send(OK).await;
            server.send_account().await;
        });
        let connection = connection.unwrap();
        assert_eq!((connection.connection_id(), connection.account()), (7, "'me'@'%'"));
        assert_eq!(connection.version().to_string(), "MySQL 8.0.36");
    }
}

#[tokio::test]
async fn the_method_is_changed_for_the_account() {
    for (default, method) in [
        ("caching_sha2_password", Method::Native),
        ("mysql_native_password", Method::CachingSha2),
        ("mysql_native_password", Method::Ed25519),
        ("auth_gssapi_client", Method::Native),
    ] {
        let nonce = &[9; 32][..if method == Method::Ed25519 { 32 } else { 20 }];
        let (client, mut server) = connected();
        let settings = settings("");
        let (connection, ()) = tokio::join!(log_in(client, &settings), async {
            server.send(&plain_greeting(default)).await;
            server.receive().await;
            server.send(&[b"\xfe", method.name().as_bytes(), b"\0", nonce, b"\0"].concat()).await;
            assert_eq!(server.receive().await, method.response(PASSWORD.as_bytes(), nonce));
            server.send(OK).await;
            server.send_account().await;
        });
        connection.unwrap();
    }
}

/// Sends a greeting, and the request for the password of `caching_sha2_password`.
async fn ask_for_password(server: &mut ScriptedServer) {
    server.send(&plain_greeting("caching_sha2_password")).await;
    server.receive().await;
    server.send(&[1, 4]).await;
}

fn decrypted(encrypted: &[u8]) -> Vec<u8> {
    let password = rsa::tests::decrypt(encrypted);
    let nonce: Vec<u8> = NONCE.iter().copied().cycle().take(password.len()).collect();
    xor(&password, &nonce)
}

#[tokio::test]
async fn the_password_is_encrypted_with_the_servers_key() {
    let (client, mut server) = connected();
    let settings = settings("get-server-public-key=true");
    let (connection, ()) = tokio::join!(log_in(client, &settings), async {
        ask_for_password(&mut server).await;
        assert_eq!(server.receive().await, [2]);
        server.send(&[&[1], rsa::tests::KEY].concat()).await;
        assert_eq!(decrypted(&server.receive().await), b"geheim\0");
        server.send(OK).await;
        server.send_account().await;
    });
    connection.unwrap();
}

#[tokio::test]
async fn the_servers_key_may_be_a_file() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mysql/rsa/public.pem");
    let (client, mut server) = connected();
    let settings = settings(&format!("server-public-key={file}"));
    let (connection, ()) = tokio::join!(log_in(client, &settings), async {
        ask_for_password(&mut server).await;
        assert_eq!(decrypted(&server.receive().await), b"geheim\0");
        server.send(OK).await;
        server.send_account().await;
    });
    connection.unwrap();
}

#[tokio::test]
async fn the_password_is_never_sent_in_the_clear() {
    for (parameters, ask, expected) in [
        ("", &[1, 4][..], "get-server-public-key=true"),
        ("server-public-key=/nowhere", &[1, 4], "/nowhere"),
        ("", b"\xfemysql_clear_password\0", "mysql_clear_password"),
        ("", b"\xfedialog\0[password]", "(dialog)"),
    ] {
        let (client, mut server) = connected();
        let settings = settings(parameters);
        let (result, ()) = tokio::join!(log_in(client, &settings), async {
            server.send(&plain_greeting("caching_sha2_password")).await;
            server.receive().await;
            server.send(ask).await;
            server.receive().await;
        });
        let error = result.err().unwrap();
        assert_eq!(error.next_step(), NextStep::Stop);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains(PASSWORD), "{error}");
        let password = PASSWORD.as_bytes();
        assert!(!server.received.windows(password.len()).any(|bytes| bytes == password));
    }
}

#[tokio::test]
async fn other_methods_are_refused_by_name() {
    for (name, expected) in [
        ("sha256_password", "deprecated"),
        ("auth_gssapi_client", "not supported yet (auth_gssapi_client)"),
        ("parsec", "(parsec)"),
        ("", "not supported"),
    ] {
        let (client, mut server) = connected();
        let settings = settings("");
        let (result, ()) = tokio::join!(log_in(client, &settings), async {
            server.send(&plain_greeting("mysql_native_password")).await;
            server.receive().await;
            server.send(&[b"\xfe", name.as_bytes(), b"\0nonce\0"].concat()).await;
            server.receive().await;
        });
        let error = result.err().unwrap();
        let shown = error.to_string();
        assert!(matches!(error, ConnectionError::Authentication { .. }), "{shown}");
        assert!(shown.contains(expected) && shown.contains("ALTER USER 'me'@'%'"), "{shown}");
    }
    // the form of servers before plugins
    let (client, mut server) = connected();
    let settings = settings("");
    let (result, ()) = tokio::join!(log_in(client, &settings), async {
        server.send(&plain_greeting("mysql_native_password")).await;
        server.receive().await;
        server.send(&[0xfe]).await;
        server.receive().await;
    });
    assert!(result.err().unwrap().to_string().contains("MySQL 4.0"));
}

#[tokio::test]
async fn errors_instead_of_a_greeting_have_reasons() {
    for (packet, reason, step) in [
        (&b"\xff\x10\x04Too many connections"[..], Reason::TooManyConnections, NextStep::Retry),
        (b"\xff\x69\x04Host 'x' is blocked", Reason::HostBlocked, NextStep::Stop),
        (b"\xff\x6a\x04Host 'x' is not allowed", Reason::HostNotAllowed, NextStep::Stop),
    ] {
        let (client, mut server) = connected();
        let settings = settings("");
        let (result, ()) = tokio::join!(log_in(client, &settings), server.send(packet));
        let error = result.err().unwrap();
        assert_eq!((error.reason(), error.next_step()), (Some(reason), step));
    }
}

#[tokio::test]
async fn a_wrong_password_stops() {
    let (client, mut server) = connected();
    let settings = settings("");
    let (result, ()) = tokio::join!(log_in(client, &settings), async {
        server.send(&plain_greeting("mysql_native_password")).await;
        server.receive().await;
        server.send(&error(1045, "Access denied for user 'me'@'h' (using password: YES)")).await;
    });
    let error = result.err().unwrap();
    assert_eq!((error.reason(), error.next_step()), (Some(Reason::AccessDenied), NextStep::Stop));
}

#[tokio::test]
async fn the_password_is_sent_over_tls() {
    for mode in ["preferred", "required"] {
        let (client, mut server) = connected();
        let settings = settings(&format!("ssl-mode={mode}"));
        let (connection, ()) = tokio::join!(log_in(client, &settings), async {
            server.send(&tls_greeting("caching_sha2_password")).await;
            // the beginning of a response, without the user
            assert_eq!(server.receive().await.len(), RESPONSE_HEAD);
            server.accept_tls().await;
            assert_response(&server.receive().await, Method::CachingSha2);
            server.send(&[1, 4]).await;
            assert_eq!(server.receive().await, b"geheim\0");
            server.send(OK).await;
            server.send_account().await;
        });
        connection.unwrap();
    }
}

/// An attacker could send them, and they would be taken for the server's.
#[tokio::test]
async fn bytes_before_the_tls_handshake_are_refused() {
    let (client, mut server) = connected();
    let settings = settings("ssl-mode=required");
    let (result, ()) = tokio::join!(log_in(client, &settings), async {
        let greeting = tls_greeting("mysql_native_password");
        server
            .send_bytes(&[&[greeting.len() as u8, 0, 0, 0], &greeting[..], b"\x07\0\0\x02", OK].concat())
            .await;
        server.receive().await;
    });
    let error = result.err().unwrap().to_string();
    assert!(error.contains("before the TLS handshake"), "{error}");
}

#[tokio::test]
async fn tls_is_not_given_up_where_it_is_required() {
    for mode in ["required", "verify-ca", "verify-identity"] {
        let (client, mut server) = connected();
        let settings = settings(&format!("ssl-mode={mode}"));
        let (result, ()) = tokio::join!(log_in(client, &settings), async {
            server.send(&plain_greeting("mysql_native_password")).await;
            assert!(server.receive().await.is_empty());
        });
        let error = result.err().unwrap();
        assert!(
            matches!(error, ConnectionError::Tls { .. }) && error.to_string().contains("no TLS"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_times_out() {
    let (client, server) = connected();
    let error = log_in(client, &settings("")).await.err().unwrap();
    assert!(matches!(error, ConnectionError::Timeout { seconds, .. } if seconds == Duration::from_secs(60)));
    assert_eq!(error.next_step(), NextStep::Retry);
    drop(server);
}

#[tokio::test]
async fn an_http_server_is_no_mysql_server() {
    let (client, mut server) = connected();
    let settings = settings("");
    let (result, ()) = tokio::join!(log_in(client, &settings), async {
        server.send_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let error = result.err().unwrap();
    assert!(error.to_string().contains("is it a MySQL or MariaDB server"), "{error}");
}

#[tokio::test]
async fn endless_authentication_ends() {
    let (client, mut server) = connected();
    let settings = settings("");
    let (result, ()) = tokio::join!(log_in(client, &settings), async {
        server.send(&plain_greeting("caching_sha2_password")).await;
        server.receive().await;
        for _ in 0..20 {
            server.send(&[1, 3]).await;
        }
    });
    assert!(result.err().unwrap().to_string().contains("too many messages"));
}

#[tokio::test]
async fn the_account_of_a_proxy_user_is_quoted() {
    let (connection, _server) = logged_in().await;
    assert_eq!(connection.account(), "'me'@'%'");
}

proptest! {
    #[test]
    fn any_bytes_of_a_server_are_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..500),
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let settings = settings("get-server-public-key=true");
            let (client, mut server) = connected();
            server.send_bytes(&bytes).await;
            drop(server);
            assert!(log_in(client, &settings).await.is_err());

            let (client, mut server) = connected();
            let (result, ()) = tokio::join!(log_in(client, &settings), async move {
                server.send(&plain_greeting("caching_sha2_password")).await;
                server.receive().await;
                for message in &messages {
                    server.send(message).await;
                }
            });
            assert!(result.is_err());
        });
    }
}
