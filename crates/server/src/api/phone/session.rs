//! Signing in: a device signs a challenge and gets a token for an hour.
//!
//! **Invariant:** neither challenge nor token is kept anywhere. Both are claims that only this keyring can have made, each
//! kind with a name of its own, so that one never passes for the other or for another page's token. A session that its phone
//! ended is journaled by its own name, until its time would have been over.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::Response,
};
use data_encoding::BASE64URL_NOPAD;
use paytone_domain::{
    Actor, Command,
    ids::{DeviceId, PublicKey, SessionId, Signature},
    subscriber::DeviceStatus,
    time::{HOUR, SECOND, Timestamp},
};
use serde::{Deserialize, Serialize};

use super::{
    device::{Nothing, status_name},
    prompt::Payer,
};
use crate::{
    edge::{
        directory::DeviceCard,
        ids::Public,
        json::{self, Body},
        position::stamp,
        problem::Problem,
        time,
    },
    http::request::{self, Held},
    metrics::requests::TurnedAway,
    node::{Node, random},
};

const CHALLENGE: &[u8] = b"phone challenge v1\0";
const CHALLENGE_LASTS: i64 = 60 * SECOND;
const SESSION: &[u8] = b"phone session v2\0";
const SESSION_LASTS: i64 = HOUR;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeRequest {
    device: String,
}

#[derive(Serialize)]
struct Challenge {
    challenge: String,
    expires_at: String,
}

/// `POST /phone/api/challenges`
pub async fn challenge(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    body: Body<ChallengeRequest>,
) -> Result<Response, Problem> {
    right_origin(&node, &headers)?;
    let (device, _) = known_device(&node, &body.value.device)?;
    let until = time::now().plus(CHALLENGE_LASTS);
    let challenge = Challenge {
        challenge: node
            .keyring
            .session_token(&claims(CHALLENGE, device, until, &random())),
        expires_at: time::show(until),
    };
    Ok(json::answer(StatusCode::OK, &challenge))
}

/// A page opened under another name of this server would sign what is never taken; a browser tells which name that is.
fn right_origin(node: &Node, headers: &HeaderMap) -> Result<(), Problem> {
    match headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok())
    {
        Some(origin) if !node.config.origins().any(|known| known == origin) => Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong_origin",
            format!("open this page at {}", node.config.origin),
        )),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    device: String,
    challenge: String,
    signature: String,
}

#[derive(Serialize)]
struct Session {
    token: String,
    expires_at: String,
    device_status: &'static str,
}

/// `POST /phone/api/sessions`
pub async fn session(
    State(node): State<Arc<Node>>,
    body: Body<SessionRequest>,
) -> Result<Response, Problem> {
    let SessionRequest {
        device,
        challenge,
        signature,
    } = body.value;
    let (id, card) = known_device(&node, &device)?;
    let now = time::now();
    let issued = node.keyring.open_session(&challenge);
    match issued.and_then(|claims| read_claims(CHALLENGE, &claims)) {
        Some((device, until, _)) if device == id && now < until => {}
        _ => {
            return Err(Problem::unauthorized(
                "the challenge is not of this device or no longer good; ask for another",
            ));
        }
    }
    let is_signed = read_signature(&signature).is_some_and(|signature| {
        node.config.origins().any(|origin| {
            let signed = format!("paytone.session.v1\n{challenge}\n{origin}");
            is_signed(&card.key, &signed, &signature)
        })
    });
    if !is_signed {
        return Err(Problem::unauthorized(
            "the signature is not of this device and challenge",
        ));
    }
    let until = now.plus(SESSION_LASTS);
    let session = Session {
        token: node
            .keyring
            .session_token(&claims(SESSION, id, until, &random())),
        expires_at: time::show(until),
        device_status: status_name(card.status),
    };
    Ok(json::answer(StatusCode::OK, &session))
}

/// A device by its public id, unless it is unknown or removed.
fn known_device(node: &Node, text: &str) -> Result<(DeviceId, DeviceCard), Problem> {
    let id = DeviceId::read(&node.ids, text).ok_or_else(unknown_device)?;
    let card = node.directory.device(id).ok_or_else(unknown_device)?;
    match card.status {
        DeviceStatus::Active | DeviceStatus::AwaitingApproval | DeviceStatus::Recovering => {
            Ok((id, card))
        }
        DeviceStatus::Removed => Err(Problem::new(
            StatusCode::GONE,
            "device_removed",
            "this phone was removed; enrol it again",
        )),
    }
}

fn unknown_device() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_device",
        "this phone is not known here; enrol it again",
    )
    .field("device")
}

fn claims(kind: &[u8], device: DeviceId, until: Timestamp, name: &[u8; 16]) -> Vec<u8> {
    [kind, &device.0.to_be_bytes(), &until.0.to_be_bytes(), name].concat()
}

fn read_claims(kind: &[u8], claims: &[u8]) -> Option<(DeviceId, Timestamp, SessionId)> {
    let (device, rest) = claims.strip_prefix(kind)?.split_first_chunk::<8>()?;
    let (until, name) = rest.split_first_chunk::<8>()?;
    Some((
        DeviceId(u64::from_be_bytes(*device)),
        Timestamp(i64::from_be_bytes(*until)),
        SessionId(name.try_into().ok()?),
    ))
}

/// `DELETE /phone/api/sessions`: ends the session it is asked in, and what listens under it.
pub async fn sign_out(
    State(node): State<Arc<Node>>,
    signed_in: SignedIn,
) -> Result<Response, Problem> {
    let answered = node
        .submit(
            Actor::Device(signed_in.device),
            Command::EndSession {
                session: signed_in.session,
                until: signed_in.until,
            },
        )
        .await?;
    node.news.hang_up(signed_in.device);
    let done = json::answer(StatusCode::OK, &Nothing {});
    Ok(stamp(done, &node, answered.position))
}

/// Base64url of r ‖ s, as WebCrypto makes it.
pub fn read_signature(text: &str) -> Option<Signature> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    <[u8; 64]>::try_from(bytes).ok().map(Signature)
}

/// Whether `signature` is one of `key` over these very bytes: ECDSA over P-256 with SHA-256.
pub fn is_signed(key: &PublicKey, message: &str, signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.0)
        .verify(message.as_bytes(), &signature.0)
        .is_ok()
}

/// A device in a session, whatever its status but removed.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn {
    pub device: DeviceId,
    pub card: DeviceCard,
    pub until: Timestamp,
    pub session: SessionId,
}

impl SignedIn {
    /// Whose device it is.
    pub fn payer(&self) -> Payer {
        Payer {
            id: self.card.subscriber,
            subject: self.card.subject,
        }
    }
}

impl FromRequestParts<Arc<Node>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| Problem::unauthorized("sign in first"))?;
        let claims = node.keyring.open_session(token);
        let known = claims.and_then(|claims| read_claims(SESSION, &claims));
        let (device, until, session) =
            known.ok_or_else(|| Problem::unauthorized("this is not a session's token"))?;
        if time::now() >= until || node.directory.has_ended(&session) {
            return Err(Problem::unauthorized("the session is over; sign in again"));
        }
        let card = node
            .directory
            .device(device)
            .filter(|card| card.status != DeviceStatus::Removed)
            .ok_or_else(|| Problem::unauthorized("this phone was removed"))?;
        take_turn(node, device)?;
        Ok(Self {
            device,
            card,
            until,
            session,
        })
    }
}

/// One phone may have so many requests under way, and no more.
fn take_turn(node: &Node, device: DeviceId) -> Result<(), Problem> {
    let Some(turn) = node.shares.devices.begin(device) else {
        node.metrics.requests.turned_away(TurnedAway::Device);
        return Err(Problem::too_much(
            "too many requests of this phone are under way; try again",
        ));
    };
    request::hold(Held::Device(turn));
    Ok(())
}

/// A device in a session that may act for its owner. The decision itself checks this again.
#[derive(Clone, Copy, Debug)]
pub struct ActiveDevice(pub SignedIn);

impl FromRequestParts<Arc<Node>> for ActiveDevice {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let signed_in = SignedIn::from_request_parts(parts, node).await?;
        match signed_in.card.status {
            DeviceStatus::Active => Ok(Self(signed_in)),
            DeviceStatus::AwaitingApproval | DeviceStatus::Recovering | DeviceStatus::Removed => {
                Err(super::problem::device_not_active())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_no_session_and_a_session_no_challenge() {
        let (device, until) = (DeviceId(7), Timestamp(9));
        let (challenge, session) = (
            claims(CHALLENGE, device, until, &[1; 16]),
            claims(SESSION, device, until, &[2; 16]),
        );
        let read = |name| Some((device, until, SessionId([name; 16])));
        assert_eq!(read_claims(CHALLENGE, &challenge), read(1));
        assert_eq!(read_claims(SESSION, &session), read(2));
        assert_eq!(read_claims(SESSION, &challenge), None);
        assert_eq!(read_claims(CHALLENGE, &session), None);
    }
}
