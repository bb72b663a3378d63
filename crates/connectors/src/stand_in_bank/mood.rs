//! Which behaviour the next request meets.

use std::collections::BTreeMap;

use super::operation::Behaviour;

/// Longest delay that can be asked for.
const DELAY_CAP_MS: u64 = 10 * 60 * 1000;

#[derive(Clone, Debug, Default)]
struct Mood {
    behaviour: Behaviour,
    times_left: Option<u32>,
}

/// The behaviour of all accounts, and of those that have one of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Moods {
    general: Mood,
    own: BTreeMap<String, Mood>,
}

impl Moods {
    /// `Err` names the field that is out of range.
    pub(super) fn set(
        &mut self,
        account: Option<String>,
        behaviour: Behaviour,
        times: Option<u32>,
    ) -> Result<(), &'static str> {
        let too_long = |ms: &u64| *ms > DELAY_CAP_MS;
        let wrong = match &behaviour {
            Behaviour::Delay { ms } | Behaviour::DelayRequest { ms } => {
                too_long(ms).then_some("ms")
            }
            Behaviour::LateSuccess {
                after_ms: Some(ms), ..
            } => too_long(ms).then_some("after_ms"),
            Behaviour::LateSuccess {
                after_status_calls: Some(0),
                ..
            } => Some("after_status_calls"),
            _ => None,
        };
        if let Some(field) = wrong {
            return Err(field);
        }
        if times == Some(0) {
            return Err("times");
        }
        let mood = Mood {
            behaviour,
            times_left: times,
        };
        match account {
            None => self.general = mood,
            Some(account) => {
                self.own.insert(account, mood);
            }
        }
        Ok(())
    }

    pub(super) fn behaviour(&self, account: &str) -> &Behaviour {
        &self.own.get(account).unwrap_or(&self.general).behaviour
    }

    /// The behaviour for one request; counts it.
    pub(super) fn take(&mut self, account: &str) -> Behaviour {
        let mood = self.own.get_mut(account).unwrap_or(&mut self.general);
        let behaviour = mood.behaviour.clone();
        if let Some(left) = &mut mood.times_left {
            *left -= 1;
            if *left == 0 {
                *mood = Mood::default();
                self.own.remove(account);
            }
        }
        behaviour
    }
}
