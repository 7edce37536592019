//! The start of a connection: parameters and authentication (PostgreSQL documentation, "Start-up").

use super::frames::Frame;
use super::server_error::{ServerError, authentication_failed};
use crate::postgres::settings::Target;
use crate::{CdcError, CdcResult};
use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;

/// The authentication of one connection. A pure state machine: frames of the server in, messages to send out.
pub(super) struct Startup<'a> {
    target: &'a Target,
    purpose: Purpose,
    scram: Option<ScramSha256>,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Streaming of the log.
    Replication,
    /// SQL.
    Session,
}

/// What follows a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send these bytes, which may be none, and read the next frame.
    Send(BytesMut),
    /// The server is ready for queries.
    Ready,
}

impl<'a> Startup<'a> {
    pub(super) fn new(target: &'a Target, purpose: Purpose) -> Self {
        Self { target, purpose, scram: None }
    }

    /// Returns the first message.
    ///
    /// # Errors
    /// `Configuration` for a name with a zero byte.
    pub(super) fn first_message(&self, options: &str) -> CdcResult<BytesMut> {
        let mut message = BytesMut::new();
        let parameters = [
            ("user", self.target.user.as_str()),
            ("database", self.target.database.as_str()),
            ("replication", if self.purpose == Purpose::Replication { "database" } else { "false" }),
            ("client_encoding", "UTF8"),
            ("application_name", self.target.application_name.as_str()),
            ("options", options),
        ];
        frontend::startup_message(parameters, &mut message)
            .map_err(|e| CdcError::configuration("user and database must have no zero byte").because(e))?;
        Ok(message)
    }

    /// Takes the server's next frame.
    ///
    /// # Errors
    /// `Configuration` when the server rejects the user or demands another authentication; `Source` for
    /// frames that are not of this phase.
    pub(super) fn on_frame(&mut self, frame: Frame) -> CdcResult<Step> {
        match frame.tag {
            b'R' => self.on_authentication(frame.payload),
            b'E' => Err(ServerError::parse(&frame.payload).on_connect(self.target)),
            b'Z' => Ok(Step::Ready),
            // parameters, the key for cancelling, notices, the protocol version
            b'S' | b'K' | b'N' | b'v' => Ok(Step::Send(BytesMut::new())),
            tag => Err(CdcError::source(format!(
                "the server sent message {:?} during its start",
                char::from(tag)
            ))),
        }
    }

    fn on_authentication(&mut self, mut payload: Bytes) -> CdcResult<Step> {
        let target = self.target;
        let malformed = || CdcError::source("the server sent a malformed authentication message");
        let failed = |e: std::io::Error| CdcError::configuration(authentication_failed(target)).because(e);
        let mut out = BytesMut::new();
        match payload.try_get_u32().map_err(|_| malformed())? {
            0 => {}
            3 => frontend::password_message(target.password.as_bytes(), &mut out).map_err(failed)?,
            5 => {
                let salt: [u8; 4] = payload.as_ref().try_into().map_err(|_| malformed())?;
                let hash = md5_hash(target.user.as_bytes(), target.password.as_bytes(), salt);
                frontend::password_message(hash.as_bytes(), &mut out).map_err(failed)?;
            }
            10 if payload.split(|byte| *byte == 0).any(|name| name == SCRAM_SHA_256.as_bytes()) => {
                let scram = ScramSha256::new(target.password.as_bytes(), ChannelBinding::unsupported());
                frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut out).map_err(failed)?;
                self.scram = Some(scram);
            }
            11 => {
                let scram = self.scram.as_mut().ok_or_else(malformed)?;
                scram.update(&payload).map_err(failed)?;
                frontend::sasl_response(scram.message(), &mut out).map_err(failed)?;
            }
            12 => self.scram.take().ok_or_else(malformed)?.finish(&payload).map_err(failed)?,
            other => {
                return Err(CdcError::configuration(format!(
                    "PostgreSQL at {} demands authentication method {other}, which is not supported: use scram-sha-256, md5 or password in pg_hba.conf",
                    target.server()
                )));
            }
        }
        Ok(Step::Send(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CaptureSettings, CdcErrorKind};

    fn target() -> Target {
        let url = "postgres://me:secret@db/shop".to_owned();
        CaptureSettings { url, ..Default::default() }.postgres_target().unwrap()
    }

    fn frame(tag: u8, payload: &[u8]) -> Frame {
        Frame { tag, payload: Bytes::copy_from_slice(payload), cut_from: None }
    }

    #[test]
    fn each_method_is_answered() {
        let target = target();
        let sent = |frames: &[(u8, &[u8])]| {
            let mut startup = Startup::new(&target, Purpose::Replication);
            let steps = frames.iter().map(|(tag, payload)| startup.on_frame(frame(*tag, payload)));
            steps.last().unwrap()
        };
        assert_eq!(sent(&[(b'R', b"\0\0\0\0")]).unwrap(), Step::Send(BytesMut::new()));
        assert_eq!(
            sent(&[(b'R', b"\0\0\0\x03")]).unwrap(),
            Step::Send(BytesMut::from(&b"p\0\0\0\x0bsecret\0"[..]))
        );
        let Step::Send(md5) = sent(&[(b'R', b"\0\0\0\x05salt")]).unwrap() else { panic!("not ready") };
        assert!(md5.starts_with(b"p\0\0\0\x28md5"), "{md5:?}");
        let Step::Send(scram) = sent(&[(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0")]).unwrap() else {
            panic!("not ready")
        };
        assert!(scram.windows(7).any(|part| part == b"n,,n=,r"), "{scram:?}");
        assert_eq!(sent(&[(b'S', b"a\0b\0"), (b'Z', b"I")]).unwrap(), Step::Ready);
        for (frames, kind, words) in [
            (vec![(b'R', &b"\0\0\0\x07"[..])], CdcErrorKind::Configuration, "method 7"),
            (vec![(b'E', b"C28P01\0Mpassword\0\0")], CdcErrorKind::Configuration, "check name and password"),
            (vec![(b'E', b"C57P03\0Mstarting up\0\0")], CdcErrorKind::Unreachable, "starting up"),
            (vec![(b'R', b"\0\0")], CdcErrorKind::Source, "malformed"),
            (vec![(b'R', b"\0\0\0\x0b")], CdcErrorKind::Source, "malformed"),
            (vec![(b'T', b"")], CdcErrorKind::Source, "'T'"),
        ] {
            let error = sent(&frames).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
