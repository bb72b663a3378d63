//! Devices of one number: how they are shown, removing one, stopping one that waits.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use paytone_domain::{
    Actor, Answer, Command,
    ids::{DeviceId, Sealed},
    subscriber::{Device, DeviceCommand, DeviceStatus},
    time::Timestamp,
};
use paytone_engine::Answered;
use paytone_journal::subject_keys::SubjectKey;
use serde::{Deserialize, Serialize};

use super::session::SignedIn;
use crate::{
    edge::{
        ids::Public,
        json::{self, Body},
        position::stamp,
        problem::Problem,
        text::{self, Place},
        time,
    },
    node::Node,
};

pub fn status_name(status: DeviceStatus) -> &'static str {
    match status {
        DeviceStatus::Active => "active",
        DeviceStatus::AwaitingApproval => "awaiting_approval",
        DeviceStatus::Recovering => "recovering",
        DeviceStatus::Removed => "removed",
    }
}

/// What the state says of a device, its name still sealed.
#[derive(Clone, Debug)]
pub struct DeviceSeen {
    pub id: DeviceId,
    label: Sealed,
    status: DeviceStatus,
    created_at: Timestamp,
    active_from: Option<Timestamp>,
}

impl From<&Device> for DeviceSeen {
    fn from(device: &Device) -> Self {
        Self {
            id: device.id,
            label: device.label.clone(),
            status: device.status,
            created_at: device.created_at,
            active_from: device.active_from,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct DeviceShown {
    id: String,
    label: String,
    status: &'static str,
    this: bool,
    created_at: String,
    active_from: Option<String>,
}

/// `this` is the device that looks.
pub fn show(
    node: &Node,
    seen: &DeviceSeen,
    subject: u64,
    key: &SubjectKey,
    this: Option<DeviceId>,
) -> DeviceShown {
    DeviceShown {
        id: seen.id.show(&node.ids),
        label: text::open(key, subject, Place::DeviceLabel, &seen.label).unwrap_or_default(),
        status: status_name(seen.status),
        this: this == Some(seen.id),
        created_at: time::show(seen.created_at),
        active_from: seen.active_from.map(time::show),
    }
}

/// `GET /phone/api/me/device`: all that a device may ask before it is active.
pub async fn this(State(node): State<Arc<Node>>, signed_in: SignedIn) -> Result<Response, Problem> {
    let id = signed_in.device;
    let read = node
        .engine
        .read(move |state, _| state.devices.get(&id).map(DeviceSeen::from))
        .await?;
    let seen = read.answer.ok_or_else(Problem::not_found)?;
    let subject = signed_in.card.subject;
    let key = node.subjects.get(subject).await?;
    let shown = show(&node, &seen, subject, &key, Some(id));
    Ok(stamp(
        json::answer(StatusCode::OK, &shown),
        &node,
        read.position,
    ))
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `POST /phone/api/devices/{id}/stop`: by any active device; one that waits may give up itself.
pub async fn stop(
    State(node): State<Arc<Node>>,
    by: SignedIn,
    Path(id): Path<String>,
    _: Body<Nothing>,
) -> Result<Response, Problem> {
    let target = DeviceId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let answered = stop_device(&node, by.device, target).await?;
    Ok(super::status_answer(
        &node,
        status_name(answered.answer),
        answered.position,
    ))
}

pub async fn stop_device(
    node: &Node,
    by: DeviceId,
    target: DeviceId,
) -> Result<Answered<DeviceStatus>, Problem> {
    submit(node, by, DeviceCommand::Stop { by, target }).await
}

pub async fn submit(
    node: &Node,
    by: DeviceId,
    command: DeviceCommand,
) -> Result<Answered<DeviceStatus>, Problem> {
    let answered = node
        .submit(Actor::Device(by), Command::Device(command))
        .await?;
    match answered.answer {
        Answer::Device(answer) => Ok(Answered {
            answer: answer?,
            position: answered.position,
        }),
        _ => Err(Problem::internal("a device was answered as something else")),
    }
}
