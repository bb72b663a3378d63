//! Enrolling: a number's one-time code, then a key and a PIN.
//!
//! ```text
//!   POST /enrolments ──▶ …/code ──▶ …/device ──▶ a device
//! ```
//! **Invariant:** asking answers alike for every number, and takes as long: whether a code is sent is found out behind the
//! answer. The code is kept nowhere; it is derived from the enrolment's id by sender and verifier.

use std::sync::Arc;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey},
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use data_encoding::BASE64URL_NOPAD;
use paytone_connectors::prompt::{CodeChannel, CodeSent, OneTimeCode};
use paytone_domain::{
    Actor, Answer, Command,
    ids::{EnrolmentId, NumberHash, PublicKey, SubscriberId},
    subscriber::{EnrolmentCommand, EnrolmentRefusal, NextStep},
};
use paytone_engine::Answered;
use serde::{Deserialize, Serialize};

use super::{device::status_name, pin::TypedPin};
use crate::{
    edge::{
        ids::{Public, read_enrolment, show_enrolment},
        json::{self, Body},
        number::PhoneNumber,
        position::stamp,
        problem::Problem,
        text::{self, Place},
        time,
    },
    node::{Node, random},
};

const CODE_LENGTH: usize = 6;
/// A new enrolment is a new id, so each has one code.
const ATTEMPT: u32 = 1;
const LONGEST_LABEL: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    phone_number: String,
}

#[derive(Serialize)]
struct Asked {
    enrolment: String,
    expires_at: String,
    code_length: usize,
    channel: &'static str,
}

/// `POST /phone/api/enrolments`
pub async fn ask(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    body: Body<Ask>,
) -> Result<Response, Problem> {
    let number = PhoneNumber::read(
        "phone_number",
        &body.value.phone_number,
        &node.config.home_country,
    )?;
    let channel = code_channel(&node)?.name();
    let id = EnrolmentId(random());
    let hash = NumberHash(node.keyring.number_hash(number.e164()));
    let command = EnrolmentCommand::Ask { id, number: hash };
    let answered = submit(&node, command).await?;
    let NextStep::EnterCode { expires_at, send } = answered.answer else {
        return Err(Problem::internal("asking for a code led elsewhere"));
    };
    if send {
        let code = OneTimeCode {
            id: show_enrolment(id),
            number: number.e164().to_owned(),
            code: node.keyring.one_time_code(id.0, ATTEMPT),
            language: language(&headers).to_owned(),
        };
        let node = Arc::clone(&node);
        tokio::spawn(async move { send_code(&node, &code).await });
    }
    let asked = Asked {
        enrolment: show_enrolment(id),
        expires_at: time::show(expires_at),
        code_length: CODE_LENGTH,
        channel,
    };
    let answer = json::answer(StatusCode::ACCEPTED, &asked);
    Ok(stamp(answer, &node, answered.position))
}

async fn send_code(node: &Node, code: &OneTimeCode) {
    let Some(channel) = &node.code_channel else {
        return;
    };
    match channel.send(code).await {
        CodeSent::OnItsWay | CodeSent::ShowOnPage { .. } => {}
        CodeSent::Unknown { why } => {
            tracing::warn!(enrolment = code.id, why, "a code may not have been sent");
        }
    }
}

fn code_channel(node: &Node) -> Result<&dyn CodeChannel, Problem> {
    node.code_channel.as_deref().ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no_code_channel",
            "no way to send codes is set up here",
        )
    })
}

/// The language of the text around the code: the first one that a browser asks for and there is a text in.
fn language(headers: &HeaderMap) -> &'static str {
    let asked = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|languages| languages.to_str().ok())
        .unwrap_or("");
    let known = |language: &str| {
        let language = language.trim().get(..2)?.to_ascii_lowercase();
        match language.as_str() {
            "zh" => Some("zh"),
            "en" => Some("en"),
            _ => None,
        }
    };
    asked.split(',').find_map(known).unwrap_or("en")
}

#[derive(Serialize)]
struct ScreenCode {
    code: String,
}

/// `GET /phone/api/enrolments/{id}/screen-code`: only the demo has a channel that shows codes to whoever asks.
pub async fn screen_code(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = read_enrolment(&id).ok_or_else(Problem::not_found)?;
    let channel = code_channel(&node)?;
    if !node.demo {
        return Err(Problem::not_found());
    }
    let known = node
        .engine
        .read(move |state, _| state.enrolments.contains_key(&id))
        .await?;
    if !known.answer {
        return Err(EnrolmentRefusal::Expired.into());
    }
    let code = OneTimeCode {
        id: show_enrolment(id),
        // The channel that shows a code needs no number.
        number: String::new(),
        code: node.keyring.one_time_code(id.0, ATTEMPT),
        language: "en".to_owned(),
    };
    match channel.send(&code).await {
        CodeSent::ShowOnPage { code } => {
            let answer = json::answer(StatusCode::OK, &ScreenCode { code });
            Ok(stamp(answer, &node, known.position))
        }
        CodeSent::OnItsWay | CodeSent::Unknown { .. } => Err(Problem::not_found()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TryCode {
    code: String,
}

#[derive(Serialize)]
struct Proven {
    pin: &'static str,
    device: &'static str,
}

/// `POST /phone/api/enrolments/{id}/code`
pub async fn try_code(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    body: Body<TryCode>,
) -> Result<Response, Problem> {
    let id = read_enrolment(&id).ok_or(EnrolmentRefusal::Expired)?;
    let code = body.value.code.as_bytes();
    if code.len() != CODE_LENGTH || !code.iter().all(u8::is_ascii_digit) {
        return Err(Problem::unprocessable("invalid_code", "a code has six digits").field("code"));
    }
    let right = node.keyring.one_time_code(id.0, ATTEMPT);
    let matches = verify_slices_are_equal(right.as_bytes(), code).is_ok();
    let answered = submit(&node, EnrolmentCommand::TryCode { id, matches }).await?;
    let NextStep::EnterPin { known, further, .. } = answered.answer else {
        return Err(Problem::internal("a right code led elsewhere"));
    };
    let proven = Proven {
        pin: if known { "enter" } else { "set" },
        device: if further { "further" } else { "first" },
    };
    let answer = json::answer(StatusCode::OK, &proven);
    Ok(stamp(answer, &node, answered.position))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    public_key: String,
    pin: TypedPin,
    label: String,
    recovery: bool,
}

#[derive(Serialize)]
struct Enrolled {
    device: String,
    status: &'static str,
    active_from: Option<String>,
}

/// Whose enrolment it is, once its code was right.
struct Holder {
    subscriber: SubscriberId,
    subject: u64,
    chooses_pin: bool,
}

/// `POST /phone/api/enrolments/{id}/device`
pub async fn complete(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    body: Body<Complete>,
) -> Result<Response, Problem> {
    let id = read_enrolment(&id).ok_or(EnrolmentRefusal::Expired)?;
    let Complete {
        public_key,
        pin,
        label,
        recovery,
    } = body.value;
    let key = read_public_key(&public_key)?;
    let label = read_label(&label)?;
    let holder = holder_of(&node, id).await?;
    let pin_value = pin.value(&node.keyring, holder.subscriber)?;
    if holder.chooses_pin && pin.is_weak() {
        return Err(Problem::unprocessable(
            "weak_pin",
            "this PIN is one of the first that anybody tries; choose another",
        )
        .field("pin"));
    }
    let subject_key = node.subjects.get(holder.subject).await?;
    let command = EnrolmentCommand::Complete {
        id,
        key,
        pin: pin_value,
        label: text::seal(&subject_key, holder.subject, Place::DeviceLabel, label),
        recovery,
    };
    let answered = submit(&node, command).await?;
    let NextStep::Enrolled {
        device,
        status,
        active_from,
        ..
    } = answered.answer
    else {
        return Err(Problem::internal("an enrolment led elsewhere"));
    };
    let enrolled = Enrolled {
        device: device.show(&node.ids),
        status: status_name(status),
        active_from: active_from.map(time::show),
    };
    let answer = json::answer(StatusCode::CREATED, &enrolled);
    Ok(stamp(answer, &node, answered.position))
}

async fn holder_of(node: &Node, id: EnrolmentId) -> Result<Holder, Problem> {
    let found = node
        .engine
        .read(move |state, _| {
            let enrolment = state.enrolments.get(&id).ok_or(EnrolmentRefusal::Expired)?;
            if !enrolment.proven {
                return Err(EnrolmentRefusal::CodeFirst);
            }
            enrolment
                .subscriber
                .and_then(|id| state.subscribers.get(id))
                .map(|holder| Holder {
                    subscriber: holder.id,
                    subject: holder.subject,
                    chooses_pin: holder.pin.is_none(),
                })
                .ok_or(EnrolmentRefusal::Expired)
        })
        .await?;
    Ok(found.answer?)
}

/// Base64url of an uncompressed point that lies on P-256.
fn read_public_key(text: &str) -> Result<PublicKey, Problem> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let point = bytes.and_then(|bytes| <[u8; 65]>::try_from(bytes).ok());
    point
        .filter(|point| {
            point[0] == 4 && ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
        })
        .map(PublicKey)
        .ok_or_else(|| {
            Problem::unprocessable(
                "invalid_public_key",
                "public_key must be the base64url of an uncompressed P-256 point, 65 bytes",
            )
            .field("public_key")
        })
}

fn read_label(text: &str) -> Result<&str, Problem> {
    let label = text.trim();
    if label.is_empty()
        || label.chars().count() > LONGEST_LABEL
        || label.chars().any(char::is_control)
    {
        return Err(Problem::unprocessable(
            "invalid_label",
            "label must have 1 to 40 characters and no control characters",
        )
        .field("label"));
    }
    Ok(label)
}

async fn submit(node: &Node, command: EnrolmentCommand) -> Result<Answered<NextStep>, Problem> {
    let answered = node
        .submit(Actor::Enrolling, Command::Enrolment(command))
        .await?;
    match answered.answer {
        Answer::Enrolment(answer) => Ok(Answered {
            answer: answer?,
            position: answered.position,
        }),
        _ => Err(Problem::internal(
            "an enrolment was answered as something else",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_code_comes_in_the_first_language_there_is() {
        for (asked, language_of_code) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
            ("de-DE, en;q=0.5, zh;q=0.3", "en"),
            ("EN", "en"),
            ("fr", "en"),
            ("", "en"),
            ("中文", "en"),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(asked.as_bytes()).expect("a header");
            headers.insert(header::ACCEPT_LANGUAGE, value);
            assert_eq!(language(&headers), language_of_code, "{asked}");
        }
    }

    #[test]
    fn a_key_is_a_point_of_the_curve() {
        // The base point of P-256 (SEC 2, 2.4.2).
        let base = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                    4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
        let point = data_encoding::HEXLOWER
            .decode(base.as_bytes())
            .expect("hexadecimal");
        let spelled = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        assert!(read_public_key(&spelled(&point)).is_ok());
        let mut beside = point.clone();
        beside[64] ^= 1;
        let mut compressed = point.clone();
        compressed[0] = 2;
        for wrong in [&beside[..], &compressed[..], &point[..64], &[]] {
            let problem = read_public_key(&spelled(wrong)).expect_err("not a key");
            assert_eq!(problem.code, "invalid_public_key");
        }
        assert!(read_public_key("not base64url!").is_err());
    }
}
