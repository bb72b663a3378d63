//! What events do to mandates.

use super::{Mandate, MandateEvent, MandateStatus};
use crate::{
    counters::Spent, deadline::Due, ids::MandateId, state::State, subscriber::PromptRef,
    time::Moment,
};

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &MandateEvent) {
    match event {
        MandateEvent::Requested {
            id,
            merchant,
            payer,
            terms,
            text,
            codes,
            deadline,
            veto,
            ..
        } => {
            state.next_mandate = state.next_mandate.max(id.0 + 1);
            let mandate = Mandate {
                id: *id,
                merchant: *merchant,
                payer: *payer,
                terms: *terms,
                text: text.clone(),
                codes: *codes,
                status: MandateStatus::AwaitingApproval,
                veto: *veto,
                created_at: moment.now,
                deadline: *deadline,
                approved_at: None,
                charged: Spent::default(),
            };
            state.mandates.insert(*id, mandate);
            state.deadlines.insert(*deadline, Due::Mandate(*id));
            state.opened_prompt(moment, *merchant);
            if let (Some(payer), None) = (payer, veto) {
                state
                    .subscribers
                    .expect_mut(*payer)
                    .prompts
                    .push(PromptRef::Mandate(*id));
            }
        }
        MandateEvent::Approved { id, .. } => {
            let mandate = answered(state, *id);
            mandate.status = MandateStatus::Active;
            mandate.approved_at = Some(moment.now);
            if let Some(payer) = mandate.payer {
                let payer = state.subscribers.expect_mut(payer);
                payer.pin_failures = 0;
                payer.mandates.push(*id);
            }
        }
        MandateEvent::Refused {
            id,
            wrong_code,
            report,
            ..
        } => {
            let mandate = answered(state, *id);
            mandate.status = MandateStatus::Refused;
            let (merchant, payer) = (mandate.merchant, mandate.payer);
            state.count_refusal(moment, merchant, payer, *wrong_code, *report);
        }
        MandateEvent::Expired { id } => {
            let mandate = answered(state, *id);
            mandate.status = MandateStatus::Expired;
            let (payer, veto) = (mandate.payer, mandate.veto);
            if let (Some(payer), None) = (payer, veto) {
                state.subscribers.expect_mut(payer).attention.add(moment, 1);
            }
        }
        MandateEvent::Cancelled { id, attention } => {
            let mandate = answered(state, *id);
            mandate.status = MandateStatus::Cancelled;
            if let (Some(payer), true) = (mandate.payer, *attention > 0) {
                let payer = state.subscribers.expect_mut(payer);
                payer.attention.add(moment, *attention);
            }
        }
        MandateEvent::Suspended { id } => set(state, *id, MandateStatus::Suspended),
        MandateEvent::Resumed { id, .. } => {
            set(state, *id, MandateStatus::Active);
            let payer = state.mandates.get(id).and_then(|mandate| mandate.payer);
            if let Some(payer) = payer {
                state.subscribers.expect_mut(payer).pin_failures = 0;
            }
        }
        MandateEvent::Ended { id, .. } => {
            let waiting = state
                .mandates
                .get(id)
                .is_some_and(|mandate| mandate.status == MandateStatus::AwaitingApproval);
            if waiting {
                answered(state, *id);
            }
            set(state, *id, MandateStatus::Ended);
        }
        MandateEvent::Vetoed { id, veto } => {
            let mandate = state.mandates.get_mut(id).expect("a vetoed mandate exists");
            mandate.veto = Some(*veto);
            if let Some(payer) = mandate.payer {
                state
                    .subscribers
                    .expect_mut(payer)
                    .forget_prompt(PromptRef::Mandate(*id));
            }
        }
    }
}

fn set(state: &mut State, id: MandateId, status: MandateStatus) {
    state
        .mandates
        .get_mut(&id)
        .expect("a decided mandate exists")
        .status = status;
}

/// It no longer waits for an answer.
fn answered(state: &mut State, id: MandateId) -> &mut Mandate {
    let mandate = state.mandates.get(&id).expect("an answered mandate exists");
    let (deadline, merchant, payer) = (mandate.deadline, mandate.merchant, mandate.payer);
    state.deadlines.remove(deadline, Due::Mandate(id));
    state.closed_prompt(merchant);
    if let Some(payer) = payer {
        state
            .subscribers
            .expect_mut(payer)
            .forget_prompt(PromptRef::Mandate(id));
    }
    state
        .mandates
        .get_mut(&id)
        .expect("an answered mandate exists")
}
